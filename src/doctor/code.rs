//! Looks for filters in PHP files as text: it says where to look, never what the code does.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What code refuses by. With those of [`Weight::Shared`], plugins of every kind have to do.
const FILTERS: [(&str, Weight); 11] = [
    ("pre_option_using_application_passwords", Weight::Own),
    ("pre_site_option_using_application_passwords", Weight::Own),
    ("option_using_application_passwords", Weight::Own),
    ("site_option_using_application_passwords", Weight::Own),
    ("wp_is_application_passwords_available", Weight::Own),
    ("wp_is_application_passwords_available_for_user", Weight::Own),
    ("application_password_is_api_request", Weight::Own),
    ("wp_authenticate_application_password_errors", Weight::Own),
    ("two_factor_user_api_login_enable", Weight::Own),
    ("rest_authentication_errors", Weight::Shared),
    ("determine_current_user", Weight::Shared),
];

/// Where PHP has what the `Authorization` header held, and what taking it away looks like.
const LOGIN: [(&str, &str); 4] = [
    ("PHP_AUTH_USER", "unset( $_SERVER['PHP_AUTH_USER'] )"),
    ("PHP_AUTH_PW", "unset( $_SERVER['PHP_AUTH_PW'] )"),
    ("HTTP_AUTHORIZATION", "unset( $_SERVER['HTTP_AUTHORIZATION'] )"),
    ("REDIRECT_HTTP_AUTHORIZATION", "unset( $_SERVER['REDIRECT_HTTP_AUTHORIZATION'] )"),
];

/// What WordPress itself hooks to look at application passwords, and how it looks where that is taken away.
const CORE: [(&str, &str, &str); 4] = [
    (
        "remove_filter",
        "wp_validate_application_password",
        "remove_filter( … 'wp_validate_application_password' )",
    ),
    (
        "remove_filter",
        "wp_authenticate_application_password",
        "remove_filter( … 'wp_authenticate_application_password' )",
    ),
    ("remove_all_filters", "determine_current_user", "remove_all_filters( 'determine_current_user' )"),
    ("remove_all_filters", "authenticate", "remove_all_filters( 'authenticate' )"),
];

/// What the names of those begin with.
pub const REMOVES: &str = "remove_";

/// What a filter is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Application passwords.
    Own,
    /// Logins of all kinds: WooCommerce has some for its own keys, Jetpack for its own tokens.
    Shared,
}

/// In one plugin or theme: large ones have some 4000, and none keeps the others from being looked at.
const MOST_FILES: usize = 8000;

/// Nobody writes such a file by hand.
const LONGEST: u64 = 1 << 20;

/// No deeper: libraries that plugins bring lie some ten folders down.
const DEEPEST: u32 = 16;

/// Where a filter is mentioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// The filter.
    pub filter: &'static str,
    /// What it is there for.
    pub weight: Weight,
}

/// What a search came to.
#[derive(Debug, Default)]
pub struct Search {
    /// What was found.
    pub mentions: Vec<Mention>,
    /// How many files were read.
    pub files: usize,
    /// Not everything was read.
    pub cut: bool,
    /// How many there are when this place has had its share.
    last: usize,
}

impl Search {
    /// Reads a file, or all PHP files of a folder. Links to folders are not followed twice over.
    pub fn look(&mut self, place: &Path) {
        self.last = self.files.saturating_add(MOST_FILES);
        self.walk(place, 0);
    }

    fn walk(&mut self, place: &Path, depth: u32) {
        let Ok(metadata) = fs::metadata(place) else { return };
        if metadata.is_dir() {
            if depth == DEEPEST {
                self.cut = true;
                return;
            }
            let Ok(entries) = fs::read_dir(place) else {
                self.cut = true;
                return;
            };
            let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            inside.sort();
            for path in inside {
                let is_folder = path.is_dir();
                let is_link = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
                // A link to a folder may lead round in a circle; at the top it is how deployments are made.
                if (is_folder && !(is_link && depth > 0)) || path.extension().is_some_and(|end| end == "php")
                {
                    self.walk(&path, depth + 1);
                }
            }
            return;
        }
        if self.files == self.last || metadata.len() > LONGEST || !metadata.is_file() {
            self.cut = true;
            return;
        }
        self.files += 1;
        let mut bytes = Vec::new();
        let read = fs::File::open(place).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
        if read.is_err() {
            self.cut = true;
            return;
        }
        let text = String::from_utf8_lossy(&bytes);
        let names = FILTERS.iter().map(|(filter, _)| filter).chain(LOGIN.iter().map(|(name, _)| name));
        let mut names = names.chain(CORE.iter().map(|(_, name, _)| name));
        if !names.any(|name| text.contains(name)) {
            return;
        }
        for (line, filter, weight) in filters(&bytes) {
            self.mentions.push(Mention { file: place.to_owned(), line, filter, weight });
        }
    }
}

/// Functions that ask for a filter or take it away; whoever calls them hooks nothing.
const ASKS: [&str; 16] = [
    "apply_filters",
    "apply_filters_ref_array",
    "current_filter",
    "did_action",
    "did_filter",
    "do_action",
    "do_action_ref_array",
    "doing_action",
    "doing_filter",
    "function_exists",
    "has_action",
    "has_filter",
    "is_callable",
    "remove_action",
    "remove_all_filters",
    "remove_filter",
];

/// The filters that PHP code names: line, counted from 1, filter and weight.
fn filters(php: &[u8]) -> Vec<(usize, &'static str, Weight)> {
    let mut found: Vec<(usize, &'static str, Weight)> = Vec::new();
    // What stands before the token that is looked at, and before the bracket that was opened last.
    let (mut before, mut caller) = (Token::Other, String::new());
    // Whether the last filter that was found still waits for what is hooked to it.
    let mut waits = false;
    for (line, token) in tokens(php) {
        match &token {
            Token::Text(text) if waits && *text == b"__return_true" => {
                // Whoever switches it on has no part in this.
                found.pop();
                waits = false;
            }
            Token::Text(text) => {
                waits = false;
                let login = LOGIN.into_iter().find(|(name, _)| caller == "unset" && name.as_bytes() == *text);
                if let Some((_, how)) = login {
                    found.push((line, how, Weight::Own));
                }
                let taken = CORE.into_iter().find(|(by, name, _)| {
                    let is_called = caller == *by || (*by == "remove_filter" && caller == "remove_action");
                    is_called && name.as_bytes() == *text
                });
                if let Some((.., how)) = taken {
                    found.push((line, how, Weight::Own));
                }
                let known = FILTERS.into_iter().find(|(filter, _)| filter.as_bytes() == *text);
                // The value of a list is what is called by another name.
                if let Some((filter, weight)) = known
                    && !matches!(before, Token::Arrow)
                    && !(matches!(before, Token::Open) && ASKS.contains(&caller.as_str()))
                {
                    found.push((line, filter, weight));
                    waits = true;
                }
            }
            Token::Open => {
                caller = match &before {
                    Token::Name(name) => String::from_utf8_lossy(name).to_ascii_lowercase(),
                    _ => String::new(),
                };
                waits = false;
            }
            Token::Close => {
                caller.clear();
                waits = false;
            }
            Token::Comma | Token::Arrow => {}
            Token::Name(_) | Token::Other => waits = false,
        }
        before = token;
    }
    found
}

/// As much of PHP's grammar as tells names in quotes from comments.
enum Token<'a> {
    Name(&'a [u8]),
    /// Between quotes, as written.
    Text(&'a [u8]),
    Open,
    Close,
    Comma,
    /// `=>`
    Arrow,
    Other,
}

/// The tokens of a file and their lines. What is outside `<?php … ?>`, spaces, comments and here-documents are none.
fn tokens(php: &[u8]) -> Vec<(usize, Token<'_>)> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (php, 1);
    let advance = |rest: &mut &[u8], line: &mut usize, count: usize| {
        let (gone, left) = rest.split_at(count.min(rest.len()));
        *line += gone.iter().filter(|byte| **byte == b'\n').count();
        *rest = left;
    };
    let find = |rest: &[u8], what: &[u8]| {
        rest.windows(what.len()).position(|window| window == what).unwrap_or(rest.len())
    };
    let mut inside = false;
    while let Some(&byte) = rest.first() {
        if !inside {
            let start = find(rest, b"<?");
            advance(&mut rest, &mut line, start + 2);
            inside = true;
            continue;
        }
        let length = if rest.starts_with(b"?>") {
            inside = false;
            2
        } else if rest.starts_with(b"//") || (byte == b'#' && !rest.starts_with(b"#[")) {
            // The end of PHP ends a comment of one line too.
            let ends = |at: usize| {
                rest.get(at..).is_some_and(|rest| rest.starts_with(b"\n") || rest.starts_with(b"?>"))
            };
            (1..rest.len()).find(|at| ends(*at)).unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            2 + find(rest.get(2..).unwrap_or_default(), b"*/") + 2
        } else if let Some(length) = here_document(rest) {
            tokens.push((line, Token::Other));
            length
        } else if byte == b'\'' || byte == b'"' {
            let body = rest.get(1..).unwrap_or_default();
            let mut end = 0;
            while let Some(&next) = body.get(end).filter(|next| **next != byte) {
                end += if next == b'\\' { 2 } else { 1 };
            }
            tokens.push((line, Token::Text(body.get(..end).unwrap_or(body))));
            end + 2
        } else if byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80 {
            let is_name = |byte: &u8| *byte == b'_' || byte.is_ascii_alphanumeric() || *byte >= 0x80;
            let length = rest.iter().take_while(|byte| is_name(byte)).count();
            tokens.push((line, Token::Name(rest.get(..length).unwrap_or_default())));
            length
        } else if byte.is_ascii_whitespace() {
            1
        } else if rest.starts_with(b"=>") {
            tokens.push((line, Token::Arrow));
            2
        } else {
            tokens.push((
                line,
                match byte {
                    b'(' => Token::Open,
                    b')' => Token::Close,
                    b',' => Token::Comma,
                    _ => Token::Other,
                },
            ));
            1
        };
        advance(&mut rest, &mut line, length);
    }
    tokens
}

/// The length of the here-document that begins here, if one does: up to the line that its label begins.
fn here_document(rest: &[u8]) -> Option<usize> {
    let after = rest.strip_prefix(b"<<<")?;
    let end = after.iter().position(|byte| *byte == b'\n')?;
    let (label, body) = after.split_at(end);
    let label = label.trim_ascii();
    let label = label.strip_prefix(b"'").or_else(|| label.strip_prefix(b"\"")).unwrap_or(label);
    let label = label.strip_suffix(b"'").or_else(|| label.strip_suffix(b"\"")).unwrap_or(label);
    if label.is_empty() || !label.iter().all(|byte| *byte == b'_' || byte.is_ascii_alphanumeric()) {
        return None;
    }
    let mut length = 3 + end;
    for text in body.split_inclusive(|byte| *byte == b'\n') {
        let indent = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let after = text.get(indent..).and_then(|text| text.strip_prefix(label));
        if after.is_some_and(|after| {
            !after.starts_with(b"_") && !after.first().is_some_and(u8::is_ascii_alphanumeric)
        }) {
            return Some(length + indent + label.len());
        }
        length += text.len();
    }
    Some(length)
}

/// The `Version` in the head of a plugin's main file.
///
/// WordPress: `get_file_data()` reads 8 KiB.
pub fn plugin_version(file: &Path) -> Option<String> {
    let mut head = Vec::new();
    fs::File::open(file).ok()?.take(8 << 10).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().find_map(|line| {
        let line = line.trim_start_matches([' ', '\t', '/', '*', '#', '@']);
        line.get(..8).filter(|name| name.eq_ignore_ascii_case("version:")).and_then(|_| line.get(8..))
    })?;
    Some(line.trim().trim_end_matches("*/").trim().to_owned()).filter(|version| !version.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines on which filters are named.
    fn lines(php: &str) -> Vec<usize> {
        filters(php.as_bytes()).into_iter().map(|(line, ..)| line).collect()
    }

    #[test]
    fn a_filter_is_found_where_something_is_hooked_to_it() {
        for php in [
            "<?php add_filter( 'wp_is_application_passwords_available', '__return_false' );",
            "<?php add_filter(\"wp_is_application_passwords_available_for_user\",fn()=>false);",
            "<?php $this->loader->add_filter(/* now */ 'determine_current_user', $this, 'x' );",
            "<?php foreach (['wp_is_application_passwords_available'] as $f) add_filter($f, '__return_false');",
            "<?php const HOOKS = [ 'wp_is_application_passwords_available' => '__return_false' ];",
            "<?= add_action('wp_authenticate_application_password_errors', 'x') ?>",
            "#!/usr/bin/php\u{20}<?php // don't\r?><?php add_filter('determine_current_user', 'x');",
        ] {
            assert_eq!(lines(php), [1], "{php}");
        }
        let long = "<?php\n$a = <<<'END'\nit's\n  END;\nadd_filter(\n\t'determine_current_user',\n\t'x'\n);";
        assert_eq!(lines(long), [6]);
    }

    #[test]
    fn what_takes_wordpress_s_own_look_away_is_found() {
        for php in [
            "<?php remove_filter( 'determine_current_user', 'wp_validate_application_password', 20 );",
            "<?php remove_action('authenticate', \"wp_authenticate_application_password\", 20);",
            "<?php remove_all_filters( 'determine_current_user' );",
            "<?php add_filter( 'pre_option_using_application_passwords', '__return_zero' );",
        ] {
            assert_eq!(lines(php), [1], "{php}");
        }
        for php in [
            "<?php has_filter( 'determine_current_user', 'wp_validate_application_password' );",
            "<?php remove_filter( 'determine_current_user', 'somebody_s_own' );",
            "<?php remove_all_filters( 'the_content' );",
        ] {
            assert_eq!(lines(php), Vec::<usize>::new(), "{php}");
        }
    }

    #[test]
    fn what_takes_the_login_away_is_found() {
        let found = filters(b"<?php unset( $_SERVER['PHP_AUTH_USER'], $_SERVER[\"PHP_AUTH_PW\"] );");
        let how: Vec<&str> = found.iter().map(|(_, how, _)| *how).collect();
        assert_eq!(how, ["unset( $_SERVER['PHP_AUTH_USER'] )", "unset( $_SERVER['PHP_AUTH_PW'] )"]);
        assert_eq!(
            lines("<?php if ( isset( $_SERVER['PHP_AUTH_USER'] ) ) { $user = $_SERVER['PHP_AUTH_USER']; }"),
            Vec::<usize>::new()
        );
    }

    #[test]
    fn a_filter_that_is_only_talked_of_is_not_found() {
        for php in [
            "",
            "add_filter( 'wp_is_application_passwords_available', '__return_false' );",
            "<?php",
            "<?php // add_filter( 'wp_is_application_passwords_available', '__return_false' );",
            "<?php /* It is\nadd_filter( 'wp_is_application_passwords_available', '__return_false' ); */",
            "<?php $x = 1; # add_filter( 'wp_is_application_passwords_available', 'x' );",
            "<?php if ( function_exists('wp_is_application_passwords_available') ) { wp_is_application_passwords_available(); }",
            "<?php remove_filter( 'wp_is_application_passwords_available', '__return_false' );",
            "<?php return apply_filters( 'application_password_is_api_request', $x );",
            "<?php add_filter( 'wp_is_application_passwords_available', '__return_true' );",
            "<?php add_filter(\n'wp_is_application_passwords_available',\n'__return_true'\n);",
            "<?php echo 'See wp_is_application_passwords_available.';",
            "<?php $help = <<<END\nadd_filter( 'wp_is_application_passwords_available', 'x' );\nEND;\n",
            "<?php $list = [ 'callback' => 'wp_is_application_passwords_available' ];",
            "<?php $a = 'it\\'s'; $b = 'open",
            "<?php $a = <<<END\nnever",
            "<?php /* never",
        ] {
            assert_eq!(lines(php), Vec::<usize>::new(), "{php}");
        }
    }
}
