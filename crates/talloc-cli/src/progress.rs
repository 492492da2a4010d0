//! What is shown on a terminal while a command works; nothing elsewhere.

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use std::time::Duration;

/// A bar, which goes away when it is dropped.
pub fn bar(length: u64, message: &'static str) -> ProgressBar {
    styled(ProgressBar::new(length), "{msg} [{bar:40}] {percent} % {eta}").with_message(message)
}

/// A sign of life for work of unknown length, which goes away when it is dropped. It moves when it is told so.
pub fn spinner() -> ProgressBar {
    styled(ProgressBar::new_spinner(), "{spinner} {msg}")
}

/// Lets a sign of life move by itself, where no time is measured meanwhile.
pub fn moving(progress: ProgressBar) -> ProgressBar {
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}

fn styled(progress: ProgressBar, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("a valid template");
    progress.with_style(style.progress_chars("=> ")).with_finish(ProgressFinish::AndClear)
}
