//! Any bytes: read, written unchanged, edited, read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wp_app_password::wordpress::php_serialize::{Document, Key, NodeId, Scalar, is_serialized};

/// Visits values in document order until the budget is spent; references may lead in circles.
fn walk(document: &Document, id: NodeId, depth: usize, budget: &mut usize, arrays: &mut Vec<NodeId>) {
    if depth > 20 || *budget == 0 {
        return;
    }
    *budget -= 1;
    let view = document.view(id);
    let _ = (view.to_int(), view.is_truthy(), document.next_index(id), document.offset(id));
    assert_eq!(document.entries(id).count(), document.len(id));
    arrays.push(id);
    for (key, value) in document.entries(id) {
        assert_eq!(document.get_key(id, &key), Some(value));
        walk(document, value, depth + 1, budget, arrays);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let _ = is_serialized(bytes);
    let Ok(mut document) = Document::parse(bytes.to_vec()) else { return };
    assert_eq!(document.to_bytes(), bytes);
    let mut values = Vec::new();
    walk(&document, document.root(), 0, &mut 200, &mut values);
    for (turn, &id) in values.iter().take(30).enumerate() {
        let before = document.to_bytes();
        let key = Key::Int(turn as i64 % 3);
        let done = match turn % 5 {
            0 => document.set(id, key, Scalar::Str(b"new")),
            1 => document.remove(id, key),
            2 => document.push_array(id, key).map(|_| ()),
            3 => document.set(id, Key::from("name"), Scalar::Null),
            _ => document.clear(id),
        };
        let after = document.to_bytes();
        if done.is_err() {
            assert_eq!(before, after);
        }
        let read_back = Document::parse(after.clone()).expect("what was written can be read");
        assert_eq!(read_back.to_bytes(), after);
        assert_eq!(read_back.len(read_back.root()), document.len(document.root()));
    }
});
