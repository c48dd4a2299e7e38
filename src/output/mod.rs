//! What the user sees: streams, labels, colours, and the formats of lists.
//!
//! Mirrors WP-CLI's `WP_CLI\Loggers` and `WP_CLI\Formatter`. Knows rows and bytes; knows no verb, no
//! database and no WordPress. The only module that writes to the standard streams.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Instant;

use zeroize::Zeroizing;

mod csv;
mod formatter;
mod json;
mod progress;
pub mod report;
mod scalar;
mod table;
mod terminal;
mod width;
mod width_tables;
mod yaml;

pub use formatter::{Format, Request, RowStream, display_items};
pub use json::to_json;
pub use progress::Progress;
pub use scalar::float_string;
pub use terminal::{Environment, Terminal, in_one_line, window_columns};

/// One cell: what PHP's value was, as far as formats tell values apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A PHP integer.
    Int(i64),
    /// A PHP float.
    Float(f64),
    /// A PHP string: any bytes.
    Text(Cow<'a, [u8]>),
    /// A PHP array (or an object's properties), in order.
    Map(Vec<(Key<'a>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// A string that is borrowed for as long as the row is shown.
    pub fn text(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self::Text(Cow::Borrowed(text.as_ref()))
    }
}

/// A key of a PHP array.
#[derive(Debug, Clone, PartialEq)]
pub enum Key<'a> {
    /// An integer key.
    Int(i64),
    /// A string key: any bytes.
    Text(Cow<'a, [u8]>),
}

/// Something that a list shows as one row. `None`: the item has no such field at all, which WP-CLI
/// tells apart from a field that is null.
pub trait Item {
    /// The value of one field.
    fn field(&self, name: &str) -> Option<Value<'_>>;

    /// Where an item finds the field of this name quickest: a number for [`Item::field_at`]. The same for all
    /// items of a type, so that it is asked for once.
    fn place(&self, _name: &str) -> usize {
        usize::MAX
    }

    /// [`Item::field`] for a name whose place is known.
    fn field_at(&self, _place: usize, name: &str) -> Option<Value<'_>> {
        self.field(name)
    }
}

impl<T: Item + ?Sized> Item for &T {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        (**self).field(name)
    }

    fn place(&self, name: &str) -> usize {
        (**self).place(name)
    }

    fn field_at(&self, place: usize, name: &str) -> Option<Value<'_>> {
        (**self).field_at(place, name)
    }
}

/// Which debug messages are shown: WP-CLI's `--debug[=<group>]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Debug {
    /// None.
    #[default]
    Off,
    /// All of them, with their group in the label.
    All,
    /// Those of one group.
    Group(String),
}

/// From here on stdout's buffer is handed to the system.
const BUFFERED: usize = 64 * 1024;

/// The two streams of a command, and how it speaks on them: WP-CLI's `Loggers\Regular`, or
/// `Loggers\Quiet` after [`Output::quiet`].
///
/// Stdout is buffered. Whatever prints results gives back the [`io::Error`] of a stream that is closed
/// or full; only [`Output::flush`] proves that everything arrived. Stderr is best effort: there is
/// nobody left to tell. Before anything goes to stderr, stdout is flushed, so that both appear in the
/// order of the calls; an error of that flush is kept for the next call that can return it.
///
/// On a terminal, control and bidi characters are shown escaped: names are chosen by whoever asks for
/// an authorization. In a pipe bytes are never touched.
pub struct Output<'w> {
    stdout: Box<dyn Write + 'w>,
    stderr: Box<dyn Write + 'w>,
    terminal: Terminal,
    quiet: bool,
    debug: Debug,
    started: Instant,
    buffer: Vec<u8>,
    kept: Option<io::Error>,
}

impl<'w> Output<'w> {
    /// Takes both streams, unbuffered, and what is known about the terminal.
    pub fn new(stdout: impl Write + 'w, stderr: impl Write + 'w, terminal: Terminal) -> Self {
        Self {
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            terminal,
            quiet: false,
            debug: Debug::Off,
            started: Instant::now(),
            buffer: Vec::new(),
            kept: None,
        }
    }

    /// `--quiet`: no Success, no Warning, no [`Output::log`]; results and errors stay.
    pub fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// `--debug`.
    pub fn debugging(mut self, debug: Debug) -> Self {
        self.debug = debug;
        self
    }

    /// What was found out about the terminal.
    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// `Success: …` on stdout, as `WP_CLI::success()`.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn success(&mut self, message: impl AsRef<[u8]>) -> io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        let label = self.label("Success", "\x1b[32;1m");
        self.labelled(&label, message.as_ref())
    }

    /// `Warning: …` on stderr, as `WP_CLI::warning()`.
    pub fn warning(&mut self, message: impl AsRef<[u8]>) {
        if !self.quiet {
            let label = self.label("Warning", "\x1b[36;1m");
            self.complain(&label, message.as_ref());
        }
    }

    /// `Error: …` on stderr, as `WP_CLI::error()`; ends nothing.
    pub fn error(&mut self, message: impl AsRef<[u8]>) {
        let label = self.label("Error", "\x1b[31;1m");
        self.complain(&label, message.as_ref());
    }

    /// `Debug: … (0.012s)` on stderr when `--debug` asks for it, as `WP_CLI::debug()`. Never give it a
    /// secret.
    pub fn debug(&mut self, group: &str, message: impl AsRef<[u8]>) {
        let name = match &self.debug {
            Debug::Off => return,
            Debug::Group(wanted) if wanted != group => return,
            Debug::Group(_) => "Debug".to_owned(),
            Debug::All if group.is_empty() => "Debug".to_owned(),
            Debug::All => format!("Debug ({group})"),
        };
        let label = self.label(&name, "\x1b[34;1m");
        let seconds = format!("{:.3}", self.started.elapsed().as_secs_f64());
        let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
        let mut timed = message.as_ref().to_vec();
        timed.extend_from_slice(format!(" ({seconds}s)").as_bytes());
        self.complain(&label, &timed);
    }

    /// One line on stdout, also with `--quiet`, as `WP_CLI::line()`.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn line(&mut self, message: impl AsRef<[u8]>) -> io::Result<()> {
        self.labelled(b"", message.as_ref())
    }

    /// One line on stdout, but not with `--quiet`, as `WP_CLI::log()`.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn log(&mut self, message: impl AsRef<[u8]>) -> io::Result<()> {
        if self.quiet { Ok(()) } else { self.line(message) }
    }

    /// Bytes on stdout as they are, without a line end. Give it whole characters: on a terminal it
    /// escapes what it gets.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn result(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.emit(|buffer| buffer.extend_from_slice(bytes.as_ref()))
    }

    /// A JSON object between two pieces of text. Names of fields are plain ASCII; a value that JSON cannot hold is null.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn json_object<'v>(
        &mut self,
        before: &str,
        fields: impl IntoIterator<Item = (&'static str, Value<'v>)>,
        after: &str,
    ) -> io::Result<()> {
        self.emit(|buffer| {
            buffer.extend_from_slice(before.as_bytes());
            json::append_object(fields, buffer);
            buffer.extend_from_slice(after.as_bytes());
        })
    }

    /// A remark on stderr, without a label: what a person should know and no script needs.
    pub fn note(&mut self, message: impl AsRef<[u8]>) {
        if !self.quiet {
            self.complain(b"", message.as_ref());
        }
    }

    /// One line on stderr, without a label, also with `--quiet`.
    pub fn complaint(&mut self, message: impl AsRef<[u8]>) {
        self.complain(b"", message.as_ref());
    }

    /// A question, delivered at once, the cursor behind it: on stdout, or on stderr where stdout is no terminal.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn ask(&mut self, question: impl AsRef<[u8]>) -> io::Result<()> {
        if self.terminal.stdout_is_terminal {
            self.result(question)?;
            return self.flush();
        }
        self.flush()?;
        self.tell(b"", question.as_ref(), b"");
        Ok(())
    }

    /// One line that a question is about, where [`Output::ask`] asks it.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn ask_about(&mut self, line: impl AsRef<[u8]>) -> io::Result<()> {
        if self.terminal.stdout_is_terminal {
            return self.line(line);
        }
        self.complain(b"", line.as_ref());
        Ok(())
    }

    /// One line that holds a secret: delivered before this returns, and no copy of it stays behind.
    ///
    /// # Errors
    /// Stdout is closed or full: the secret did not arrive, or not whole.
    pub fn secret_line(&mut self, before: &str, secret: &str) -> io::Result<()> {
        let mut line = Zeroizing::new(Vec::with_capacity(before.len() + secret.len() + 1));
        line.extend_from_slice(before.as_bytes());
        line.extend_from_slice(secret.as_bytes());
        line.push(b'\n');
        self.secret(&line)
    }

    /// Bytes that hold a secret, as they are: delivered before this returns, and no copy of them stays behind.
    ///
    /// # Errors
    /// Stdout is closed or full: the secret did not arrive, or not whole.
    pub fn secret(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.stdout.write_all(bytes)?;
        self.stdout.flush()
    }

    /// Hands everything to the system. A command has printed its result when this returns `Ok`.
    ///
    /// # Errors
    /// Stdout is closed or full, now or at an earlier flush whose error could not be returned. What was
    /// buffered is dropped.
    pub fn flush(&mut self) -> io::Result<()> {
        if let Some(error) = self.kept.take() {
            self.buffer.clear();
            return Err(error);
        }
        let written = if self.buffer.is_empty() { Ok(()) } else { self.stdout.write_all(&self.buffer) };
        self.buffer.clear();
        written.and_then(|()| self.stdout.flush())
    }

    /// Lets `write` append whole characters to stdout's buffer.
    fn emit(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.emit_if(|buffer| {
            write(buffer);
            true
        })?;
        Ok(())
    }

    /// The same for what may find that there is nothing to append, and says so.
    fn emit_if(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) -> io::Result<bool> {
        let start = self.buffer.len();
        let written = write(&mut self.buffer);
        if self.terminal.stdout_is_terminal
            && terminal::needs_escape(self.buffer.get(start..).unwrap_or_default())
        {
            let raw = self.buffer.split_off(start);
            terminal::escape(&raw, &mut self.buffer);
        }
        if self.buffer.len() >= BUFFERED {
            self.flush()?;
        }
        Ok(written)
    }

    /// `label message\n` on stdout. The label is ours: its colour is not escaped.
    fn labelled(&mut self, label: &[u8], message: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(label);
        self.emit(|buffer| {
            buffer.extend_from_slice(message);
            buffer.push(b'\n');
        })
    }

    /// `label message\n` on stderr.
    fn complain(&mut self, label: &[u8], message: &[u8]) {
        if let Err(error) = self.flush() {
            self.kept = Some(error);
        }
        self.tell(label, message, b"\n");
    }

    /// The same, without a look at stdout and with another end.
    fn tell(&mut self, label: &[u8], message: &[u8], end: &[u8]) {
        let mut line = label.to_vec();
        if self.terminal.stderr_is_terminal {
            terminal::escape(message, &mut line);
        } else {
            line.extend_from_slice(message);
        }
        line.extend_from_slice(end);
        // Nobody is left to tell when stderr itself is gone.
        let _ = self.stderr.write_all(&line).and_then(|()| self.stderr.flush());
    }

    /// WP-CLI: `Loggers\Base::_line()` colours the label with its colon, on stderr too when only stdout
    /// is a terminal.
    fn label(&self, name: &str, color: &str) -> Vec<u8> {
        if self.terminal.color {
            format!("{color}{name}:\x1b[0m ").into_bytes()
        } else {
            format!("{name}: ").into_bytes()
        }
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        // A safety net only: commands flush, and look at what that says.
        let _ = self.flush();
    }
}

/// A whole YAML document of one value, as `Spyc::YAMLDump( $value, 2, 0 )` writes it.
pub fn to_yaml(value: &Value<'_>) -> Vec<u8> {
    let mut document = Vec::new();
    yaml::append_document(value, &mut document);
    document
}

/// What a panic says, when there is no [`Output`] left to say it.
pub fn last_words(text: &str) {
    // There is nobody left to tell when this fails.
    let _ = io::stderr().write_all(text.as_bytes());
}
