//! A WordPress root: where it is, and what its files say beside `wp-config.php`.
//!
//! Mirrors WP-CLI's `Runner::find_wp_root()`, `Runner::extract_subdir_path()` and
//! `Utils\locate_wp_config()`, and the first lines of `wp-load.php`.

use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::{Environment, Files, FoundBy, Place, Request, SiteError};

/// What `wp-includes/version.php` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionFile {
    /// The file.
    pub path: PathBuf,
    /// `$wp_version`, such as `6.8.2` or `7.1-RC1`.
    pub wp_version: String,
    /// `$wp_db_version`, if it is a number.
    pub wp_db_version: Option<u64>,
}

/// Larger files than this are not WordPress's.
const MOST_BYTES: u64 = 1 << 20;

/// The configuration that the request names, or that belongs to the root that is named or found upward.
pub(super) fn place(request: &Request) -> Result<Place, SiteError> {
    if let Some(file) = &request.wp_config {
        let file = request.cwd.join(expand_tilde(file, request));
        let wp_config = file.canonicalize().map_err(|error| {
            SiteError::Config(format!("{} (--wp-config) cannot be read: {error}.", file.display()))
        })?;
        // On its own the file says nothing about where WordPress lies, unless it lies in its root.
        let root = match &request.path {
            Some(_) => Some(find_root(request)?),
            None => wp_config
                .parent()
                .filter(|dir| dir.join("wp-load.php").is_file())
                .map(|dir| (dir.to_path_buf(), "the folder of --wp-config".to_owned())),
        };
        let (root, by) = root.unzip();
        let found = FoundBy { root: by.unwrap_or_default(), wp_config: "--wp-config".into() };
        return Ok(Place::Files(Files { root, wp_config, found, notes: Vec::new() }));
    }
    let (root, by) = find_root(request)?;
    let (wp_config, config_by) = locate_config(&root, &request.env)?;
    let missing = request.env.path("WP_CONFIG_PATH").filter(|path| !path.exists());
    // WP-CLI: says nothing of it.
    let notes = missing.map(|missing| {
        format!(
            "The environment variable WP_CONFIG_PATH names {}, which is not there; {} is used.",
            missing.display(),
            wp_config.display()
        )
    });
    let found = FoundBy { root: by, wp_config: config_by.into() };
    Ok(Place::Files(Files { root: Some(root), wp_config, found, notes: notes.into_iter().collect() }))
}

/// The folder that holds `wp-load.php`, and what led to it.
fn find_root(request: &Request) -> Result<(PathBuf, String), SiteError> {
    let default = request.default_path.as_ref().filter(|_| request.alias.is_none());
    let given = request.path.as_ref().map(|path| {
        let by = match &request.alias {
            Some(alias) => format!("the alias {alias}"),
            None => "--path".to_owned(),
        };
        (path, by)
    });
    let default = || default.map(|(path, file)| (path, format!("path in {}", file.display())));
    if let Some((path, by)) = given.or_else(default) {
        if path.as_os_str().is_empty() {
            // WP-CLI: the same words, whoever said it.
            return Err(SiteError::Usage("The --path parameter cannot be empty when provided.".into()));
        }
        let root = normalize(&request.cwd.join(expand_tilde(path, request)));
        return if root.join("wp-load.php").is_file() {
            Ok((root, by))
        } else {
            Err(SiteError::NotWordPress(root))
        };
    }
    let mut dir = request.cwd.as_path();
    loop {
        if dir.join("wp-load.php").exists() {
            let by = if dir == request.cwd { "the working directory" } else { "found upward" };
            return Ok((dir.to_path_buf(), by.to_owned()));
        }
        let index = dir.join("index.php");
        if let Some(root) = root_in_index(&index) {
            let root = normalize(&root);
            return if root.join("wp-load.php").exists() {
                Ok((root, format!("found by {}", index.display())))
            } else {
                Err(SiteError::NotWordPress(root))
            };
        }
        match dir.parent() {
            Some(parent) => dir = parent,
            None => return Err(SiteError::NotWordPress(request.cwd.clone())),
        }
    }
}

fn expand_tilde(path: &Path, request: &Request) -> PathBuf {
    expand_home(path, &request.env)
}

/// WP-CLI: `Path::expand_tilde()`.
pub(super) fn expand_home(path: &Path, env: &Environment) -> PathBuf {
    match (path.strip_prefix("~"), env.path("HOME")) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_path_buf(),
    }
}

/// Removes `.`, doubled slashes and a slash at the end, as WP-CLI's `Path::normalize()` does.
///
/// `..` stays: behind a link, such as the `current` of a deployment, the system goes elsewhere than the names
/// suggest.
fn normalize(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}

/// The root of an installation in a folder of its own, whose `index.php` lies above it and requires its
/// `wp-blog-header.php`.
///
/// WP-CLI: `Runner::extract_subdir_path()` looks for `require` at the start of a line, and understands
/// strings, `__DIR__`, `__FILE__`, `dirname()` and concatenation.
fn root_in_index(index: &Path) -> Option<PathBuf> {
    let code = read_text(index)?;
    for line in code.lines() {
        let Some(rest) = line.trim_start().strip_prefix("require") else { continue };
        let Some(end) = rest.find("/wp-blog-header.php") else { continue };
        let expression = rest[..end].trim_start().trim_start_matches('(').trim();
        let dir = index.parent()?.to_str()?;
        let mut path = String::new();
        let mut remaining = expression;
        loop {
            remaining = remaining.trim_start();
            if let Some(after) =
                strip_any(remaining, &["__DIR__", "dirname( __FILE__ )", "dirname(__FILE__)"])
            {
                path.push_str(dir);
                remaining = after;
            } else if let Some(quoted) = remaining.strip_prefix(['\'', '"']) {
                let quote = remaining.chars().next()?;
                // The last string is cut off where `/wp-blog-header.php` begins.
                let end = quoted.find(quote).unwrap_or(quoted.len());
                path.push_str(&quoted[..end]);
                remaining = quoted.get(end + 1..).unwrap_or("");
            } else {
                return None;
            }
            remaining = remaining.trim_start();
            if remaining.is_empty() {
                break;
            }
            remaining = remaining.strip_prefix('.')?;
        }
        return Some(index.parent()?.join(path));
    }
    None
}

fn strip_any<'a>(text: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    prefixes.iter().find_map(|prefix| text.strip_prefix(prefix))
}

/// The site's `wp-config.php`.
///
/// WP-CLI: `WP_CONFIG_PATH` first. WordPress: in the root, else one above, unless that folder is a
/// WordPress of its own.
fn locate_config(root: &Path, env: &super::Environment) -> Result<(PathBuf, &'static str), SiteError> {
    let inside = root.join("wp-config.php");
    let given = env.path("WP_CONFIG_PATH").filter(|path| path.exists());
    let above = root.parent().filter(|above| !above.join("wp-settings.php").exists());
    given
        .map(|path| (path, "WP_CONFIG_PATH"))
        .or_else(|| inside.exists().then(|| (inside.clone(), "the root")))
        .or_else(|| {
            let above = above.map(|above| above.join("wp-config.php")).filter(|path| path.exists());
            above.map(|path| (path, "the folder above the root"))
        })
        .map(|(path, by)| (path.canonicalize().unwrap_or(path), by))
        .ok_or_else(|| {
            SiteError::Config(format!(
                "{} is a WordPress without a wp-config.php. Name its database with --db, or the file with the environment variable WP_CONFIG_PATH.",
                root.display()
            ))
        })
}

/// Reads `$wp_version` and `$wp_db_version`, which WordPress ships as plain literals.
pub(super) fn version(root: &Path) -> Option<VersionFile> {
    let path = root.join("wp-includes/version.php");
    let code = read_text(&path)?;
    let literal = |name: &str| {
        code.lines().find_map(|line| {
            let value = line.trim_start().strip_prefix(name)?.trim_start().strip_prefix('=')?;
            Some(value.split(';').next()?.trim().trim_matches(['\'', '"']).to_owned())
        })
    };
    let wp_version = literal("$wp_version").filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(VersionFile { path, wp_version, wp_db_version: literal("$wp_db_version")?.parse().ok() })
}

/// A file of the site, if it is a file, small and readable; not necessarily UTF-8.
pub(super) fn read_text(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok().filter(|data| data.is_file() && data.len() <= MOST_BYTES)?;
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    fs::File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn found(dir: &Path, cwd: &str) -> Result<PathBuf, SiteError> {
        Ok(find_root(&Request { cwd: dir.join(cwd), ..Request::default() })?.0)
    }

    #[test]
    fn the_root_is_found_upward_and_through_an_index_file() {
        let dir = tree(&[
            ("a/wp-load.php", ""),
            ("a/wp-content/themes/x/y", ""),
            ("b/index.php", "<?php\nrequire __DIR__ . '/core/wp-blog-header.php';\n"),
            ("b/core/wp-load.php", ""),
            ("b/sub/x", ""),
            (
                "c/index.php",
                "<?php require dirname( __FILE__ ) . '/wp-blog-header.php';\nrequire('./wp/wp-blog-header.php');",
            ),
            ("c/wp/wp-load.php", ""),
        ]);
        assert_eq!(found(dir.path(), "a/wp-content/themes/x"), Ok(dir.path().join("a")));
        assert_eq!(found(dir.path(), "b/sub"), Ok(dir.path().join("b/core")));
        assert_eq!(found(dir.path(), "c"), Ok(dir.path().join("c/wp")));
    }

    #[test]
    fn no_wordpress_is_said_as_wp_cli_says_it() {
        let error =
            find_root(&Request { path: Some("/nowhere/.//x/..".into()), ..Request::default() }).unwrap_err();
        assert!(
            error.to_string().starts_with(
                "This does not seem to be a WordPress installation.\nThe used path is: /nowhere/x/../\nPass --path="
            ),
            "{error}"
        );
    }

    #[test]
    fn the_configuration_above_counts_only_without_a_wordpress_there() {
        let dir = tree(&[("wp-config.php", ""), ("wp/wp-load.php", "")]);
        let env = super::super::Environment::default();
        let root = dir.path().join("wp");
        assert_eq!(
            locate_config(&root, &env).unwrap().0,
            dir.path().canonicalize().unwrap().join("wp-config.php")
        );
        fs::write(dir.path().join("wp-settings.php"), "").unwrap();
        assert!(locate_config(&root, &env).is_err());
        fs::write(dir.path().join("wp/wp-config.php"), "").unwrap();
        assert!(locate_config(&root, &env).unwrap().0.ends_with("wp/wp-config.php"));
    }

    #[test]
    fn the_version_is_read_from_its_file() {
        let dir = tree(&[(
            "wp-includes/version.php",
            "<?php\n/**\n * @global string $wp_version\n */\n$wp_version = '6.8-RC1-60000-src';\n$wp_db_version = 60421;\n",
        )]);
        let version = version(dir.path()).unwrap();
        assert_eq!((version.wp_version.as_str(), version.wp_db_version), ("6.8-RC1-60000-src", Some(60421)));
    }
}
