//! Manage WordPress application passwords straight on the site's database.
//!
//! In reading order; knowledge flows one way, downward:
//!
//! - [`cli`] reads a command line and turns an end into an exit code. It never touches a database.
//! - [`commands`] hold one verb each. They know neither SQL nor PHP's formats.
//! - [`site`] finds which database, prefix and version are meant. It never opens one.
//! - [`application_passwords`] is WordPress's class of that name over any store. It never prints.
//! - [`doctor`] knows what keeps a valid password from being accepted. It knows no SQL and no terminal.
//! - [`audit`] is rules over the facts of a site: facts in, findings out. It knows no SQL and no terminal.
//! - [`wordpress`] holds formats and rules, byte for byte. It knows no database, clock or terminal.
//! - [`scan`] finds strings that may be application passwords in bytes of any kind. It knows no database.
//! - [`object_cache`] forgets what WordPress's persistent object cache holds of what was written.
//! - [`live`] asks a site over HTTP whether it has application passwords and accepts one. It knows no database and never prints.
//! - [`enforcer`] writes the plugin that makes WordPress enforce expiry and restrictions. It knows files only.
//! - [`sink`] brings a new password to a file, a command or wherever it was asked for. It knows no WordPress.
//! - [`store`] moves bytes in and out of WordPress's tables. It never looks inside a value.
//! - [`journal`] keeps a trail of what was changed. It knows no database and no terminal.
//! - [`output`] writes to the standard streams. It knows no verb and no WordPress.
//! - [`interrupt`] keeps signals from ending the program between a password that is saved and one that is seen.
//! - [`error`] is what the user reads when something fails, [`secret`] what nobody reads by accident.

pub mod application_passwords;
pub mod audit;
pub mod cli;
pub mod commands;
pub mod doctor;
pub mod enforcer;
pub mod error;
pub mod interrupt;
pub mod journal;
pub mod live;
pub mod object_cache;
pub mod output;
pub mod scan;
pub mod secret;
pub mod sink;
pub mod site;
pub mod store;
pub mod wordpress;
