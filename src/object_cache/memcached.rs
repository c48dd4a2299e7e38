//! A Memcached server, by its text protocol: `version`, `get`, `delete`.
//!
//! Three commands do not carry a client library with fifty dependencies.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;

use super::{CacheError, MemcachedServer, TIMEOUT};

/// A line that is longer than any answer to what is asked here.
const LONGEST_LINE: u64 = 2048;

/// The longest key that Memcached takes.
const LONGEST_KEY: usize = 250;

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A connection to one server.
pub(super) struct Client {
    stream: BufReader<Box<dyn Stream>>,
    place: String,
}

impl Client {
    /// Connects.
    pub(super) fn connect(server: &MemcachedServer) -> Result<Self, CacheError> {
        let place = server.to_string();
        let failed = |error: std::io::Error| broken(&place, &error);
        let stream: Box<dyn Stream> = match server {
            MemcachedServer::Socket(path) => {
                let stream = UnixStream::connect(path).map_err(failed)?;
                stream.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
                stream.set_write_timeout(Some(TIMEOUT)).map_err(failed)?;
                Box::new(stream)
            }
            MemcachedServer::Tcp(host, port) => {
                let stream = connect_tcp(host, *port).map_err(failed)?;
                stream.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
                stream.set_write_timeout(Some(TIMEOUT)).map_err(failed)?;
                Box::new(stream)
            }
        };
        Ok(Self { stream: BufReader::new(stream), place })
    }

    /// A sign of life.
    pub(super) fn version(&mut self) -> Result<(), CacheError> {
        self.send(b"version\r\n")?;
        match self.line()?.strip_prefix("VERSION ") {
            Some(_) => Ok(()),
            None => Err(failed(&self.place, "it does not answer as Memcached does")),
        }
    }

    /// The value under a key.
    pub(super) fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, CacheError> {
        self.send(&[b"get ", self.checked(key)?, b"\r\n"].concat())?;
        let line = self.line()?;
        if line == "END" {
            return Ok(None);
        }
        let length = line
            .strip_prefix("VALUE ")
            .and_then(|rest| rest.rsplit(' ').next()?.parse::<u64>().ok())
            .filter(|length| *length <= LONGEST_LINE)
            .ok_or_else(|| failed(&self.place, &format!("it answered {line:?}")))?;
        let mut value = Vec::new();
        let broken = |error: std::io::Error| broken(&self.place, &error);
        (&mut self.stream).take(length + 2).read_to_end(&mut value).map_err(broken)?;
        value.truncate(length as usize);
        match self.line()?.as_str() {
            "END" => Ok(Some(value)),
            other => Err(failed(&self.place, &format!("it answered {other:?}"))),
        }
    }

    /// Whether it holds nothing at all.
    pub(super) fn is_empty(&mut self) -> Result<bool, CacheError> {
        self.send(b"stats\r\n")?;
        let mut empty = false;
        loop {
            match self.line()?.as_str() {
                "END" => return Ok(empty),
                "STAT curr_items 0" => empty = true,
                line if line.starts_with("STAT ") => {}
                other => return Err(failed(&self.place, &format!("it answered {other:?}"))),
            }
        }
    }

    /// Deletes a key; one that is not there is fine.
    pub(super) fn delete(&mut self, key: &[u8]) -> Result<(), CacheError> {
        self.send(&[b"delete ", self.checked(key)?, b"\r\n"].concat())?;
        match self.line()?.as_str() {
            "DELETED" | "NOT_FOUND" => Ok(()),
            other => Err(failed(&self.place, &format!("it answered {other:?}"))),
        }
    }

    /// PHP's extensions refuse or shorten what Memcached would not take; neither must split a command here.
    fn checked<'k>(&self, key: &'k [u8]) -> Result<&'k [u8], CacheError> {
        if key.len() > LONGEST_KEY || key.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            return Err(failed(
                &self.place,
                "a key with the site's salt or prefix is not one that Memcached takes",
            ));
        }
        Ok(key)
    }

    fn send(&mut self, command: &[u8]) -> Result<(), CacheError> {
        let sent = self.stream.get_mut().write_all(command);
        sent.map_err(|error| broken(&self.place, &error))
    }

    fn line(&mut self) -> Result<String, CacheError> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(LONGEST_LINE).read_until(b'\n', &mut line);
        read.map_err(|error| broken(&self.place, &error))?;
        if line.last() != Some(&b'\n') {
            return Err(failed(&self.place, "it closed the connection"));
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

fn connect_tcp(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut last = None;
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| std::io::Error::other("the name has no address")))
}

fn broken(place: &str, error: &std::io::Error) -> CacheError {
    match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => CacheError(format!(
            "the Memcached server at {place} did not answer within {} seconds",
            TIMEOUT.as_secs()
        )),
        _ => failed(place, &error.to_string()),
    }
}

fn failed(place: &str, reason: &str) -> CacheError {
    CacheError(format!("the Memcached server at {place} cannot be used ({reason})"))
}
