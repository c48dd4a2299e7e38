//! Looks for filters in PHP files as text: it says where to look, never what the code does.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What code refuses by.
const FILTERS: [&str; 5] = [
    "wp_is_application_passwords_available",
    "application_password_is_api_request",
    "wp_authenticate_application_password_errors",
    "rest_authentication_errors",
    "determine_current_user",
];

/// A site has thousands of files; these are enough to find what somebody wrote by hand.
const MOST_FILES: usize = 4000;

/// Nobody writes such a file by hand.
const LONGEST: u64 = 1 << 20;

/// No deeper.
const DEEPEST: u32 = 6;

/// Where a filter is mentioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// The filter.
    pub filter: &'static str,
}

/// What a search came to.
#[derive(Debug, Default)]
pub struct Search {
    /// What was found.
    pub mentions: Vec<Mention>,
    /// How many files were read.
    pub files: usize,
    /// Not everything was read.
    pub cut: bool,
}

impl Search {
    /// Reads a file, or all PHP files of a folder. Links to folders are not followed twice over.
    pub fn look(&mut self, place: &Path) {
        self.walk(place, 0);
    }

    fn walk(&mut self, place: &Path, depth: u32) {
        let Ok(metadata) = fs::metadata(place) else { return };
        if metadata.is_dir() {
            if depth == DEEPEST {
                self.cut = true;
                return;
            }
            let Ok(entries) = fs::read_dir(place) else {
                self.cut = true;
                return;
            };
            let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            inside.sort();
            for path in inside {
                let is_folder = path.is_dir();
                let is_link = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
                // A link to a folder may lead round in a circle; at the top it is how deployments are made.
                if (is_folder && !(is_link && depth > 0)) || path.extension().is_some_and(|end| end == "php")
                {
                    self.walk(&path, depth + 1);
                }
            }
            return;
        }
        if self.files == MOST_FILES || metadata.len() > LONGEST || !metadata.is_file() {
            self.cut = true;
            return;
        }
        self.files += 1;
        let mut bytes = Vec::new();
        let read = fs::File::open(place).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
        if read.is_err() {
            self.cut = true;
            return;
        }
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = String::from_utf8_lossy(line);
            let line = line.trim_start();
            if ["//", "*", "/*", "#"].iter().any(|comment| line.starts_with(comment)) {
                continue;
            }
            // Whoever switches it on has no part in this.
            if line.contains("__return_true") {
                continue;
            }
            if let Some(filter) = FILTERS.into_iter().find(|filter| line.contains(filter)) {
                self.mentions.push(Mention { file: place.to_owned(), line: number + 1, filter });
            }
        }
    }
}
