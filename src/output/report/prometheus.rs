//! The text format of Prometheus, for node_exporter's textfile collector. Labels hold the site and the rule; nothing
//! that there are many of.

use super::{Count, Level, Report};

/// All metrics.
pub fn prometheus(report: &Report) -> String {
    let mut text = String::new();
    let (site, verb) = (label(&report.site), report.verb);
    let what =
        if verb == "audit" { "Audit of application passwords" } else { "Whether application passwords work" };
    let head = |text: &mut String, name: &str, help: &str, kind: &str| {
        text.push_str(&format!(
            "# HELP wp_app_password_{name} {help}\n# TYPE wp_app_password_{name} {kind}\n"
        ));
    };
    for Count { name, words: [_, help], count } in &report.counts {
        head(&mut text, name, &format!("{what}: {help}."), "gauge");
        text.push_str(&format!("wp_app_password_{name}{{site=\"{site}\"}} {count}\n"));
    }
    // The audit's came first.
    let findings = if verb == "audit" { "findings".to_owned() } else { format!("{verb}_findings") };
    head(&mut text, &findings, &format!("Findings of the last {verb}, by rule."), "gauge");
    for rule in report.rules.iter().filter(|rule| rule.enabled) {
        text.push_str(&format!(
            "wp_app_password_{findings}{{site=\"{site}\",rule=\"{}\",severity=\"{}\"}} {}\n",
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
    // Whoever collects metrics lets no run fail (`--fail-on=never`), and asks the metrics instead.
    let from = report.fail_on.unwrap_or(Level::Warning);
    let worst = report
        .rules
        .iter()
        .filter(|rule| rule.count > 0)
        .map(|rule| rule.level)
        .filter(|level| *level >= from)
        .max();
    let state = match worst {
        None => 0,
        Some(Level::Info | Level::Warning) => 1,
        Some(Level::Critical) => 2,
    };
    let help = format!("What the last {verb} came to: 0 clean, 1 warning, 2 critical.");
    head(&mut text, &format!("{verb}_state"), &help, "gauge");
    text.push_str(&format!("wp_app_password_{verb}_state{{site=\"{site}\"}} {state}\n"));
    let help = format!("When the last {verb} ran, in Unix time.");
    head(&mut text, &format!("{verb}_timestamp_seconds"), &help, "gauge");
    text.push_str(&format!(
        "wp_app_password_{verb}_timestamp_seconds{{site=\"{site}\"}} {}\n",
        report.seconds
    ));
    let help = format!("How long the last {verb} took.");
    head(&mut text, &format!("{verb}_duration_seconds"), &help, "gauge");
    text.push_str(&format!(
        "wp_app_password_{verb}_duration_seconds{{site=\"{site}\"}} {:.3}\n",
        report.took
    ));
    text
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
