//! Manage WordPress application passwords straight on the site's database.
//!
//! Knowledge flows one way: `main → cli → commands → application_passwords → {wordpress, store}`.
//! `output`, `error` and `secret` know nobody.

pub mod secret;
pub mod store;
