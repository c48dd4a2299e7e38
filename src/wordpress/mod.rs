//! WordPress's formats and rules, byte for byte; pure: no database, no clock, no terminal.

pub mod account;
pub mod authorize;
pub mod compare;
pub mod cron;
pub mod generate;
pub mod network;
pub mod object_cache;
pub mod password_hash;
pub mod php_serialize;
pub mod plain_list;
pub mod restrictions;
pub mod roles;
pub mod sanitize;
pub mod schema;
pub mod version;
