//! Hands arguments to the library and its exit code to the system.

use std::process::ExitCode;

fn main() -> ExitCode {
    wp_app_password::cli::run(std::env::args_os())
}
