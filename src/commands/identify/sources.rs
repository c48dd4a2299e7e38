//! Files, and the files in folders.

use std::io;
use std::path::{Path, PathBuf};

/// What ends the names of files whose contents are packed: what is in them is not seen.
const PACKED: [&str; 10] = ["gz", "tgz", "bz2", "xz", "zst", "lz4", "Z", "zip", "7z", "rar"];

/// Whether the name is that of a packed file.
pub fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| PACKED.iter().any(|packed| ending.eq_ignore_ascii_case(packed)))
}

/// All regular files below a path, in the order of their names. Links are not followed, except the path itself;
/// pipes, sockets and devices are passed over, except the path itself.
pub struct Files {
    /// What is to be looked at, the next one last, and whether it was named by the user.
    left: Vec<(PathBuf, bool)>,
}

impl Files {
    /// Below this path, or the path alone if it is no folder.
    pub fn below(path: &Path) -> Self {
        Self { left: vec![(path.to_owned(), true)] }
    }

    fn enter(&mut self, path: &Path, named: bool) -> io::Result<bool> {
        let kind = if named { std::fs::metadata(path)? } else { std::fs::symlink_metadata(path)? };
        if !kind.is_dir() {
            return Ok(named || kind.is_file());
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path)? {
            inside.push((entry?.path(), false));
        }
        inside.sort_unstable_by(|a, b| b.cmp(a));
        self.left.append(&mut inside);
        Ok(false)
    }
}

impl Iterator for Files {
    /// A file, or what could not be looked at and why.
    type Item = Result<PathBuf, (PathBuf, io::Error)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (path, named) = self.left.pop()?;
            match self.enter(&path, named) {
                Ok(true) => return Some(Ok(path)),
                Ok(false) => {}
                Err(error) => return Some(Err((path, error))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_in_order_and_links_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("b/c")).unwrap();
        for file in ["z", "b/2", "b/c/1", "a"] {
            std::fs::write(root.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("b/round")).unwrap();
        std::os::unix::fs::symlink(root.join("a"), root.join("link")).unwrap();
        let names = |path: &Path| -> Vec<String> {
            Files::below(path)
                .map(|file| file.unwrap().strip_prefix(root).unwrap().display().to_string())
                .collect()
        };
        assert_eq!(names(root), ["a", "b/2", "b/c/1", "z"]);
        assert_eq!(names(&root.join("link")), ["link"], "what the user names is followed");
        let missing = Files::below(&root.join("missing")).next().unwrap().unwrap_err();
        assert_eq!(missing.1.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn packed_files_are_known_by_their_names() {
        assert!(is_packed(Path::new("logs/access.log.2.gz")) && is_packed(Path::new("BACKUP.ZIP")));
        assert!(!is_packed(Path::new("gz")) && !is_packed(Path::new("access.log")));
    }
}
