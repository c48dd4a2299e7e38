//! Signals that would end the program in the middle of a delivery wait until it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// While it lives, an interruption is noted and not obeyed. The one who holds asks whether there was one, and takes
/// back what it did. Afterwards signals do again what they always do.
pub(super) struct Hold {
    caught: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Hold {
    pub(super) fn begin() -> Self {
        let (caught, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            // `nohup`, and what a shell starts in the background: there the signal never meant an end.
            if is_ignored(signal) {
                continue;
            }
            // A signal that cannot be held ends the program, as it would have anyway.
            let _ = signal_hook::flag::register_conditional_default(signal, over.clone());
            let _ = signal_hook::flag::register(signal, caught.clone());
        }
        Self { caught, over }
    }

    /// Whether somebody asked for the end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.caught.load(Ordering::SeqCst)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// Whether the process was started with this signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}
