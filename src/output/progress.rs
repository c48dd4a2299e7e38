//! A bar on standard error that shows how far a long computation is, on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar. It disappears when it is dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// `visible`: standard error is a terminal.
    pub fn new(visible: bool) -> Self {
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent} %, {eta} left") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// One that counts `what` and says more beside it.
    pub fn counting(visible: bool, what: &str) -> Self {
        let progress = Self::new(visible);
        let template = format!("{{pos}} of {{len}} {what}, {{msg}} ({{per_sec}}, {{eta}} left)");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            progress.0.set_style(style);
        }
        progress
    }

    /// The same where nobody knows how many there are.
    pub fn open(visible: bool, what: &str) -> Self {
        let progress = Self::new(visible);
        let template = format!("{{pos}} {what}, {{msg}} ({{per_sec}})");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            progress.0.set_style(style);
        }
        progress
    }

    /// So many are done, of nobody knows how many, and this is to be said.
    pub fn so_far(&self, done: u64, message: impl FnOnce() -> String) {
        if done.is_multiple_of(256) && !self.0.is_hidden() {
            self.0.set_message(message());
            self.0.set_position(done);
        }
    }

    /// So many are done, of so many, and this is to be said.
    pub fn count(&self, done: u64, total: u64, message: impl FnOnce() -> String) {
        // Drawing asks for a lock and the time: now and then is enough.
        if done.is_multiple_of(256) && !self.0.is_hidden() {
            self.0.set_message(message());
            self.set(done, total);
        }
    }

    /// The same for what takes its time: each is drawn.
    pub fn each(&self, done: u64, total: u64, message: impl FnOnce() -> String) {
        if !self.0.is_hidden() {
            self.0.set_message(message());
            self.set(done, total);
        }
    }

    /// Says something where the bar is, which comes back after it.
    pub fn aside(&self, say: impl FnOnce()) {
        self.0.suspend(say);
    }

    /// So much is done, of so much.
    pub fn set(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
