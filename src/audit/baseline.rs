//! What was known before: a file of earlier findings and of the owners' roles, checked into a repository.
//!
//! JSON, one object a line, so that a change is a readable difference and a million lines need no memory.

use serde_json::{Map, Value, json};

use super::finding::{Finding, Fingerprint};

/// The version of the file's form.
const SCHEMA: u64 = 1;

/// A baseline that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// The address of the site that it is of.
    site: Option<String>,
    /// Sorted.
    known: Vec<Fingerprint>,
    /// Sorted by user; the roles are a place in `names`.
    roles: Vec<(u64, u32)>,
    names: Vec<String>,
}

impl Baseline {
    /// Reads a file's text.
    ///
    /// # Errors
    /// A sentence that names the line.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut baseline = Self::default();
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let parse = |line: &str| serde_json::from_str::<Map<String, Value>>(line).ok();
        let header = lines.next().and_then(|(_, line)| parse(line));
        match header.as_ref().and_then(|header| header.get("baseline")?.as_u64()) {
            Some(SCHEMA) => {
                let site = header.as_ref().and_then(|header| header.get("site")?.as_str());
                baseline.site = site.map(str::to_owned);
            }
            Some(other) => {
                return Err(format!("line 1: it is of version {other}; this program reads version {SCHEMA}"));
            }
            None => return Err("line 1: this is no baseline of wp-app-password".into()),
        }
        for (number, line) in lines {
            let wrong = || format!("line {}: this is no line of a baseline", number + 1);
            let object = parse(line).ok_or_else(wrong)?;
            if let Some(finding) = object.get("finding") {
                let finding = finding.as_str().and_then(Fingerprint::parse).ok_or_else(wrong)?;
                baseline.known.push(finding);
            } else {
                let user = object.get("user").and_then(Value::as_u64).ok_or_else(wrong)?;
                let roles = object.get("roles").and_then(Value::as_str).ok_or_else(wrong)?;
                let place = match baseline.names.iter().position(|name| name == roles) {
                    Some(place) => place,
                    None => {
                        baseline.names.push(roles.to_owned());
                        baseline.names.len() - 1
                    }
                };
                baseline.roles.push((user, place as u32));
            }
        }
        baseline.known.sort_unstable();
        baseline.roles.sort_unstable();
        Ok(baseline)
    }

    /// The site that it is of, if it says so.
    pub fn site(&self) -> Option<&str> {
        self.site.as_deref()
    }

    /// Whether the finding was there already.
    pub fn knows(&self, finding: &Finding) -> bool {
        self.known.binary_search(&finding.fingerprint).is_ok()
    }

    /// What the user was.
    pub fn roles(&self, user: u64) -> Option<&str> {
        let place = self.roles.binary_search_by_key(&user, |(user, _)| *user).ok()?;
        self.roles.get(place).and_then(|(_, name)| self.names.get(*name as usize)).map(String::as_str)
    }
}

/// The first line of a file.
pub fn header(site: &str) -> String {
    format!("{}\n", json!({ "baseline": SCHEMA, "site": site }))
}

/// The line of a finding. What is behind the fingerprint is for people.
pub fn finding(finding: &Finding) -> String {
    let mut line = json!({ "finding": finding.fingerprint.to_string(), "rule": finding.rule().id });
    if let Some(user) = finding.user {
        line["user"] = user.into();
    }
    if !finding.uuid.is_empty() {
        line["uuid"] = finding.uuid.as_str().into();
    }
    format!("{line}\n")
}

/// The line of an owner.
pub fn owner(user: u64, roles: &str) -> String {
    format!("{}\n", json!({ "user": user, "roles": roles }))
}

#[cfg(test)]
mod tests {
    use super::super::{finding::Severity, rules::Id};
    use super::*;

    fn example(user: u64) -> Finding {
        Finding {
            rule: Id::NeverUsed,
            severity: Severity::Warning,
            user: Some(user),
            login: "admin".into(),
            roles: "administrator".into(),
            uuid: "u".into(),
            name: "n".into(),
            app_id: String::new(),
            created: None,
            last_used: None,
            last_ip: String::new(),
            message: "m".into(),
            fingerprint: Fingerprint::new(Id::NeverUsed, Some(user), b"u"),
        }
    }

    #[test]
    fn what_is_written_is_known_afterwards() {
        let text =
            [header("https://example.org"), finding(&example(5)), owner(5, "editor"), owner(3, "")].concat();
        let baseline = Baseline::read(&text).unwrap();
        assert!(baseline.knows(&example(5)) && !baseline.knows(&example(6)));
        assert_eq!(baseline.site(), Some("https://example.org"));
        assert_eq!(
            (baseline.roles(5), baseline.roles(3), baseline.roles(6)),
            (Some("editor"), Some(""), None)
        );
    }

    #[test]
    fn something_else_is_no_baseline() {
        for text in [
            "",
            "{}",
            "hello",
            "{\"baseline\":2}",
            "{\"baseline\":1}\nx\n",
            "{\"baseline\":1}\n{\"user\":1}\n",
        ] {
            assert!(Baseline::read(text).is_err(), "{text}");
        }
    }
}
