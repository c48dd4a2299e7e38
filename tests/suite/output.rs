//! The two streams: labels, colours, order, and what happens when nobody reads any more.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::rc::Rc;

use wp_app_password::output::{Debug, Environment, Output, Terminal};

#[derive(Clone, Default)]
struct Both(Rc<RefCell<Vec<u8>>>);

impl Write for Both {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a screen that gets both streams shows.
fn screen(
    environment: &Environment,
    set_up: impl FnOnce(Output<'static>) -> Output<'static>,
    print: impl FnOnce(&mut Output<'_>) -> io::Result<()>,
) -> String {
    let both = Both::default();
    let mut out = set_up(Output::new(both.clone(), both.clone(), Terminal::detect(environment)));
    print(&mut out).unwrap();
    out.flush().unwrap();
    drop(out);
    String::from_utf8(both.0.take()).unwrap()
}

fn say_everything(out: &mut Output<'_>) -> io::Result<()> {
    out.line("line")?;
    out.warning("careful");
    out.log("log")?;
    out.success("done")?;
    out.error("failed");
    out.result("result\n")
}

#[test]
fn streams_appear_in_the_order_of_the_calls() {
    let shown = screen(&Environment::default(), |out| out, say_everything);
    assert_eq!(shown, "line\nWarning: careful\nlog\nSuccess: done\nError: failed\nresult\n");
}

#[test]
fn quiet_keeps_results_and_errors() {
    let shown = screen(&Environment::default(), |out| out.quiet(true), say_everything);
    assert_eq!(shown, "line\nError: failed\nresult\n");
}

#[test]
fn only_labels_are_coloured_and_only_when_stdout_is_a_terminal() {
    let terminal = Environment { stdout_is_terminal: true, ..Environment::default() };
    let shown = screen(&terminal, |out| out, say_everything);
    assert_eq!(
        shown,
        "line\n\x1b[36;1mWarning:\x1b[0m careful\nlog\n\x1b[32;1mSuccess:\x1b[0m done\n\
         \x1b[31;1mError:\x1b[0m failed\nresult\n"
    );
    let plain = screen(&Environment { color: Some(false), ..terminal }, |out| out, say_everything);
    assert!(!plain.contains('\x1b'));
    let forced = Environment { color: Some(true), ..Environment::default() };
    assert!(screen(&forced, |out| out, say_everything).contains("\x1b[32;1mSuccess:\x1b[0m"));
}

#[test]
fn messages_are_escaped_on_a_terminal_only() {
    let terminal = Environment {
        stdout_is_terminal: true,
        stderr_is_terminal: true,
        color: Some(false),
        ..Environment::default()
    };
    let say = |out: &mut Output<'_>| {
        out.error("no \x1b]0;x\x07 here");
        out.success("\u{202e}txt")
    };
    assert_eq!(screen(&terminal, |out| out, say), "Error: no \\x1b]0;x\\x07 here\nSuccess: \\u{202e}txt\n");
    let piped = screen(&Environment::default(), |out| out, say);
    assert_eq!(piped, "Error: no \x1b]0;x\x07 here\nSuccess: \u{202e}txt\n");
}

#[test]
fn debug_messages_carry_their_group_and_the_time() {
    let say = |out: &mut Output<'_>| {
        out.debug("store", "opened");
        out.debug("", "plain");
        Ok(())
    };
    assert_eq!(screen(&Environment::default(), |out| out, say), "");
    let all = screen(&Environment::default(), |out| out.debugging(Debug::All), say);
    let lines: Vec<&str> = all.lines().collect();
    assert!(lines[0].starts_with("Debug (store): opened (") && lines[0].ends_with("s)"), "{all}");
    assert!(lines[1].starts_with("Debug: plain ("), "{all}");
    let one = screen(&Environment::default(), |out| out.debugging(Debug::Group("store".into())), say);
    assert!(one.starts_with("Debug: opened (") && one.lines().count() == 1, "{one}");
}

#[test]
fn a_full_disk_comes_back_from_what_prints_a_secret() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut out = Output::new(full, io::sink(), Terminal::default());
    let error = out.secret_line("Password: ", "abcd").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    out.flush().unwrap();
}

#[test]
fn a_closed_pipe_comes_back_from_flush_even_when_a_warning_met_it_first() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut out = Output::new(writer, io::sink(), Terminal::default());
    out.line("a result").unwrap();
    out.warning("which flushes");
    assert_eq!(out.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    // What could not be delivered is dropped, not kept for later.
    out.flush().unwrap();
}
