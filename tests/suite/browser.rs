//! A headless Chromium that a test drives over its debugging pipe, and TLS in front of a server of a test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::Rig;

/// One browser with one tab.
pub struct Browser {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    session: Option<String>,
    count: u64,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Browser {
    /// Opens a tab.
    pub fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The pipe is file descriptors 3 and 4: `sh` puts ours there.
        let mut process = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh"])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args(["--remote-debugging-pipe", "--disable-background-networking", "--disable-extensions"])
            // The rig's authority is nobody's.
            .arg("--ignore-certificate-errors")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let output = BufReader::new(output);
        let mut browser = Self { process, input, output, session: None, count: 0, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        assert!(browser.session.is_some(), "{attached}");
        browser
    }

    /// One call of the DevTools protocol.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.count += 1;
        let mut message = json!({ "id": self.count, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut bytes = Vec::new();
            self.output.read_until(0, &mut bytes).unwrap();
            assert_eq!(bytes.pop(), Some(0), "the browser ended");
            let answer: Value = serde_json::from_slice(&bytes).unwrap();
            if answer["id"] == self.count {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The value of an expression of JavaScript; null while a page is being left.
    pub fn evaluate(&mut self, script: &str) -> Value {
        let script = format!("(() => {{ try {{ return {script}; }} catch (e) {{ return null; }} }})()");
        self.call("Runtime.evaluate", json!({ "expression": script, "returnByValue": true }))["result"]["value"]
            .clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait_for(&mut self, script: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.evaluate(script) != true {
            if Instant::now() > until {
                panic!("{script}: {}", self.evaluate("document.documentElement.outerHTML"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Every address that the tab's history holds.
    pub fn history(&mut self) -> Vec<String> {
        let history = self.call("Page.getNavigationHistory", json!({}));
        let entries = history["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["url"].as_str().unwrap().to_owned()).collect()
    }
}

/// TLS with the rig's certificate, in front of a server of HTTP that ends each connection after one answer.
pub struct TlsFront {
    pub url: String,
    /// The port of that server.
    pub behind: Arc<AtomicU32>,
    stopped: Arc<AtomicU32>,
    port: u16,
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.stopped.store(1, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl TlsFront {
    pub fn start(rig: &Rig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = server_config(rig.mariadb.ca.parent().unwrap());
        let (behind, stopped) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (target, ended) = (behind.clone(), stopped.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) == 1 {
                    return;
                }
                let (config, target) = (config.clone(), target.clone());
                std::thread::spawn(move || {
                    // A client that does not like the certificate is none of our business.
                    let _ = forward(client, config, target.load(Ordering::SeqCst));
                });
            }
        });
        Self { url: format!("https://127.0.0.1:{port}"), behind, stopped, port }
    }
}

fn forward(client: TcpStream, config: Arc<rustls::ServerConfig>, port: u32) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(20)))?;
    let tls = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut client = rustls::StreamOwned::new(tls, client);
    let Some(request) = crate::verify::read_request(&mut client) else { return Ok(()) };
    let mut server = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap()))?;
    server.set_read_timeout(Some(Duration::from_secs(60)))?;
    server.write_all(request.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes())?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    client.write_all(&answer)?;
    client.conn.send_close_notify();
    client.flush()
}

fn server_config(folder: &Path) -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let certificates = CertificateDer::pem_file_iter(folder.join("server.pem")).unwrap();
    let certificates = certificates.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    Arc::new(config)
}
