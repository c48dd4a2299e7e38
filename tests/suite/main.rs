//! The one test program. Each file is a topic; `cargo test <file>` runs one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test reports by panicking; clippy.toml's exceptions do not reach its helpers"
)]

mod audit;
mod authorize;
mod browser;
mod cli;
mod concurrency;
mod conformance;
mod discover;
mod doctor;
mod drop_ins;
mod enforcer;
mod faults;
mod fixture;
mod formats;
mod generated;
mod golden;
mod identify;
mod journal;
mod object_cache;
mod oracle;
mod output;
mod php_roundtrip;
mod process;
mod provision;
mod proxy;
mod prune;
mod readme;
mod revoke;
mod rig;
mod rotate;
mod sinks;
mod site;
mod site_verb;
mod suspend;
mod vectors;
mod verify;
mod wordpress;

/// A file that is not listed above would never run.
#[test]
fn every_file_is_listed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite");
    let listed = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") else { continue };
        assert!(listed.contains(&format!("mod {module};")), "tests/suite/{name} is not in main.rs");
    }
}
