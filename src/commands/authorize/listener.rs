//! The address on this machine to which an authorization screen sends the user's browser back.
//!
//! It answers to one path that nobody can guess. What comes there is read once and told to whoever waits. An approval has the
//! password in its address, which a browser would keep in its history: it gets no page (204), so that for the browser
//! nothing happened, and a page without any secret is at another address. Knows no WordPress beyond the names of parameters.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::secret::PlainPassword;
use crate::wordpress::generate;

/// The longest first line of a request that is read, in bytes, and what may follow it: cookies know no ports, and a browser
/// sends those of every program that it visits on this machine.
const LONGEST_LINE: usize = 16 * 1024;
const LONGEST_HEAD: usize = 1 << 20;

/// How long one request may take to arrive.
const SLOWEST: Duration = Duration::from_secs(10);

/// How many connections are read at once; browsers open some in advance.
const MOST_CONNECTIONS: usize = 32;

/// How long the browser is waited for that was sent to the clean address, and a second answer where none was.
const FAREWELL: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_secs(1);

/// Waits on a port of this machine.
pub struct Listener {
    origin: String,
    /// The first part of the path.
    state: PlainPassword,
    requests: Receiver<Request>,
}

/// What came back.
pub enum Answer {
    /// The user approved.
    Approved(Approval),
    /// The user did not.
    Denied,
    /// WordPress has no application passwords for this user, or none at all.
    Disabled,
}

/// What WordPress hands over.
pub struct Approval {
    /// `site_url`
    pub site_url: String,
    /// `user_login`
    pub user_login: String,
    /// `password`, as it came.
    pub password: PlainPassword,
}

struct Request {
    stream: TcpStream,
    /// `GET`
    method: String,
    /// Path and query; the query may hold the password.
    target: Zeroizing<String>,
}

/// What a target under our path is.
enum Target {
    Answer(Answer),
    /// The clean address.
    End,
    /// Parameters that say nothing.
    Nonsense,
    /// Another path.
    Stranger,
}

impl Listener {
    /// Opens a port that the system chooses.
    ///
    /// # Errors
    /// The system's.
    pub fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").or_else(|_error| TcpListener::bind("[::1]:0"))?;
        let origin = format!("http://{}", listener.local_addr()?);
        let (send, requests) = mpsc::sync_channel(MOST_CONNECTIONS);
        std::thread::spawn(move || accept(&listener, &send));
        let state = generate::application_password(&mut rand::rng());
        Ok(Self { origin, state, requests })
    }

    /// Where WordPress sends the browser when the user approved. For a rejection it adds `success=false`.
    pub fn success_url(&self) -> String {
        format!("{}/{}", self.origin, self.state.expose())
    }

    /// Where a page says how it ended, without a secret in its address.
    pub fn end_url(&self) -> String {
        format!("{}/end", self.success_url())
    }

    /// Waits for the answer; `None`: until then there was none. Unless it is an approval, the browser is sent on to the clean
    /// address, where it waits for [`Self::end`]. `stranger` is told of requests that came to no address of ours.
    pub fn wait(&self, until: Instant, stranger: &mut dyn FnMut()) -> Option<Answer> {
        loop {
            let request = self.next(until)?;
            match self.read(&request) {
                Target::Answer(answer @ Answer::Approved(_)) => {
                    // Whatever had a page would be in the browser's history, where it was sent on from too.
                    respond(request.stream, "204 No Content", "", "");
                    return Some(answer);
                }
                Target::Answer(answer) => {
                    let headers = format!("Location: {}\r\n", self.end_url());
                    respond(request.stream, "303 See Other", &headers, "");
                    return Some(answer);
                }
                Target::Nonsense => {
                    let text = "This answer is not one of WordPress: the site's address, the user or the password is \
                                missing. Go back and approve once more, or start again in the terminal.";
                    respond(request.stream, "400 Bad Request", "", &page("That was no answer", text));
                }
                Target::End => turn_away(request),
                Target::Stranger => {
                    // Browsers ask for it by themselves.
                    if request.target.as_str() != "/favicon.ico" {
                        stranger();
                    }
                    turn_away(request);
                }
            }
        }
    }

    /// Tells the browser how it ended, if it `comes` to the clean address, and whoever else comes meanwhile that it is over.
    /// Gives how many other answers came, which nobody looks at.
    pub fn end(self, title: &str, text: &str, comes: bool) -> usize {
        let until = Instant::now() + if comes { FAREWELL } else { GRACE };
        let mut late = 0;
        while let Some(request) = self.next(until) {
            match self.read(&request) {
                Target::End => {
                    respond(request.stream, "200 OK", "", &page(title, text));
                    break;
                }
                Target::Answer(_) | Target::Nonsense => {
                    late += 1;
                    let text = "This address was used already and takes one answer only. What this one brought was not \
                                looked at: if it was an approval, revoke that application password in your profile.";
                    respond(request.stream, "410 Gone", "", &page("Used already", text));
                }
                Target::Stranger => turn_away(request),
            }
        }
        late
    }

    fn next(&self, until: Instant) -> Option<Request> {
        let left = until.saturating_duration_since(Instant::now());
        self.requests.recv_timeout(left).ok()
    }

    fn read(&self, request: &Request) -> Target {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let path = path.strip_prefix('/').unwrap_or_default();
        let (state, rest) = path.split_once('/').unwrap_or((path, ""));
        let is_ours: bool = state.as_bytes().ct_eq(self.state.expose().as_bytes()).into();
        match rest {
            _ if !is_ours || request.method != "GET" => Target::Stranger,
            "" => answer(query).map_or(Target::Nonsense, Target::Answer),
            "end" => Target::End,
            _ => Target::Stranger,
        }
    }
}

fn turn_away(request: Request) {
    let text = "Nothing is here. If your browser came from WordPress's authorization screen, it was that of another, older \
                request: start again in the terminal.";
    respond(request.stream, "404 Not Found", "", &page("Not here", text));
}

/// What the parameters say; a parameter that comes twice says nothing.
fn answer(query: &str) -> Option<Answer> {
    let find = |name: &str| {
        let mut values = query.split('&').filter_map(|pair| {
            let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
            (own == name).then_some(value)
        });
        let value = values.next();
        if values.next().is_some() { Err(()) } else { Ok(value) }
    };
    let text = |name: &str| {
        let value = decoded(find(name).ok()??)?;
        String::from_utf8(value.to_vec()).ok().filter(|text| !text.is_empty())
    };
    if find("error").ok()? == Some("disabled") {
        return Some(Answer::Disabled);
    }
    if find("success").ok()? == Some("false") {
        return Some(Answer::Denied);
    }
    let password = Zeroizing::new(find("password").ok()??.to_owned());
    let password = generate::strip_for_check(&decoded(&password)?);
    let mut letters = String::with_capacity(password.len());
    letters.extend(password.iter().copied().map(char::from));
    let password = PlainPassword::new(letters);
    if password.expose().is_empty() {
        return None;
    }
    Some(Answer::Approved(Approval {
        site_url: text("site_url")?,
        user_login: text("user_login")?,
        password,
    }))
}

/// WordPress: its script writes `%20` for a blank, its PHP `+`; neither leaves a plus as it is.
fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    Some(bytes)
}

/// Connections on which nothing came yet, oldest first.
type Silent = Mutex<VecDeque<(u64, TcpStream)>>;

fn accept(listener: &TcpListener, requests: &SyncSender<Request>) {
    let (open, silent) = (Arc::new(AtomicUsize::new(0)), Arc::new(Silent::default()));
    for (number, stream) in (0..).zip(listener.incoming()) {
        let Ok(stream) = stream else {
            // Out of file descriptors, most likely: that takes a moment to pass.
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        if open.load(Ordering::SeqCst) >= MOST_CONNECTIONS {
            // Whoever only holds a place makes room: the right answer may be the newest.
            let Some((_, oldest)) = lock(&silent).pop_front() else { continue };
            let _ = oldest.shutdown(std::net::Shutdown::Both);
        }
        if let Ok(clone) = stream.try_clone() {
            lock(&silent).push_back((number, clone));
        }
        open.fetch_add(1, Ordering::SeqCst);
        let (requests, open, silent) = (requests.clone(), open.clone(), silent.clone());
        std::thread::spawn(move || {
            let speaks = || lock(&silent).retain(|(silent, _)| *silent != number);
            let request = read_request(stream, &speaks);
            speaks();
            if let Some(request) = request {
                // Nobody waits any more at the end of the program.
                let _ = requests.send(request);
            }
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn lock(silent: &Silent) -> MutexGuard<'_, VecDeque<(u64, TcpStream)>> {
    silent.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first line of a request whose head arrived. `speaks` is called when something comes.
fn read_request(mut stream: TcpStream, speaks: &dyn Fn()) -> Option<Request> {
    let until = Instant::now() + SLOWEST;
    // The whole capacity at once: a buffer that grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
    let mut buffer = Zeroizing::new([0_u8; 2048]);
    // What came last, for the empty line that ends the head.
    let mut last = Zeroizing::new([0_u8; 4]);
    let (mut is_line_read, mut is_head_read, mut length) = (false, false, 0);
    while !is_head_read {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        stream.set_read_timeout(Some(left)).ok()?;
        let count = stream.read(&mut *buffer).ok().filter(|count| *count > 0)?;
        if length == 0 {
            speaks();
        }
        length += count;
        for byte in buffer.get(..count)? {
            last.rotate_left(1);
            last.iter_mut().rev().take(1).for_each(|end| *end = *byte);
            is_head_read |= *last == *b"\r\n\r\n";
            is_line_read |= *byte == b'\r';
            if !is_line_read {
                line.push(*byte);
            }
        }
        if length > LONGEST_HEAD || line.len() > LONGEST_LINE - buffer.len() {
            return None;
        }
    }
    let mut words = std::str::from_utf8(&line).ok()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_http = version.starts_with("HTTP/1.") && words.next().is_none();
    let target = Zeroizing::new(target.to_owned());
    is_http.then(|| Request { method: method.to_owned(), target, stream })
}

/// Answers, and lets the other side read that before the connection ends.
fn respond(mut stream: TcpStream, status: &str, headers: &str, body: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
         X-Frame-Options: DENY\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    // A browser that went away is no trouble of ours.
    let _ = stream.set_write_timeout(Some(SLOWEST));
    let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
    let _ = stream.shutdown(std::net::Shutdown::Write);
}

/// A page that needs nothing else. `title` and `text` may hold what came from outside.
fn page(title: &str, text: &str) -> String {
    let escaped = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace('"', "&quot;").replace('\'', "&#39;")
    };
    let (title, text) = (escaped(title), escaped(text));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"referrer\" content=\"no-referrer\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <style>body{{font:1.1em/1.5 system-ui,sans-serif;max-width:34em;margin:4em auto;padding:0 1em}}</style>\
         </head><body><h1>{title}</h1><p>{text}</p></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approved(query: &str) -> Option<(String, String, String)> {
        match answer(query) {
            Some(Answer::Approved(Approval { site_url, user_login, password })) => {
                Some((site_url, user_login, password.expose().to_owned()))
            }
            _ => None,
        }
    }

    #[test]
    fn both_of_wordpress_s_ways_to_write_an_answer_are_read() {
        let expected = Some(("https://e.org/a b".into(), "jörg+x".into(), "abcdEFGH1234ijklMNOP5678".into()));
        assert_eq!(
            approved(
                "site_url=https%3A%2F%2Fe.org%2Fa%20b&user_login=j%C3%B6rg%2Bx&password=abcd%20EFGH%201234%20ijkl%20MNOP%205678"
            ),
            expected
        );
        assert_eq!(
            approved(
                "x=1&site_url=https%3A%2F%2Fe.org%2Fa+b&user_login=j%C3%B6rg%2Bx&password=abcdEFGH1234ijklMNOP5678"
            ),
            expected
        );
    }

    #[test]
    fn an_answer_that_is_none_is_not_taken_for_one() {
        for query in [
            "",
            "site_url=a&user_login=b",
            "site_url=a&user_login=b&password=",
            "site_url=a&user_login=b&password=---",
            "site_url=a&password=c",
            "site_url=&user_login=b&password=c",
            "site_url=a&user_login=b&password=c&password=d",
            "site_url=a&site_url=b&user_login=b&password=c",
            "site_url=%zz&user_login=b&password=c",
            "site_url=%ff&user_login=b&password=c",
            "site_url=a&user_login=b&password=%4",
            "success=true",
            "error=x",
        ] {
            assert!(answer(query).is_none(), "{query}");
        }
        assert!(matches!(answer("success=false"), Some(Answer::Denied)));
        assert!(matches!(answer("success=false&error=disabled"), Some(Answer::Disabled)));
        assert!(matches!(answer("success=false&site_url=a&user_login=b&password=c"), Some(Answer::Denied)));
    }

    #[test]
    fn nothing_that_comes_from_outside_is_markup() {
        let page = page("<b>\"&'", "<script>alert(1)</script>");
        assert!(page.contains("&lt;b&gt;&quot;&amp;&#39;") && !page.contains("<script"), "{page}");
    }
}
