//! A proxy between this program and a database server, that a test lets cut, hold back or answer.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::rig::Server;

/// Forwards to a server, keeping what the client sent; `meddle` may change or hold back either side's bytes.
pub struct Proxy {
    pub port: u16,
    pub sent: Arc<std::sync::Mutex<Vec<u8>>>,
    stopped: Arc<AtomicBool>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

pub enum Side<'a> {
    Client(&'a mut Vec<u8>),
    Server(&'a mut Vec<u8>),
}

pub enum Next {
    Forward,
    /// Forward, then end the connection.
    Cut,
    /// Send this back instead.
    Answer(Vec<u8>),
}

/// A server's error, as the answer to a command.
pub fn error_packet(code: u16, message: &str) -> Vec<u8> {
    let body = [&[0xff][..], &code.to_le_bytes(), b"#HY000", message.as_bytes()].concat();
    [&u32::try_from(body.len()).unwrap().to_le_bytes()[..3], &[1], &body].concat()
}

impl Proxy {
    pub fn start(server: &Server, meddle: impl Fn(Side<'_>) -> Next + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(std::sync::Mutex::new(Vec::new()));
        let target = (server.host.clone(), server.port);
        let (meddle, log) = (Arc::new(meddle), sent.clone());
        let stopped = Arc::new(AtomicBool::new(false));
        let ended = stopped.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(server) = TcpStream::connect(&target) else { return };
                for from_client in [true, false] {
                    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    if !from_client {
                        std::mem::swap(&mut from, &mut to);
                    }
                    let (meddle, log) = (meddle.clone(), log.clone());
                    std::thread::spawn(move || {
                        let mut buffer = vec![0; 1 << 16];
                        while let Ok(count @ 1..) = from.read(&mut buffer) {
                            let mut bytes = buffer[..count].to_vec();
                            if from_client {
                                log.lock().unwrap().extend_from_slice(&bytes);
                            }
                            let side =
                                if from_client { Side::Client(&mut bytes) } else { Side::Server(&mut bytes) };
                            let next = meddle(side);
                            let written = match &next {
                                Next::Answer(answer) => from.write_all(answer),
                                Next::Forward | Next::Cut => to.write_all(&bytes),
                            };
                            if written.is_err() || matches!(next, Next::Cut) {
                                break;
                            }
                        }
                        let _ = from.shutdown(std::net::Shutdown::Both);
                        let _ = to.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        Self { port, sent, stopped }
    }
}

pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
