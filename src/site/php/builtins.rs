//! PHP's own functions by name: which there are, which arguments they change, which are callbacks.
//!
//! The list, one function a line, is of PHP's usual extensions: `&N` is an argument taken by reference, `@N` a
//! callback (counted from 0; `+`: and all after it), `?` that a version or a host may lack the function.

use std::sync::LazyLock;

static LIST: LazyLock<Vec<&'static str>> = LazyLock::new(|| include_str!("builtins.txt").lines().collect());

/// Functions whose results depend on what others did before, or that do something.
const CHANGING: &[&str] = &[
    "assert",
    "assert_options",
    "chdir",
    "chroot",
    "clearstatcache",
    "copy",
    "define",
    "dl",
    "extract",
    "fclose",
    "file_put_contents",
    "fopen",
    "forward_static_call",
    "fputcsv",
    "fputs",
    "fwrite",
    "include_once",
    "ini_alter",
    "ini_restore",
    "ini_set",
    "link",
    "mail",
    "mb_parse_str",
    "mkdir",
    "parse_str",
    "putenv",
    "rename",
    "rmdir",
    "session_start",
    "set_include_path",
    "spl_autoload_call",
    "symlink",
    "touch",
    "trigger_error",
    "unlink",
    "unserialize",
    "user_error",
];

/// Prefixes of functions that come with other extensions, which the web server's PHP may have.
const EXTENSIONS: &[&str] = &[
    "newrelic_",
    "opcache_",
    "apcu_",
    "apc_",
    "imagick",
    "mb_",
    "curl_",
    "openssl_",
    "sodium_",
    "posix_",
    "pcntl_",
    "redis",
    "memcache",
    "xdebug_",
    "apache_",
    "fastcgi_",
    "litespeed_",
    "mysqli_",
    "mysql_",
    "sqlite_",
    "gd_",
    "image",
    "iconv_",
    "intl",
    "normalizer_",
    "wp_cache_",
    "tideways_",
    "blackfire",
    "ddtrace",
    "dd_trace",
    "uopz_",
    "runkit",
    "simplexml_",
    "xml",
    "dom_",
    "libxml_",
    "ftp_",
    "ssh2_",
    "zip_",
    "gz",
    "bz",
    "bc",
    "gmp_",
    "ldap_",
    "imap_",
    "odbc_",
    "oci_",
    "sqlsrv_",
    "snmp",
    "pg_",
    "yaml_",
    "geoip_",
    "enchant_",
    "tidy_",
    "collator_",
    "numfmt_",
    "datefmt_",
    "msgfmt_",
    "grapheme_",
    "idn_",
    "locale_",
    "transliterator_",
    "socket_",
    "stream_",
    "session_",
    "random_",
    "ctype_",
    "json_",
    "hash_",
    "preg_",
    "filter_",
    "date_",
    "spl_",
    "array_",
    "str_",
    "is_",
];

/// A function of PHP's.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    marks: &'static str,
}

impl Builtin {
    /// Whether every PHP 8 has it.
    pub fn is_everywhere(self) -> bool {
        !self.marks.starts_with('?')
    }

    fn has(self, kind: char, index: usize) -> bool {
        self.marks.split(' ').filter_map(|mark| mark.strip_prefix(kind)).any(|mark| {
            match mark.strip_suffix('+') {
                Some(from) => from.parse().is_ok_and(|from: usize| index >= from),
                None => mark.parse() == Ok(index),
            }
        })
    }

    /// Whether it changes the argument at `index`.
    pub fn takes_reference(self, index: usize) -> bool {
        self.has('&', index)
    }

    /// Whether it calls the argument at `index`.
    pub fn calls(self, index: usize) -> bool {
        self.has('@', index)
    }
}

/// The function of this name, in lower case.
pub fn find(name: &str) -> Option<Builtin> {
    let found = LIST.binary_search_by(|line| line.split(' ').next().unwrap_or("").cmp(name)).ok()?;
    let line = LIST.get(found)?;
    Some(Builtin { marks: line.split_once(' ').map_or("", |(_, marks)| marks) })
}

/// Whether an extension that is not in the list may have it.
pub fn may_be_of_an_extension(name: &str) -> bool {
    EXTENSIONS.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a call changes neither constants nor variables nor what others give.
pub fn is_pure(name: &str) -> bool {
    find(name).is_some_and(|found| !found.marks.contains(['&', '@'])) && !CHANGING.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_tells_what_php_says() {
        assert!(LIST.is_sorted_by_key(|line| line.split(' ').next()));
        let of = |name: &str| find(name).unwrap();
        assert!(of("str_replace").takes_reference(3) && !of("str_replace").takes_reference(2));
        assert!(of("sscanf").takes_reference(5) && of("usort").calls(1) && of("strlen").is_everywhere());
        assert!(is_pure("strlen") && !is_pure("putenv") && !is_pure("usort") && find("nosuch").is_none());
    }
}
