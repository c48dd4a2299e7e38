//! WordPress's formats and rules, byte for byte; pure: no database, no clock, no terminal.

pub mod php_serialize;
