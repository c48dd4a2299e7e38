//! Looks for filters in PHP files as text: it says where to look, never what the code does.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What code refuses by. With those of [`Weight::Shared`], plugins of every kind have to do.
const FILTERS: [(&str, Weight); 6] = [
    ("wp_is_application_passwords_available", Weight::Own),
    ("application_password_is_api_request", Weight::Own),
    ("wp_authenticate_application_password_errors", Weight::Own),
    ("two_factor_user_api_login_enable", Weight::Own),
    ("rest_authentication_errors", Weight::Shared),
    ("determine_current_user", Weight::Shared),
];

/// What a filter is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Application passwords.
    Own,
    /// Logins of all kinds: WooCommerce has some for its own keys, Jetpack for its own tokens.
    Shared,
}

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
    /// What it is there for.
    pub weight: Weight,
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
            // In quotes it is the filter's name; without, a function of that name is called.
            let is_named = |filter: &str| {
                line.match_indices(filter)
                    .any(|(at, _)| line.get(..at).is_some_and(|before| before.ends_with(['\'', '"'])))
            };
            if let Some((filter, weight)) = FILTERS.into_iter().find(|(filter, _)| is_named(filter)) {
                self.mentions.push(Mention { file: place.to_owned(), line: number + 1, filter, weight });
            }
        }
    }
}

/// The `Version` in the head of a plugin's main file.
///
/// WordPress: `get_file_data()` reads 8 KiB.
pub fn plugin_version(file: &Path) -> Option<String> {
    let mut head = Vec::new();
    fs::File::open(file).ok()?.take(8 << 10).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().find_map(|line| {
        let line = line.trim_start_matches([' ', '\t', '/', '*', '#', '@']);
        line.get(..8).filter(|name| name.eq_ignore_ascii_case("version:")).and_then(|_| line.get(8..))
    })?;
    Some(line.trim().trim_end_matches("*/").trim().to_owned()).filter(|version| !version.is_empty())
}
