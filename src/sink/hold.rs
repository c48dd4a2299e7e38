//! Signals that would end the program in the middle of a delivery wait until it is over.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::SinkError;

/// While one lives, an interruption is noted and not obeyed: a delivery then fails, and what was done is taken back.
/// Afterwards signals do again what they always do.
#[must_use]
pub struct Hold {
    signals: &'static Signals,
}

/// Handlers stay for good once they are there, so there is one set of them.
struct Signals {
    caught: Arc<AtomicBool>,
    /// Nobody holds them.
    free: Arc<AtomicBool>,
    /// How many hold them: one while an entry is saved and delivered, one more for each step that is undone by itself.
    holders: AtomicUsize,
}

impl Signals {
    fn get() -> &'static Self {
        static SIGNALS: OnceLock<Signals> = OnceLock::new();
        SIGNALS.get_or_init(|| {
            let (caught, free) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            for signal in [SIGHUP, SIGINT, SIGTERM] {
                // `nohup`, and what a shell starts in the background: there the signal never meant an end.
                if is_ignored(signal) {
                    continue;
                }
                // A signal that cannot be held ends the program, as it would have anyway.
                let _ = signal_hook::flag::register_conditional_default(signal, free.clone());
                let _ = signal_hook::flag::register(signal, caught.clone());
            }
            Self { caught, free, holders: AtomicUsize::new(0) }
        })
    }
}

impl Hold {
    /// Holds interruptions from now on.
    pub fn begin() -> Self {
        let signals = Signals::get();
        if signals.holders.fetch_add(1, Ordering::SeqCst) == 0 {
            signals.free.store(false, Ordering::SeqCst);
            signals.caught.store(false, Ordering::SeqCst);
        }
        Self { signals }
    }

    /// Whether somebody asked for the end.
    pub fn is_interrupted(&self) -> bool {
        self.signals.caught.load(Ordering::SeqCst)
    }

    /// # Errors
    /// Somebody asked for the end.
    pub(super) fn go_on(&self) -> Result<(), SinkError> {
        if self.is_interrupted() { Err(SinkError::new("interrupted")) } else { Ok(()) }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.signals.holders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.signals.free.store(true, Ordering::SeqCst);
        }
    }
}

/// Whether the process was started with this signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}
