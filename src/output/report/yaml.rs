//! Rows as YAML that every parser reads: each text in double quotes, and nothing in it but what YAML can hold.
//!
//! Not the dialect of WP-CLI's lists, which leaves quotes, tabs and control characters as they are.

use std::fmt::Write;

use crate::output::Value;

/// What stands before the rows.
pub const BEGIN: &str = "---\n";

/// What stands in place of rows where there are none.
pub const NONE: &str = "[]\n";

/// One row: the item of a list.
pub fn row<'v>(fields: impl IntoIterator<Item = (&'static str, Value<'v>)>) -> String {
    let mut text = String::new();
    for (place, (name, value)) in fields.into_iter().enumerate() {
        text.push_str(if place == 0 { "- " } else { "  " });
        text.push_str(name);
        text.push_str(": ");
        match value {
            Value::Int(number) => {
                let _ = write!(text, "{number}");
            }
            Value::Bool(yes) => text.push_str(if yes { "true" } else { "false" }),
            Value::Text(value) => quoted(&String::from_utf8_lossy(&value), &mut text),
            Value::Null | Value::Float(_) | Value::Map(_) => text.push_str("null"),
        }
        text.push('\n');
    }
    text
}

fn quoted(value: &str, into: &mut String) {
    into.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => into.extend(['\\', character]),
            '\n' => into.push_str("\\n"),
            '\t' => into.push_str("\\t"),
            // What YAML cannot hold, what ends a line, and what nobody sees or what turns the text around.
            _ => match u32::from(character) {
                code @ (0..0x20 | 0x7f..=0xa0 | 0xad) => {
                    let _ = write!(into, "\\x{code:02x}");
                }
                code @ (0x61c
                | 0x200b..=0x200f
                | 0x2028..=0x202e
                | 0x2060..=0x206f
                | 0xfeff
                | 0xfffe..=0xffff) => {
                    let _ = write!(into, "\\u{code:04x}");
                }
                _ => into.push(character),
            },
        }
    }
    into.push('"');
}
