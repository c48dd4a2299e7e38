//! Signals that would end the program between a password that is saved and one that was handed over.
//!
//! A process has one set of signals, so this is the one place with state of the whole process. Outside of a
//! [`Guard`] signals do what they always do; inside they are noted, and the second one ends the program.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Handlers stay for good once they are there, so there is one set of them.
struct State {
    /// Signals end the program.
    open: Arc<AtomicBool>,
    /// The number of the one that came while they did not; 0: none.
    caught: Arc<AtomicUsize>,
    /// How many guards there are: one while an entry is saved and delivered, one more for each step that is undone by
    /// itself.
    guards: AtomicUsize,
}

fn state() -> &'static State {
    static STATE: OnceLock<State> = OnceLock::new();
    STATE.get_or_init(|| {
        let state = State {
            open: Arc::new(AtomicBool::new(true)),
            caught: Arc::default(),
            guards: AtomicUsize::new(0),
        };
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            // `nohup`, and what a shell starts in the background: there the signal never meant an end.
            if is_ignored(signal) {
                continue;
            }
            // In this order: what is open ends the program, what is not is noted, and then it is open. Where a handler
            // cannot be registered the signal does what it always does.
            let _ = signal_hook::flag::register_conditional_default(signal, state.open.clone());
            let number = signal.unsigned_abs() as usize;
            let _ = signal_hook::flag::register_usize(signal, state.caught.clone(), number);
            let _ = signal_hook::flag::register(signal, state.open.clone());
        }
        state
    })
}

/// Whether the process was started with this signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}

/// The signal that came while a [`Guard`] was there.
pub fn caught() -> Option<u8> {
    let number = state().caught.load(Ordering::SeqCst);
    u8::try_from(number).ok().filter(|number| *number > 0)
}

/// While one lives the first signal is noted and ends nothing.
#[must_use]
pub struct Guard(());

/// Begins to note signals.
pub fn hold() -> Guard {
    let state = state();
    if state.guards.fetch_add(1, Ordering::SeqCst) == 0 {
        state.open.store(false, Ordering::SeqCst);
    }
    Guard(())
}

impl Drop for Guard {
    fn drop(&mut self) {
        let state = state();
        if state.guards.fetch_sub(1, Ordering::SeqCst) == 1 {
            state.open.store(true, Ordering::SeqCst);
        }
    }
}
