//! Any bytes as a configuration: evaluated to an end, in bounded time.
#![no_main]

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use wp_app_password::site::Environment;
use wp_app_password::site::php::{Input, Url, evaluate};

thread_local! {
    static ROOT: RefCell<Option<(tempfile::TempDir, PathBuf)>> = const { RefCell::new(None) };
}

fuzz_target!(|bytes: &[u8]| {
    ROOT.with_borrow_mut(|root| {
        let (_, dir) = root.get_or_insert_with(|| {
            let dir = tempfile::tempdir().expect("a folder can be made");
            let path = dir.path().canonicalize().expect("the folder exists");
            (dir, path)
        });
        let file = dir.join("wp-config.php");
        std::fs::write(&file, bytes).expect("the file can be written");
        let env: Environment = [("DB_NAME", "n"), ("DATABASE_URL", "mysql://u:p@h/n")].into_iter().collect();
        // Both ways of a request: known and not.
        for url in [None, Url::parse("https://www.example.org/a")] {
            let started = Instant::now();
            let outcome = evaluate(&Input {
                file: file.clone(),
                root: Some(dir.clone()),
                working_dir: dir.clone(),
                env: &env,
                url,
                limited_to_owner: None,
                databases: None,
            });
            assert!(started.elapsed() < Duration::from_secs(5), "it takes {:?}", started.elapsed());
            if let Err(sentence) = outcome {
                assert!(!sentence.ends_with("could not be evaluated."), "{sentence}");
            }
        }
    });
});
