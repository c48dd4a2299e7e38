//! One line for Nagios, Icinga and whatever else runs its plugins, with performance data.

use super::{Level, Report};

/// The line, and the code that the plugin ends with: 0 OK, 1 WARNING, 2 CRITICAL.
pub fn nagios(report: &Report) -> (String, u8) {
    let worst = report.rules.iter().filter(|rule| report.fails(rule)).map(|rule| rule.level).max();
    let (word, code) = match worst {
        None => ("OK", 0),
        Some(Level::Info | Level::Warning) => ("WARNING", 1),
        Some(Level::Critical) => ("CRITICAL", 2),
    };
    let found: Vec<String> = report.found().map(|rule| format!("{} {}", rule.count, rule.id)).collect();
    let found = if found.is_empty() { "nothing found".to_owned() } else { found.join(", ") };
    let mut data: Vec<String> =
        report.counts.iter().map(|counted| format!("{}={}", counted.name, counted.count)).collect();
    // The thresholds say what was compared: any news is too much.
    for level in Level::ALL {
        let fails = report.fail_on.is_some_and(|from| level >= from);
        let limits = match (fails, level) {
            (false, _) => ";;",
            (true, Level::Critical) => ";;0",
            (true, _) => ";0;",
        };
        data.push(format!("{}={}{limits};0", level.name(), report.count(level)));
    }
    data.push(format!("time={:.3}s", report.took));
    // A `|` ends the text, and a line end begins another part.
    let found: String = found.chars().map(|c| if matches!(c, '|' | '\n' | '\r') { ' ' } else { c }).collect();
    (format!("APPLICATION PASSWORDS {word} - {found} | {}\n", data.join(" ")), code)
}
