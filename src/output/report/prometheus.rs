//! The text format of Prometheus, for node_exporter's textfile collector. Labels hold the site and the rule; nothing
//! that there are many of.

use super::{Level, Report};

/// All metrics.
pub fn prometheus(report: &Report) -> String {
    let mut text = String::new();
    let site = label(&report.site);
    let head = |text: &mut String, name: &str, help: &str, kind: &str| {
        text.push_str(&format!(
            "# HELP wp_app_password_{name} {help}\n# TYPE wp_app_password_{name} {kind}\n"
        ));
    };
    for (name, help, count) in &report.counts {
        head(&mut text, name, &format!("Audit of application passwords: {help}."), "gauge");
        text.push_str(&format!("wp_app_password_{name}{{site=\"{site}\"}} {count}\n"));
    }
    head(&mut text, "findings", "Findings of the last audit, by rule.", "gauge");
    for rule in report.rules.iter().filter(|rule| rule.enabled) {
        text.push_str(&format!(
            "wp_app_password_findings{{site=\"{site}\",rule=\"{}\",severity=\"{}\"}} {}\n",
            rule.id,
            rule.level.name(),
            rule.count
        ));
    }
    for ages in &report.ages {
        let name = format!("{}_seconds", ages.name);
        head(&mut text, &name, ages.help, "histogram");
        let mut up_to = 0;
        for (bound, count) in &ages.classes {
            up_to += count;
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
            text.push_str(&format!(
                "wp_app_password_{name}_bucket{{site=\"{site}\",le=\"{bound}\"}} {up_to}\n"
            ));
        }
        text.push_str(&format!("wp_app_password_{name}_sum{{site=\"{site}\"}} {}\n", ages.sum));
        text.push_str(&format!("wp_app_password_{name}_count{{site=\"{site}\"}} {up_to}\n"));
    }
    let worst = report.rules.iter().filter(|rule| report.fails(rule)).map(|rule| rule.level).max();
    let state = match worst {
        None => 0,
        Some(Level::Info | Level::Warning) => 1,
        Some(Level::Critical) => 2,
    };
    head(&mut text, "audit_state", "What the last audit came to: 0 clean, 1 warning, 2 critical.", "gauge");
    text.push_str(&format!("wp_app_password_audit_state{{site=\"{site}\"}} {state}\n"));
    head(&mut text, "audit_timestamp_seconds", "When the last audit ran, in Unix time.", "gauge");
    text.push_str(&format!(
        "wp_app_password_audit_timestamp_seconds{{site=\"{site}\"}} {}\n",
        report.seconds
    ));
    head(&mut text, "audit_duration_seconds", "How long the last audit took.", "gauge");
    text.push_str(&format!("wp_app_password_audit_duration_seconds{{site=\"{site}\"}} {:.3}\n", report.took));
    text
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
