//! JUnit's XML, in the form that Jenkins, GitLab and GitHub's actions read: a test case for each rule.

use super::text::about;
use super::{Report, escape_markup};

/// One suite. A rule whose rows are news is a failed case.
pub fn junit(report: &Report) -> String {
    let failures = report.rules.iter().filter(|rule| report.fails(rule)).count();
    let skipped = report.rules.iter().filter(|rule| !rule.enabled).count();
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{:.3}\"",
        report.rules.len(),
        report.took
    );
    let mut site = String::new();
    escape_markup(&report.site, &mut site);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"wp-app-password {}\" tests=\"{}\" \
         failures=\"{failures}\" errors=\"0\" time=\"{:.3}\">\n  <testsuite name=\"{site}\" {counts} \
         timestamp=\"{}\" hostname=\"localhost\" id=\"0\" package=\"application-passwords\">\n",
        report.verb,
        report.rules.len(),
        report.took,
        report.at.trim_end_matches('Z')
    );
    for rule in &report.rules {
        xml.push_str("    <testcase name=\"");
        xml.push_str(rule.id);
        xml.push_str(": ");
        escape_markup(rule.title, &mut xml);
        xml.push_str("\" classname=\"application-passwords\" time=\"0\"");
        if !rule.enabled {
            xml.push_str(">\n      <skipped/>\n    </testcase>\n");
            continue;
        }
        if rule.count == 0 {
            xml.push_str("/>\n");
            continue;
        }
        let (open, close) = if report.fails(rule) {
            (
                format!("<failure type=\"{}\" message=\"{} found\">", rule.level.name(), rule.count),
                "</failure>",
            )
        } else {
            ("<system-out>".to_owned(), "</system-out>")
        };
        xml.push_str(">\n      ");
        xml.push_str(&open);
        for row in &rule.rows {
            escape_markup(&about(row), &mut xml);
            xml.push('\n');
        }
        let left = rule.count - rule.rows.len() as u64;
        if left > 0 {
            xml.push_str(&format!("... and {left} more\n"));
        }
        escape_markup(rule.remedy, &mut xml);
        xml.push_str(close);
        xml.push_str("\n    </testcase>\n");
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}
