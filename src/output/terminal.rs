//! What is known about the terminal, and how text is made harmless for it.
//!
//! Mirrors php-cli-tools' `lib/cli/Shell.php` and WP-CLI's `Runner::init_colorization()`. Reads no
//! environment: the caller passes in what it found.

/// What the process was started with, as far as output depends on it.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Stdout is a terminal.
    pub stdout_is_terminal: bool,
    /// Stderr is a terminal.
    pub stderr_is_terminal: bool,
    /// `SHELL_PIPE`: overrides whether stdout counts as a pipe.
    pub shell_pipe: Option<Vec<u8>>,
    /// `COLUMNS`: overrides the width.
    pub columns: Option<Vec<u8>>,
    /// The width of the window, from [`window_columns`].
    pub window_columns: Option<u16>,
    /// `--color` (`Some(true)`), `--no-color` (`Some(false)`), or neither.
    pub color: Option<bool>,
}

/// How the output is to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// Stdout is a terminal: control and bidi characters are escaped there.
    pub stdout_is_terminal: bool,
    /// Stderr is a terminal: control and bidi characters are escaped there.
    pub stderr_is_terminal: bool,
    /// Tables are separated by tabs instead of framed: `Shell::isPiped()`.
    pub piped: bool,
    /// The width in columns. Negative and absurd values come from `COLUMNS` and are WP-CLI's to handle.
    pub columns: i64,
    /// Labels are coloured: `Runner::in_color()`.
    pub color: bool,
}

impl Default for Terminal {
    /// No terminal at all: a pipe on both streams.
    fn default() -> Self {
        Self::detect(&Environment::default())
    }
}

impl Terminal {
    /// Decides as WP-CLI does.
    ///
    /// WP-CLI: `NO_COLOR` and `CLICOLOR` are not honoured.
    pub fn detect(environment: &Environment) -> Self {
        let piped = match &environment.shell_pipe {
            Some(value) => is_true(value),
            None => !environment.stdout_is_terminal,
        };
        let from_variable = environment.columns.as_deref().map_or(0, integer);
        let from_window = i64::from(environment.window_columns.unwrap_or(0));
        let columns = [from_variable, from_window].into_iter().find(|columns| *columns != 0).unwrap_or(80);
        Self {
            stdout_is_terminal: environment.stdout_is_terminal,
            stderr_is_terminal: environment.stderr_is_terminal,
            piped,
            columns,
            color: environment.color.unwrap_or(!piped),
        }
    }
}

/// The width of the window this process runs in.
///
/// WP-CLI asks `stty size`, which looks at stdin, then `tput cols`, which also tries the controlling
/// terminal.
pub fn window_columns() -> Option<u16> {
    let columns = |(terminal_size::Width(columns), _)| (columns > 0).then_some(columns);
    terminal_size::terminal_size_of(std::io::stdin()).and_then(columns).or_else(|| {
        let controlling = std::fs::File::open("/dev/tty").ok()?;
        terminal_size::terminal_size_of(controlling).and_then(columns)
    })
}

/// PHP's `filter_var( …, FILTER_VALIDATE_BOOLEAN )`.
fn is_true(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    [&b"1"[..], b"true", b"on", b"yes"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// PHP's `(int)` of a string: the number it starts with.
fn integer(value: &[u8]) -> i64 {
    let value = value.trim_ascii_start();
    let sign = usize::from(matches!(value.first(), Some(b'+' | b'-')));
    let digits = value.iter().skip(sign).take_while(|byte| byte.is_ascii_digit()).count();
    let number = value.get(..sign + digits).and_then(|text| std::str::from_utf8(text).ok());
    number.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Text that somebody else chose, on one line whatever it holds: nothing in it begins a line of a mail or of a list, or turns
/// one around. Control and bidirectional characters, and what ends a line, are shown as a terminal gets them: `\x0a`,
/// `\u{202e}`.
pub fn in_one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match u32::from(character) {
            code @ (0..0x20 | 0x7f) => shown.push_str(&format!("\\x{code:02x}")),
            code @ (0x80..0xa0 | 0x61c | 0x200e | 0x200f | 0x2028..=0x202e | 0x2066..=0x2069) => {
                shown.push_str(&format!("\\u{{{code:x}}}"));
            }
            _ => shown.push(character),
        }
    }
    shown
}

/// Whether text has to go through [`escape`] before a terminal sees it.
pub(super) fn needs_escape(text: &[u8]) -> bool {
    text.iter().any(|byte| !matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
}

/// Appends `text` as a terminal may see it: control characters as `\x1b`, bidi controls as `\u{202e}`.
///
/// Line ends and tabs stay: WP-CLI's tables handle them, and neither hides anything.
pub(super) fn escape(text: &[u8], into: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        let mut characters = chunk.valid().chars().peekable();
        while let Some(character) = characters.next() {
            let code = u32::from(character);
            match code {
                0x09 | 0x0a => into.push(code as u8),
                0x0d if characters.peek() == Some(&'\n') => into.push(b'\r'),
                0..0x20 | 0x7f => into.extend_from_slice(format!("\\x{code:02x}").as_bytes()),
                0x80..0xa0 | 0x61c | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069 => {
                    into.extend_from_slice(format!("\\u{{{code:x}}}").as_bytes());
                }
                _ => into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        match chunk.invalid() {
            // What eight-bit terminals take for a control character. A character that was cut off is left
            // alone: WP-CLI cuts long cells anywhere.
            [byte @ 0x80..0xa0] => into.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
            bytes => into.extend_from_slice(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: impl AsRef<[u8]>) -> Vec<u8> {
        let mut into = Vec::new();
        escape(text.as_ref(), &mut into);
        into
    }

    #[test]
    fn control_and_bidi_characters_are_shown_escaped() {
        assert_eq!(escaped("a\x1b[31mb\u{202e}c\x7f\u{9b}"), b"a\\x1b[31mb\\u{202e}c\\x7f\\u{9b}");
        assert_eq!(escaped("tab\tline\r\nend\rover"), b"tab\tline\r\nend\\x0dover");
        assert_eq!(escaped("na\u{ef}ve \u{1f680}"), "na\u{ef}ve \u{1f680}".as_bytes());
        assert_eq!(escaped(b"\x9b31m\xff"), b"\\x9b31m\xff");
    }

    #[test]
    fn the_environment_decides_as_in_wp_cli() {
        let terminal = Environment { stdout_is_terminal: true, ..Environment::default() };
        assert!(!Terminal::detect(&terminal).piped);
        assert!(Terminal::detect(&terminal).color);
        assert_eq!(Terminal::detect(&terminal).columns, 80);
        let forced = Environment { shell_pipe: Some(b" Yes ".to_vec()), ..terminal.clone() };
        assert!(Terminal::detect(&forced).piped && !Terminal::detect(&forced).color);
        let framed = Environment { shell_pipe: Some(b"0".to_vec()), ..Environment::default() };
        assert!(!Terminal::detect(&framed).piped && Terminal::detect(&framed).color);
        for (columns, expected) in [("120", 120), ("12x", 12), ("x", 99), ("0", 99), ("-5", -5), (" 7", 7)] {
            let columns = Some(columns.as_bytes().to_vec());
            let found =
                Terminal::detect(&Environment { columns, window_columns: Some(99), ..terminal.clone() });
            assert_eq!(found.columns, expected);
        }
    }
}
