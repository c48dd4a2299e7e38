//! Signals that would end the program in the middle of a delivery wait until it is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// While it lives, an interruption is noted and not obeyed. The one who holds asks whether there was one, and takes
/// back what it did. Afterwards signals do again what they always do.
pub(super) struct Hold {
    signals: &'static Signals,
}

/// Handlers stay for good once they are there, so there is one set of them.
struct Signals {
    caught: Arc<AtomicBool>,
    /// Nobody holds them.
    free: Arc<AtomicBool>,
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
            Self { caught, free }
        })
    }
}

impl Hold {
    pub(super) fn begin() -> Self {
        let signals = Signals::get();
        signals.free.store(false, Ordering::SeqCst);
        signals.caught.store(false, Ordering::SeqCst);
        Self { signals }
    }

    /// Whether somebody asked for the end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.signals.caught.load(Ordering::SeqCst)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.signals.free.store(true, Ordering::SeqCst);
    }
}

/// Whether the process was started with this signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}
