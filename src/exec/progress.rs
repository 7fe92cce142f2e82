//! What a person sees while a sweep runs: bars on a terminal, one line per event elsewhere, nothing when quiet.

use std::io::{IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::Result;
use crate::samplers::Progress;
use crate::text;

/// The bars of a sweep, on stderr.
pub(super) struct Screen {
    bars: MultiProgress,
    terminal: bool,
    quiet: bool,
}

impl Screen {
    pub(super) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let target = if terminal { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), terminal, quiet }
    }

    /// A line that stays.
    pub(super) fn note(&self, text: &str) {
        let text = text::printable(text);
        if self.terminal {
            let _ = self.bars.println(text);
        } else if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// A bar for one cell or reference.
    pub(super) fn bar(&self, name: &str) -> Bar {
        let bar = self.bars.add(ProgressBar::new(0));
        let template = "{prefix:32!} {bar:24} {percent:>3}% {elapsed:>4} {msg}";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(text::line(name).into_owned());
        Bar(bar)
    }
}

/// Shows one bar while `work` goes on (on a terminal, unless `quiet`).
///
/// # Errors
/// Those of `work`.
pub fn with_bar<T>(name: &str, quiet: bool, work: impl FnOnce(&mut dyn FnMut(&Progress)) -> Result<T>) -> Result<T> {
    let bar = Screen::new(quiet).bar(name);
    work(&mut |progress| bar.show(progress))
}

/// One bar; gone when dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn show(&self, progress: &Progress) {
        self.0.set_length(progress.total.max(1));
        self.0.set_position(progress.done);
        let phase = text::line(&progress.phase);
        if self.0.message() != phase {
            self.0.set_message(phase.into_owned());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
