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
