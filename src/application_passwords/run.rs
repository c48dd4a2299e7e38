//! One run of this program, as it is noted in an entry whose password it has not delivered yet.
//!
//! A run that was killed leaves its note behind. The next one has to tell it from a run that is still at work.

use rustix::process::{Pid, test_kill_process};

/// How long the note of a run on another machine, or in another container, counts, in seconds: nobody can see from
/// here whether it lives.
const ELSEWHERE: i64 = 60;

/// A process on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Unix seconds, UTC: when it made the entry.
    pub since: i64,
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: i32,
    /// When the process started, in the kernel's ticks: process numbers are used again. 0 where it is not known.
    started: u64,
    /// In which numbering of processes: containers have their own, and a machine a new one whenever it starts.
    numbering: String,
}

impl Run {
    /// This process.
    pub fn current(now: i64) -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self { since: now, host: host(), pid, started: started(pid), numbering: numbering() }
    }

    /// `1795359600 web1 4711 8812345 1f0c9a3e-4026531836`
    pub fn note(&self) -> String {
        format!("{} {} {} {} {}", self.since, self.host, self.pid, self.started, self.numbering)
    }

    /// Reads a note. `None`: it is not one of ours.
    pub fn read(note: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(note).ok()?.split(' ');
        let run = Self {
            since: parts.next()?.parse().ok()?,
            host: parts.next()?.to_owned(),
            pid: parts.next()?.parse().ok()?,
            started: parts.next()?.parse().ok()?,
            numbering: parts.next()?.to_owned(),
        };
        parts.next().is_none().then_some(run)
    }

    /// Whether its end can be seen from here.
    pub fn is_here(&self) -> bool {
        self.host == host() && self.numbering == numbering() && !self.numbering.is_empty()
    }

    /// Whether it may still be at work.
    pub fn is_alive(&self, now: i64) -> bool {
        if !self.is_here() {
            return (0..ELSEWHERE).contains(&now.saturating_sub(self.since));
        }
        let Some(pid) = Pid::from_raw(self.pid) else { return false };
        // Somebody else's process answers that this is not allowed: it lives.
        let exists = !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH));
        exists && (self.started == 0 || started(self.pid) == self.started)
    }

    /// `process 4711 on web1`
    pub fn named(&self) -> String {
        format!("process {} on {}", self.pid, self.host)
    }
}

/// The start of the machine, and the namespace of its process numbers.
fn numbering() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    format!("{}-{digits}", boot.split('-').next().unwrap_or_default().trim())
}

fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.chars().map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c }).collect()
}

/// The 22nd field of `/proc/PID/stat`; the second is a name in brackets that may hold anything.
fn started(pid: i32) -> u64 {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_ascii_whitespace().nth(19).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_one_that_ended_is_not() {
        let run = Run::current(1_000);
        assert_eq!(Run::read(run.note().as_bytes()), Some(run.clone()));
        assert!(run.is_alive(1_000_000));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        child.wait().unwrap();
        assert!(!Run { pid, ..run.clone() }.is_alive(1_000));
        assert!(!Run { started: run.started + 1, ..run }.is_alive(1_000), "another process with its number");
    }

    #[test]
    fn a_run_elsewhere_is_given_a_minute() {
        let here = Run::current(1_000);
        for run in [
            Run { host: "elsewhere".into(), ..here.clone() },
            Run { numbering: "1f0c9a3e-1".into(), ..here.clone() },
        ] {
            assert!(!run.is_here());
            assert!(run.is_alive(1_000) && run.is_alive(1_059));
            assert!(!run.is_alive(1_060) && !run.is_alive(0));
        }
        assert!(here.is_here());
    }

    #[test]
    fn what_is_no_note_is_nobodys() {
        for note in [&b""[..], b"1", b"x host 1 2", b"1 host 1 2", b"1 host 1 2 x y", b"\xff"] {
            assert_eq!(Run::read(note), None);
        }
    }
}
