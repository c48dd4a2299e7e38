//! SARIF 2.1.0, which code hosts and security dashboards read. Rows are written as they come.

use std::fmt::Write;

use super::{Level, Report, Row};
use crate::output::json::append_text;

/// A log under way.
#[derive(Debug, Default)]
pub struct Sarif {
    begun: bool,
}

impl Sarif {
    /// What stands before the rows. Of the report, the counts are not looked at.
    pub fn begin(report: &Report) -> Vec<u8> {
        let mut text = String::from(
            "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"tool\":\
             {\"driver\":{\"name\":\"wp-app-password\",\"semanticVersion\":",
        );
        string(report.version, &mut text);
        text.push_str(",\"rules\":[");
        for (place, rule) in report.rules.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            text.push_str("{\"id\":");
            string(rule.id, &mut text);
            for (key, value) in [
                ("shortDescription", rule.title),
                ("fullDescription", rule.explanation),
                ("help", rule.remedy),
            ] {
                let _ = write!(text, ",\"{key}\":{{\"text\":");
                string(value, &mut text);
                text.push('}');
            }
            let _ = write!(
                text,
                ",\"defaultConfiguration\":{{\"level\":\"{}\",\"enabled\":{}}},\"properties\":{{\"tags\":[\"security\"],\
                 \"security-severity\":\"{}\"}}}}",
                level(rule.level),
                rule.enabled,
                // What GitHub sorts by: the scale of CVSS.
                match rule.level {
                    Level::Info => "2.0",
                    Level::Warning => "5.0",
                    Level::Critical => "9.0",
                }
            );
        }
        text.push_str("]}},\"invocations\":[{\"executionSuccessful\":true,\"startTimeUtc\":");
        string(&report.at, &mut text);
        text.push_str("}],\"columnKind\":\"unicodeCodePoints\",\"results\":[");
        text.into_bytes()
    }

    /// One row of the rule at `place` among the report's.
    pub fn row(&mut self, place: usize, rule: &'static str, severity: Level, row: &Row) -> Vec<u8> {
        let mut text = String::new();
        if std::mem::replace(&mut self.begun, true) {
            text.push(',');
        }
        text.push_str("{\"ruleId\":");
        string(rule, &mut text);
        let _ =
            write!(text, ",\"ruleIndex\":{place},\"level\":\"{}\",\"message\":{{\"text\":", level(severity));
        // SARIF: `[text](address)` is a link, also in plain text. Nobody's name becomes one.
        string(&super::text::about(row).replace("](", "\\]("), &mut text);
        // There are no source files; a code host wants to show a line of one. The path says whose entry it is.
        let owner = row.owner.split(' ').nth(1).unwrap_or("site");
        let _ = write!(
            text,
            "}},\"locations\":[{{\"physicalLocation\":{{\"artifactLocation\":{{\"uri\":\"application-passwords/{}\"}},\
             \"region\":{{\"startLine\":1}}}},\"logicalLocations\":[{{\"kind\":\"resource\",\"fullyQualifiedName\":",
            uri(owner)
        );
        let name = [owner, row.uuid.as_str()].join("/");
        string(name.trim_end_matches('/'), &mut text);
        // GitHub tells results apart by a fingerprint of this name alone, and makes one of the line in the file if there is
        // none: here there is no file, and all would be one.
        text.push_str("}]}],\"partialFingerprints\":{\"primaryLocationLineHash\":");
        string(&row.fingerprint, &mut text);
        text.push_str(",\"wpAppPassword/v1\":");
        string(&row.fingerprint, &mut text);
        text.push_str("}}");
        text.into_bytes()
    }

    /// What stands behind the rows.
    pub fn end() -> &'static [u8] {
        b"]}]}\n"
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Info => "note",
        Level::Warning => "warning",
        Level::Critical => "error",
    }
}

fn uri(text: &str) -> String {
    text.bytes().filter(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').map(char::from).collect()
}

fn string(text: &str, into: &mut String) {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    append_text(text, &mut quoted);
    into.push_str(&String::from_utf8_lossy(&quoted));
}
