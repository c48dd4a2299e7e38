//! One self-contained page: no script, nothing that is loaded, charts as inline SVG. It prints well, and it is
//! well-formed XML, which strict parsers can check.

use std::fmt::Write;

use super::{Chart, Count, Level, Report, escape_markup, escape_visibly};

const STYLE: &str = "
:root{--ink:#1d2327;--soft:#50575e;--line:#dcdcde;--page:#f6f7f7;--card:#fff;--critical:#b32d2e;--warning:#8a5a00;--info:#2271b1;--bar:#2271b1}
@media screen and (prefers-color-scheme:dark){:root{--ink:#f0f0f1;--soft:#b8bcc0;--line:#3c434a;--page:#15181b;--card:#1d2327;--critical:#ff8085;--warning:#f0b849;--info:#72aee6;--bar:#72aee6}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
main{max-width:72rem;margin:0 auto;padding:2rem 1rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.5rem 0 .75rem}
h3{font-size:1.05rem;margin:0}
p{margin:.35rem 0}
.soft{color:var(--soft)}
.cards{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.5rem 0}
.card,section.rule,figure{background:var(--card);border:1px solid var(--line);border-radius:6px}
.card{padding:.75rem 1rem;min-width:8.5rem}
.card b{display:block;font-size:1.7rem;line-height:1.2}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:.75rem}
figure{margin:0;padding:1rem}
figcaption{font-weight:600;margin-bottom:.5rem}
svg{width:100%;max-width:32rem;height:auto;display:block}
svg text{fill:var(--ink);font-size:14px}
@media (max-width:34rem){svg text{font-size:17px}}
section.rule{padding:1rem;margin:0 0 .75rem;border-left-width:5px}
.critical{border-left-color:var(--critical)!important}.warning{border-left-color:var(--warning)!important}.info{border-left-color:var(--info)!important}
.tag{font-size:.78rem;font-weight:700;text-transform:uppercase;letter-spacing:.03em}
.tag.critical,b.critical{color:var(--critical)}.tag.warning,b.warning{color:var(--warning)}.tag.info,b.info{color:var(--info)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem;margin:.75rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-top:1px solid var(--line)}
.code{font:.85em ui-monospace,'DejaVu Sans Mono',monospace;white-space:nowrap}
td{overflow-wrap:break-word;min-width:5.5rem;max-width:26rem}
td.name{overflow-wrap:anywhere;min-width:12rem}
details summary{cursor:pointer}
@media screen and (max-width:34rem){
.card{flex:1 1 40%}
thead{position:absolute;clip-path:inset(50%)}
tr{display:block;border-top:1px solid var(--line);padding:.35rem 0}
td,td.name{display:block;border:0;padding:.1rem 0;min-width:0;max-width:none;overflow-wrap:anywhere}
.code{white-space:normal}
}
@media print{body{background:#fff}section.rule{break-inside:avoid}}
";

/// The page.
pub fn html(report: &Report) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
    // Nothing may be loaded or run, whatever a name holds.
    page.push_str("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n");
    page.push_str("<meta name=\"referrer\" content=\"no-referrer\"/>\n<title>Application passwords of ");
    escape_visibly(&report.site, &mut page);
    page.push_str("</title>\n<style>");
    page.push_str(STYLE);
    page.push_str("</style>\n</head>\n<body>\n<main>\n<h1>Application passwords of ");
    escape_visibly(&report.site, &mut page);
    let _ = write!(
        page,
        "</h1>\n<p class=\"soft\">{} of {} (UTC), wp-app-password {}</p>\n",
        if report.verb == "audit" { "Audit" } else { report.verb },
        report.at,
        report.version
    );
    page.push_str("<div class=\"cards\">\n");
    for level in Level::ALL {
        let name = level.name();
        let _ = writeln!(
            page,
            "<div class=\"card {name}\"><b class=\"{name}\">{}</b>{name}</div>",
            report.count(level)
        );
    }
    let is_shown = |counted: &&Count| counted.count > 0 || ["entries", "users"].contains(&counted.name);
    for counted in report.counts.iter().filter(is_shown) {
        let _ = writeln!(page, "<div class=\"card\"><b>{}</b>{}</div>", counted.count, counted.word());
    }
    page.push_str("</div>\n<div class=\"charts\">\n");
    for chart in &report.charts {
        draw(chart, &mut page);
    }
    page.push_str("</div>\n<h2>Findings</h2>\n");
    if report.found().next().is_none() {
        page.push_str("<p>Nothing was found.</p>\n");
    }
    for rule in report.found() {
        let name = rule.level.name();
        let _ = write!(
            page,
            "<section class=\"rule {name}\" id=\"{}\">\n<h3><span class=\"tag {name}\">{name}</span> ",
            rule.id
        );
        escape_markup(rule.title, &mut page);
        let _ = write!(page, "</h3>\n<p class=\"soft\">{} · {} found</p>\n<p>", rule.id, rule.count);
        escape_markup(rule.explanation, &mut page);
        page.push_str("</p>\n<p><strong>What to do:</strong> ");
        escape_markup(rule.remedy, &mut page);
        page.push_str("</p>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">User</th><th scope=\"col\">Roles</th>\
                       <th scope=\"col\">Name, UUID</th><th scope=\"col\">What</th></tr></thead>\n<tbody>\n");
        for row in &rule.rows {
            page.push_str("<tr>");
            for (text, code) in
                [(&row.owner, ""), (&row.roles, ""), (&row.name, &row.uuid), (&row.message, "")]
            {
                page.push_str(if code.is_empty() { "<td><bdi>" } else { "<td class=\"name\"><bdi>" });
                escape_visibly(text, &mut page);
                page.push_str("</bdi>");
                if !code.is_empty() {
                    page.push_str("<div class=\"code\"><bdi>");
                    escape_visibly(code, &mut page);
                    page.push_str("</bdi></div>");
                }
                page.push_str("</td>");
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</tbody></table></div>\n");
        let left = rule.count - rule.rows.len() as u64;
        if left > 0 {
            let _ = writeln!(page, "<p class=\"soft\">… and {left} more; --format=csv lists all.</p>");
        }
        page.push_str("</section>\n");
    }
    page.push_str("<h2>What was looked at</h2>\n<details><summary>All rules</summary>\n<div class=\"scroll\"><table>\n<thead><tr>\
                   <th scope=\"col\">Rule</th><th scope=\"col\">Severity</th><th scope=\"col\">What</th><th scope=\"col\">Found</th></tr></thead>\n<tbody>\n");
    for rule in &report.rules {
        let _ = write!(page, "<tr><td class=\"code\">{}</td><td>{}</td><td>", rule.id, rule.level.name());
        escape_markup(rule.title, &mut page);
        let found = if rule.enabled { rule.count.to_string() } else { "not looked at".into() };
        let _ = writeln!(page, "</td><td>{found}</td></tr>");
    }
    page.push_str("</tbody></table></div>\n</details>\n</main>\n</body>\n</html>\n");
    page
}

/// Horizontal bars, each with its label and its number: readable without colours. A screen reader takes the drawing for
/// one picture and reads its description, so that has the numbers too.
fn draw(chart: &Chart, page: &mut String) {
    const ROW: usize = 28;
    const LEFT: usize = 170;
    const WIDE: u64 = 190;
    let most = chart.bars.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let numbers: Vec<String> = chart.bars.iter().map(|(label, count)| format!("{label}: {count}")).collect();
    let _ = write!(
        page,
        "<figure><figcaption>{}</figcaption>\n<svg viewBox=\"0 0 440 {}\" role=\"img\" aria-label=\"{}\">\n",
        chart.title,
        chart.bars.len() * ROW,
        numbers.join("; ")
    );
    for (place, (label, count)) in chart.bars.iter().enumerate() {
        let (top, width) = (place * ROW, if *count == 0 { 0 } else { (count * WIDE / most).max(2) });
        let _ = writeln!(
            page,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text><rect x=\"{LEFT}\" y=\"{}\" width=\"{width}\" \
             height=\"18\" rx=\"2\" fill=\"var(--bar)\"/><text x=\"{}\" y=\"{}\">{count}</text>",
            LEFT - 10,
            top + 18,
            top + 4,
            LEFT as u64 + width + 8,
            top + 18
        );
    }
    page.push_str("</svg></figure>\n");
}
