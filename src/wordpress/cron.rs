//! The option in which WordPress keeps its scheduled tasks: a map from a time to hooks to tasks.
//!
//! Mirrors `_get_cron_array()` in `wp-includes/cron.php`.

use super::php_serialize::{Document, Key, View, trim};

/// When the task `hook` runs next, in Unix seconds; `None` if it is not scheduled, or the value no such map.
pub fn next_run(value: &[u8], hook: &str) -> Option<i64> {
    let document = Document::parse(trim(value).to_vec()).ok()?;
    document
        .entries(document.root())
        .filter_map(|(key, node)| match (key, document.view(node)) {
            (Key::Int(time), View::Array) if document.get(node, hook.as_bytes()).is_some() => Some(time),
            _ => None,
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_time_of_a_hook_counts() {
        let value = b"a:4:{i:1700000000;a:1:{s:3:\"one\";a:0:{}}i:1600000000;a:1:{s:3:\"two\";a:0:{}}i:1650000000;a:1:{s:3:\"one\";a:0:{}}s:7:\"version\";i:2;}";
        assert_eq!(next_run(value, "one"), Some(1_650_000_000));
        assert_eq!(next_run(value, "two"), Some(1_600_000_000));
        assert_eq!(next_run(value, "version"), None);
        assert_eq!(next_run(b"a:1:{", "one"), None);
    }
}
