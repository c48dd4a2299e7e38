//! WP-CLI's own configuration: which site, whose name, which defaults, which aliases.
//!
//! Mirrors `WP_CLI\Configurator` and the parts of `WP_CLI\Runner` that find the files, merge them and apply
//! an alias. Lowest first: the system's file, the user's file, one file of the project, an alias, the command
//! line. Loads no PHP: `require` and `exec` are left to WP-CLI.

use std::path::{Path, PathBuf};

use super::{Environment, SiteError, root};

mod yaml;

pub use yaml::{Key, Yaml};

/// What the files say, merged.
#[derive(Debug, Clone, Default)]
pub struct WpCli {
    /// Global parameters, each with the file that set it last.
    settings: Vec<(String, Yaml, PathBuf)>,
    /// Everything else: defaults of commands, by their names.
    defaults: Vec<(String, Yaml)>,
    disabled: Vec<String>,
    aliases: Vec<(String, Alias)>,
    /// The files, in the order they were merged.
    pub files: Vec<PathBuf>,
    /// What the user should hear of files that cannot be read.
    pub warnings: Vec<String>,
}

/// What `@name` stands for.
#[derive(Debug, Clone, PartialEq)]
enum Alias {
    Site(Vec<(&'static str, Yaml)>),
    Group,
}

/// An alias that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AliasedSite {
    /// Its folder, absolute where the file names one.
    pub path: Option<PathBuf>,
    /// `--url`
    pub url: Option<String>,
    /// `--user`
    pub user: Option<String>,
}

/// WP-CLI: `Configurator::$alias_spec`.
const OF_ALIASES: [&str; 9] =
    ["user", "url", "path", "ssh", "ssh-args", "http", "proxyjump", "key", "ssh_config"];

/// WP-CLI: what `config-spec.php` lets a file set; everything else is a command's name.
const GLOBALS: [&str; 20] = [
    "path",
    "url",
    "ssh",
    "ssh-args",
    "http",
    "user",
    "skip-plugins",
    "skip-themes",
    "skip-packages",
    "require",
    "exec",
    "context",
    "locale",
    "disabled_commands",
    "color",
    "debug",
    "quiet",
    "apache_modules",
    "alias",
    "assume-https",
];

/// Larger files than this are no configuration.
const MOST_BYTES: u64 = 1 << 20;

impl WpCli {
    /// Finds and reads the files. `alias` is the one that was written as `@name`: what an alias can say then
    /// is not taken from the files.
    pub fn read(cwd: &Path, env: &Environment, alias: Option<&str>) -> Self {
        let mut wp_cli = Self::default();
        let system =
            env.path("WP_CLI_SYSTEM_SETTINGS_PATH").unwrap_or_else(|| "/etc/wp-cli/config.yml".into());
        let user = env
            .path("WP_CLI_CONFIG_PATH")
            .map(|path| cwd.join(path))
            .or_else(|| Some(env.path("HOME")?.join(".wp-cli/config.yml")));
        let mut visited = Vec::new();
        for file in [Some(system), user, project_file(cwd)].into_iter().flatten() {
            visited.clear();
            if file.is_file() {
                wp_cli.merge_file(&file, env, alias, &mut visited);
            }
        }
        wp_cli.read_runtime_alias(env);
        wp_cli
    }

    /// WP-CLI: `Configurator::merge_yml()`.
    fn merge_file(
        &mut self,
        file: &Path,
        env: &Environment,
        alias: Option<&str>,
        visited: &mut Vec<PathBuf>,
    ) {
        let real = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
        if visited.contains(&real) {
            return;
        }
        visited.push(real);
        let text = match read(file) {
            Ok(text) => text,
            Err(reason) => {
                self.warnings.push(format!("{} cannot be read: {reason}.", file.display()));
                return;
            }
        };
        let document = match yaml::load(&text) {
            Ok(document) => document,
            Err((line, reason)) => {
                self.warnings
                    .push(format!("{} line {line}: {reason}, so the file was left out.", file.display()));
                return;
            }
        };
        let Yaml::Map(entries) = &document else { return };
        let about = document.get("_");
        let inherit = about.and_then(|about| about.get("inherit")).filter(|inherit| inherit.is_truthy());
        let folder = file.parent().unwrap_or(Path::new("/"));
        if let Some(Yaml::Text(inherit)) = inherit {
            let parent = folder.join(inherit);
            if parent.canonicalize().is_ok_and(|parent| visited.contains(&parent)) {
                self.warnings.push(format!(
                    "{} inherits {}, which is loaded already: a file cannot inherit itself.",
                    file.display(),
                    parent.display()
                ));
            } else if parent.is_file() {
                self.merge_file(&parent, env, alias, visited);
            }
        }
        let merges = about.and_then(|about| about.get("merge")).is_some_and(Yaml::is_truthy);
        self.files.push(file.to_path_buf());
        for (key, value) in entries {
            let Key::Text(key) = key else { continue };
            if is_alias(key) {
                self.add_alias(&key[1..], value, folder, env);
            } else if key == "aliases" {
                if let Yaml::Map(aliases) = value {
                    for (name, value) in aliases {
                        if let Key::Text(name) = name {
                            self.add_alias(name.strip_prefix('@').unwrap_or(name), value, folder, env);
                        }
                    }
                }
            } else if !GLOBALS.contains(&key.as_str()) {
                self.set_default(key, value, merges);
            } else if key == "disabled_commands" {
                match value {
                    Yaml::Map(names) => {
                        self.disabled.extend(names.iter().filter_map(|(_, name)| name.text()))
                    }
                    one => self.disabled.extend(one.text()),
                }
            } else if alias.is_none() || !OF_ALIASES.contains(&key.as_str()) {
                let value = match value {
                    Yaml::Text(path) if key == "path" => Yaml::Text(absolute(path, folder, env)),
                    value => value.clone(),
                };
                self.settings.retain(|(name, _, _)| name != key);
                self.settings.push((key.clone(), value, file.to_path_buf()));
            }
        }
    }

    fn set_default(&mut self, key: &str, value: &Yaml, merges: bool) {
        if let Some((_, old)) = self.defaults.iter_mut().find(|(name, _)| name == key) {
            match (old, value) {
                (Yaml::Map(old), Yaml::Map(new)) if merges => {
                    for (name, value) in new {
                        match old.iter_mut().find(|(known, _)| known == name) {
                            Some((_, old)) => *old = value.clone(),
                            None => old.push((name.clone(), value.clone())),
                        }
                    }
                }
                (old, value) => *old = value.clone(),
            }
        } else {
            self.defaults.push((key.to_owned(), value.clone()));
        }
    }

    /// WP-CLI: `Configurator::add_alias()`.
    fn add_alias(&mut self, name: &str, value: &Yaml, folder: &Path, env: &Environment) {
        if !matches!(value, Yaml::Map(_)) {
            return;
        }
        let mut site = Vec::new();
        for key in OF_ALIASES {
            let Some(value) = value.get(key).filter(|value| **value != Yaml::Null) else { continue };
            site.push((key, interpolated(value, env)));
        }
        let is_remote = site.iter().any(|(key, _)| *key == "ssh");
        for (key, value) in &mut site {
            if let ("path", Yaml::Text(path), false) = (*key, &value, is_remote) {
                *value = Yaml::Text(absolute(path, folder, env));
            }
        }
        let alias = if site.is_empty() { Alias::Group } else { Alias::Site(site) };
        self.aliases.retain(|(known, _)| known != name);
        self.aliases.push((name.to_owned(), alias));
    }

    /// WP-CLI: a variable that replaces every alias, which it sets for itself on another host.
    fn read_runtime_alias(&mut self, env: &Environment) {
        let Some(json) = env.get("WP_CLI_RUNTIME_ALIAS") else { return };
        self.aliases.clear();
        let Ok(serde_json::Value::Object(aliases)) = serde_json::from_slice(json) else { return };
        for (name, value) in aliases.iter().filter(|(name, _)| is_alias(name)) {
            let site = OF_ALIASES
                .into_iter()
                .filter_map(|key| {
                    Some((key, interpolated(&Yaml::Text(value.get(key)?.as_str()?.into()), env)))
                })
                .collect();
            self.aliases.push((name[1..].to_owned(), Alias::Site(site)));
        }
    }

    /// What `@name` stands for.
    ///
    /// # Errors
    /// There is none of that name, or it stands for what this program does not do.
    pub fn alias(&self, name: &str) -> Result<AliasedSite, SiteError> {
        const NOT_YET: &str =
            "Run this program once for each site, with --path or an alias of that site alone.";
        let usage = |message: String| Err(SiteError::Usage(message));
        let found = self.aliases.iter().find(|(known, _)| known == name).map(|(_, alias)| alias);
        let site = match found {
            Some(Alias::Site(site)) => site,
            Some(Alias::Group) => return usage(format!("@{name} is a group of aliases. {NOT_YET}")),
            None if name == "all" && self.aliases.is_empty() => {
                // WP-CLI: its own words.
                return usage("Cannot use 'all' when no aliases are registered.".into());
            }
            None if name == "all" => {
                return usage(format!("@all stands for every registered alias. {NOT_YET}"));
            }
            None => {
                let close = self
                    .aliases
                    .iter()
                    .map(|(known, _)| (strsim::levenshtein(known, name), known))
                    .filter(|(distance, _)| *distance <= 2)
                    .min();
                let hint = close.map(|(_, known)| format!("\nDid you mean '{known}'?")).unwrap_or_default();
                return usage(format!("Alias '{name}' not found.{hint}"));
            }
        };
        let text = |wanted: &str| {
            let value = site.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value);
            value.and_then(Yaml::text).filter(|text| !text.is_empty())
        };
        for (key, how) in [("ssh", "over SSH"), ("http", "over HTTP")] {
            if let Some(place) = text(key) {
                return usage(format!("@{name} is reached {how} ({place}). {}", elsewhere()));
            }
        }
        Ok(AliasedSite { path: text("path").map(PathBuf::from), url: text("url"), user: text("user") })
    }

    /// A file that sends every command to another machine: the parameter, the place and the file.
    pub fn remote(&self) -> Option<SiteError> {
        ["ssh", "http"].into_iter().find_map(|key| {
            let (_, value, file) = self.settings.iter().find(|(name, _, _)| name == key)?;
            let place = value.text().filter(|place| !place.is_empty())?;
            Some(SiteError::Usage(format!("{} says {key}: {place}. {}", file.display(), elsewhere())))
        })
    }

    /// A global parameter, as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.setting(name)?.text()
    }

    /// A global parameter.
    pub fn setting(&self, name: &str) -> Option<&Yaml> {
        let (_, value, _) = self.settings.iter().find(|(known, _, _)| known == name)?;
        (*value != Yaml::Null).then_some(value)
    }

    /// The root that the files name, and the file that does.
    pub fn path(&self) -> Option<(PathBuf, PathBuf)> {
        let (_, value, file) = self.settings.iter().find(|(name, _, _)| name == "path")?;
        match value {
            Yaml::Null => None,
            // WP-CLI: a path of `false` or `true` is refused as an empty one is.
            Yaml::Bool(_) | Yaml::Map(_) => Some((PathBuf::new(), file.clone())),
            other => Some((PathBuf::from(other.text()?), file.clone())),
        }
    }

    /// The defaults of a command's parameters, by WP-CLI's name of it.
    pub fn defaults(&self, command: &str) -> &[(Key, Yaml)] {
        match self.defaults.iter().find(|(name, _)| name == command) {
            Some((_, Yaml::Map(entries))) => entries,
            _ => &[],
        }
    }

    /// The first of a command's levels that a file switches off.
    pub fn disabled<'c>(&self, command: &'c str) -> Option<&'c str> {
        let ends = command.match_indices(' ').map(|(at, _)| at).chain([command.len()]);
        ends.map(|end| &command[..end]).find(|level| self.disabled.iter().any(|name| name == level))
    }
}

fn elsewhere() -> &'static str {
    "This program does not connect to other machines: run it there, or reach that site's database with --db."
}

/// WP-CLI: `Configurator::ALIAS_REGEX`.
pub fn is_alias(text: &str) -> bool {
    text.strip_prefix('@').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    })
}

/// WP-CLI: `Runner::get_project_config_path()`. Upward, until a second WordPress is met.
fn project_file(cwd: &Path) -> Option<PathBuf> {
    let mut roots = 0;
    for folder in cwd.ancestors() {
        if folder.join("wp-load.php").exists() {
            roots += 1;
        }
        // WP-CLI: a folder that cannot be listed ends the search, too.
        if roots > 1 || std::fs::read_dir(folder).is_err() {
            return None;
        }
        let found =
            ["wp-cli.local.yml", "wp-cli.yml"].map(|name| folder.join(name)).into_iter().find(|f| f.exists());
        if found.is_some() {
            return found;
        }
    }
    None
}

fn read(file: &Path) -> Result<String, String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err("it is larger than 1 MiB".into());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".into())
}

/// WP-CLI: `Configurator::absolutize()`.
fn absolute(path: &str, folder: &Path, env: &Environment) -> String {
    if path.is_empty() {
        return String::new();
    }
    let path = root::expand_home(Path::new(path), env);
    folder.join(path).to_string_lossy().into_owned()
}

/// WP-CLI: `${env.NAME}` in an alias; a variable that is not set stays as it is written.
fn interpolated(value: &Yaml, env: &Environment) -> Yaml {
    let Yaml::Text(text) = value else { return value.clone() };
    let mut result = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("${env.") {
        result.push_str(&rest[..at]);
        let after = &rest[at + 6..];
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let value = env.get(&after[..end]).filter(|_| end > 0 && after[end..].starts_with('}'));
        match value {
            Some(value) => {
                result.push_str(&String::from_utf8_lossy(value));
                rest = &after[end + 1..];
            }
            None => {
                result.push_str("${env.");
                rest = after;
            }
        }
    }
    result.push_str(rest);
    Yaml::Text(result)
}
