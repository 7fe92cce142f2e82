//! What a person sees while something runs, on stderr: on a terminal one line about the whole and a bar for each worker, each as
//! wide as the terminal; elsewhere a line at most every [`BEAT`], with its time; nothing when quiet.
//!
//! | file | its job |
//! |---|---|
//! | `pace` | how far the whole is: evaluations per second, time left |
//! | `words` | the lines |

mod pace;
mod words;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::pace::Pace;
use crate::error::Result;
use crate::record::timestamp;
use crate::samplers::Progress;
use crate::text;

/// Told how far something is.
pub type Show<'a> = dyn FnMut(&Progress) + 'a;

/// Time between two lines where there is no terminal.
const BEAT: Duration = Duration::from_secs(30);
/// The same on a terminal.
const TICK: Duration = Duration::from_secs(1);

/// What goes on now.
struct Live {
    name: String,
    began: Instant,
    /// Seconds that it was expected to take.
    expected: Option<f64>,
    progress: Progress,
    /// Evaluations that it had when it was first heard of: those of earlier sessions.
    before: Option<u64>,
    line: Option<ProgressBar>,
}

/// What bars and ticker share.
struct Shared {
    state: Mutex<State>,
    over: Condvar,
}

struct State {
    pace: Pace,
    live: BTreeMap<u64, Live>,
    next: u64,
    head: Option<ProgressBar>,
    over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that is shown of one job.
pub(super) struct Screen {
    bars: MultiProgress,
    shared: Arc<Shared>,
    ticker: Option<JoinHandle<()>>,
    terminal: bool,
    quiet: bool,
}

impl Screen {
    /// Without cells: only bars.
    pub(super) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let target = if terminal { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
        let state = State { pace: Pace::default(), live: BTreeMap::new(), next: 0, head: None, over: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), over: Condvar::new() });
        let ticker = (!quiet).then(|| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || match terminal {
                true => tick(&shared, TICK, None),
                false => tick(&shared, BEAT, Some(&mut std::io::stderr())),
            })
        });
        Self { bars: MultiProgress::with_draw_target(target), shared, ticker, terminal, quiet }
    }

    /// Says how many cells there are, how long each is expected to take (seconds, where that is known), and how many are worked
    /// on at a time: from here on there is a line about the whole.
    pub(super) fn expect(&self, cells: &[Option<f64>], workers: usize) {
        let mut state = self.shared.lock();
        state.pace = Pace::new(cells, workers);
        if self.terminal {
            let head = self.bars.insert(0, plain_bar());
            head.set_message(state.pace.line());
            state.head = Some(head);
        }
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

    /// A bar for a cell that is expected to take so many seconds, or for something else, such as a reference.
    pub(super) fn begin(&self, name: &str, expected: Option<f64>) -> Bar {
        let mut state = self.shared.lock();
        let name = text::line(name).into_owned();
        let line = self.terminal.then(|| self.bars.add(plain_bar()));
        let live = Live { name, began: Instant::now(), expected, progress: Progress::default(), before: None, line };
        live.draw();
        let key = state.next;
        state.next += 1;
        state.live.insert(key, live);
        Bar { key, shared: Arc::clone(&self.shared) }
    }

    /// Notes that a cell ended.
    pub(super) fn ended(&self, expected: Option<f64>, seconds: f64, failed: bool) {
        let mut state = self.shared.lock();
        state.pace.ended(expected, seconds, failed);
        state.refresh();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.over.notify_all();
        if let Some(ticker) = self.ticker.take() {
            let _ = ticker.join(); // it only shows things
        }
        if let Some(head) = &self.shared.lock().head {
            head.finish_and_clear();
        }
    }
}

/// A line as wide as the terminal.
fn plain_bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar
}

impl Live {
    fn draw(&self) {
        if let Some(line) = &self.line {
            line.set_message(words::bar(&self.name, &self.progress, self.began.elapsed()));
        }
    }

    /// Evaluations since it was first heard of.
    fn evaluations(&self) -> u64 {
        self.before.map_or(0, |before| self.progress.evaluations.saturating_sub(before))
    }
}

impl State {
    /// What is known of the whole, now.
    fn refresh(&mut self) {
        let made = self.live.values().map(Live::evaluations).sum();
        let live: Vec<(Option<f64>, f64)> =
            self.live.values().map(|l| (l.expected, l.began.elapsed().as_secs_f64())).collect();
        self.pace.look(made, &live, Instant::now());
        if let Some(head) = &self.head {
            head.set_message(self.pace.line());
        }
    }
}

/// Shows how things stand, again and again until they are over: as a line of `log`, or on the terminal's lines.
fn tick(shared: &Shared, every: Duration, mut log: Option<&mut dyn Write>) {
    let mut state = shared.lock();
    loop {
        let waited = shared.over.wait_timeout_while(state, every, |state| !state.over);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.over {
            return;
        }
        state.refresh();
        let Some(log) = log.as_mut() else {
            state.live.values().for_each(Live::draw);
            continue;
        };
        if !state.live.is_empty() {
            let live: Vec<String> =
                state.live.values().map(|l| words::brief(&l.name, &l.progress, l.began.elapsed())).collect();
            let beat = words::beat(&timestamp(), &state.pace.line(), &live);
            let _ = writeln!(log, "{}", text::printable(&beat));
        }
    }
}

/// Shows one bar while `work` goes on (unless `quiet`).
///
/// # Errors
/// Those of `work`.
pub fn with_bar<T>(name: &str, quiet: bool, work: impl FnOnce(&mut dyn FnMut(&Progress)) -> Result<T>) -> Result<T> {
    let screen = Screen::new(quiet);
    let bar = screen.begin(name, None);
    work(&mut |progress| bar.show(progress))
}

/// One bar; gone when dropped.
pub(super) struct Bar {
    key: u64,
    shared: Arc<Shared>,
}

impl Bar {
    pub(super) fn show(&self, progress: &Progress) {
        let mut state = self.shared.lock();
        if let Some(live) = state.live.get_mut(&self.key) {
            // Some steps do not know the count.
            let evaluations = progress.evaluations.max(live.progress.evaluations);
            live.before = live.before.or((progress.evaluations > 0).then_some(progress.evaluations));
            live.progress = Progress { evaluations, scalars: Vec::new(), ..progress.clone() };
            live.draw();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some(live) = state.live.remove(&self.key) {
            state.pace.keep(live.evaluations());
            if let Some(line) = live.line {
                line.finish_and_clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where there is no terminal, lines come with their time, and as long as something goes on.
    #[test]
    fn heartbeat() {
        let screen = Screen::new(true);
        screen.expect(&[Some(10.0), Some(10.0)], 1);
        let bar = screen.begin("lj13 MD seed 0", Some(10.0));
        bar.show(&Progress { done: 1, total: 4, phase: "sampling".into(), ..Progress::default() });
        let shared = Arc::clone(&screen.shared);
        let beats = std::thread::spawn(move || {
            let mut log: Vec<u8> = Vec::new();
            tick(&shared, Duration::from_millis(5), Some(&mut log));
            String::from_utf8(log).unwrap()
        });
        std::thread::sleep(Duration::from_millis(100));
        drop(bar);
        screen.ended(Some(10.0), 10.0, false);
        std::thread::sleep(Duration::from_millis(50));
        drop(screen);
        let beats = beats.join().unwrap();
        let line = beats.lines().next().unwrap();
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(crate::record::is_time(time), "{line}");
        assert!(
            rest.starts_with("0 of 2 cells, about ") && rest.ends_with(": lj13 MD seed 0 25 % (sampling)"),
            "{line}"
        );
        assert!(!beats.contains("1 of 2"), "nothing goes on, and still a line: {beats}");
    }
}
