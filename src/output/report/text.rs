//! For people at a terminal and in a cron job's mail.

use super::{Report, Row};
use crate::output::in_one_line;

/// The summary first, then the rows by rule, gravest first.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |parts: &str| {
        text.push_str(parts);
        text.push('\n');
    };
    line(&format!("Application passwords of {}, {}", in_one_line(&report.site), report.at));
    let counts: Vec<String> = report
        .counts
        .iter()
        .filter(|counted| counted.count > 0 || counted.name == "entries")
        .map(|counted| format!("{} {}", counted.count, counted.word()))
        .collect();
    line(&counts.join(", "));
    for chart in &report.charts {
        line("");
        line(chart.title);
        let most = chart.bars.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let label = chart.bars.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let digits = most.to_string().len();
        for (name, count) in &chart.bars {
            // Something is never shown as nothing.
            let length = if *count == 0 { 0 } else { (count * 40).div_ceil(most.max(1)) as usize };
            line(format!("  {name:label$}  {count:>digits$}  {}", "#".repeat(length)).trim_end());
        }
    }
    for rule in report.found() {
        line("");
        line(&format!(
            "{}: {} ({}, {} found)",
            rule.level.name().to_uppercase(),
            rule.title,
            rule.id,
            rule.count
        ));
        for row in &rule.rows {
            line(&format!("  {}", about(row)));
        }
        let left = rule.count - rule.rows.len() as u64;
        if left > 0 {
            line(&format!("  ... and {left} more (--format=csv lists all)"));
        }
        line(&format!("  What to do: {}", rule.remedy));
    }
    if report.found().next().is_none() {
        line("");
        line("Nothing was found.");
    }
    text
}

/// A row in one line, whatever its texts hold: nothing that an attacker chose begins a line of a mail, or turns one
/// around.
pub(super) fn about(row: &Row) -> String {
    let mut parts = Vec::new();
    if !row.owner.is_empty() {
        parts.push(row.owner.clone());
    }
    if !row.name.is_empty() {
        parts.push(format!("'{}'", row.name));
    }
    if !row.uuid.is_empty() {
        parts.push(row.uuid.clone());
    }
    let line =
        if parts.is_empty() { row.message.clone() } else { format!("{}: {}", parts.join(", "), row.message) };
    in_one_line(&line)
}
