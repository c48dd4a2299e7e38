//! WordPress's formats and rules, byte for byte; pure: no database, no clock, no terminal.

pub mod generate;
pub mod password_hash;
pub mod sanitize;
pub mod schema;
pub mod version;
