//! A progress bar, for a person at a terminal.

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use super::Outcome;

/// A bar on standard error; none if that is no terminal.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for `steps` steps, called `what`.
    pub fn new(what: &'static str, steps: u64) -> Outcome<Progress> {
        const TEMPLATE: &str = "{msg:16} [{wide_bar}] {human_pos}/{human_len} {elapsed}";
        let style = ProgressStyle::with_template(TEMPLATE)?.progress_chars("=> ");
        let bar = ProgressBar::new(steps).with_style(style).with_message(what);
        Ok(Progress { bar: bar.with_finish(ProgressFinish::AndClear) })
    }

    /// Shows that this many steps are done. Call it as often as you like.
    pub fn show(&self, steps: u64) {
        self.bar.set_position(steps.min(self.bar.length().unwrap_or(steps)));
    }
}
