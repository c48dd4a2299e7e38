//! Files, and the files in folders.

use std::io;
use std::path::{Path, PathBuf};

/// What ends the names of files whose contents are packed or encrypted: what is in them is not seen.
const PACKED: [&str; 44] = [
    "gz", "tgz", "bz2", "tbz", "tbz2", "xz", "txz", "lzma", "tlz", "lz", "lzo", "zst", "zstd", "tzst", "lz4",
    "br", "Z", "taz", "zip", "7z", "rar", "cab", "jar", "war", "ear", "apk", "phar", "epub", "docx", "docm",
    "xlsx", "xlsm", "pptx", "odt", "ods", "odp", "wpress", "gpg", "pgp", "age", "rpm", "deb", "sz", "enc",
];

/// How files begin whose contents are packed or encrypted.
const BEGINNINGS: [&[u8]; 29] = [
    // gzip, compress, xz, lzip, lzop.
    b"\x1f\x8b",
    b"\x1f\x9d",
    b"\x1f\xa0",
    b"\xfd7zXZ\0",
    b"LZIP\x01",
    b"\x89LZO",
    // zstd, lz4 and its older form.
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
    b"\x02\x21\x4c\x18",
    // zip, and so Java's and office files; one with nothing in it; one in parts.
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x07\x08",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"MSCF\0\0\0\0",
    // zlib, as git keeps its objects, and packs of these.
    b"x\x01",
    b"x\x9c",
    b"x\xda",
    b"PACK\0\0\0",
    // RPM, squashfs, PDF.
    b"\xed\xab\xee\xdb",
    b"hsqs",
    b"%PDF-",
    // snappy.
    b"\xff\x06\0\0sNaPpY",
    // age, PGP, OpenSSL, Ansible.
    b"age-encryption.org/",
    b"-----BEGIN AGE ENCRYPTED FILE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"Salted__",
    b"U2FsdGVkX1",
    b"$ANSIBLE_VAULT;",
];

/// So many bytes show whether a file is packed.
pub const BEGINNING: usize = 64;

/// Whether this is the name of a packed file, or the beginning of one.
pub fn is_packed(path: &Path, beginning: &[u8]) -> bool {
    let is_named = |ending: &std::ffi::OsStr| PACKED.iter().any(|packed| ending.eq_ignore_ascii_case(packed));
    path.extension().is_some_and(is_named)
        || BEGINNINGS.iter().any(|packed| beginning.starts_with(packed))
        || matches!(beginning, [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, 0x41 | 0x72, ..])
        || is_encrypted_message(beginning)
}

/// An OpenPGP message for a key or a passphrase: RFC 9580, the first packet with the version that its kind has.
fn is_encrypted_message(beginning: &[u8]) -> bool {
    matches!(
        beginning,
        [0x84, _, 3, ..]
            | [0x85, _, _, 3, ..]
            | [0x8c, _, 4..=6, ..]
            | [0xc1, 0..=191, 3 | 6, ..]
            | [0xc1, 192..=223, _, 3 | 6, ..]
            | [0xc3, 0..=191, 4..=6, ..]
    )
}

/// All regular files below a path, in the order of their names. Links are not followed, except the path itself;
/// pipes, sockets and devices are passed over, except the path itself.
pub struct Files {
    /// What is to be looked at, the next one last, and whether it was named by the user.
    left: Vec<(PathBuf, bool)>,
    /// Where it all is.
    root: PathBuf,
    /// How many links lead to files or folders that are not below the path.
    links: u64,
}

impl Files {
    /// Below this path, or the path alone if it is no folder.
    pub fn below(path: &Path) -> Self {
        let root = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self { left: vec![(path.to_owned(), true)], root, links: 0 }
    }

    /// How many links there were, so far, to files or folders elsewhere.
    pub fn links(&self) -> u64 {
        self.links
    }

    fn enter(&mut self, path: &Path, named: bool) -> io::Result<bool> {
        let kind = if named { std::fs::metadata(path)? } else { std::fs::symlink_metadata(path)? };
        if kind.is_symlink() {
            // One that leads nowhere hides nothing, nor does one to what is looked at anyway.
            let target = std::fs::metadata(path).is_ok_and(|target| target.is_dir() || target.is_file());
            let is_elsewhere = path.canonicalize().map_or(true, |target| !target.starts_with(&self.root));
            self.links += u64::from(target && is_elsewhere);
        }
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
        let packed = |name: &str| is_packed(Path::new(name), b"text");
        for name in
            ["logs/access.log.2.gz", "BACKUP.ZIP", "a.tbz2", "a.jar", "a.docx", "a.wpress", "a.gpg", "a.br"]
        {
            assert!(packed(name), "{name}");
        }
        assert!(!packed("gz") && !packed("access.log"));
    }

    #[test]
    fn packed_files_are_known_by_their_beginnings() {
        let packed = |beginning: &[u8]| is_packed(Path::new("sneaky.log"), beginning);
        for beginning in BEGINNINGS.into_iter().chain([
            &b"BZh91AY&SY"[..],
            b"\x85\x01\x0c\x03",
            b"\x8c\x0d\x04",
            b"\xc1\xc0\x4c\x03",
        ]) {
            assert!(packed(beginning), "{}", beginning.escape_ascii());
        }
        for text in
            ["", "x", "BZhaABCD", "PK", "plain text", "\u{e9}t\u{e9}", "-----BEGIN PGP PUBLIC KEY BLOCK-----"]
        {
            assert!(!packed(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn links_count_that_lead_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("inside")).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, root.join(name)).unwrap();
        link("inside", "a");
        link("nowhere", "b");
        link("/dev/null", "c");
        let count = || {
            let mut files = Files::below(&root);
            files.by_ref().for_each(drop);
            files.links()
        };
        assert_eq!(count(), 0);
        link("../file", "d");
        link("..", "e");
        assert_eq!(count(), 2);
    }
}
