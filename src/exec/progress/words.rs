//! The lines that are shown.

use std::time::Duration;

use crate::exec::forecast;
use crate::samplers::Progress;

/// Columns of a bar.
const WIDTH: u64 = 16;
/// Columns of a name.
const NAME: usize = 30;

/// The bar of one worker.
pub(super) fn bar(name: &str, progress: &Progress, elapsed: Duration) -> String {
    let shown: String = if name.chars().count() > NAME {
        name.chars().take(NAME - 1).chain(['…']).collect()
    } else {
        name.to_owned()
    };
    let (full, share) = match share(progress) {
        Some(percent) => (percent * WIDTH / 100, format!("{percent:>3} %")),
        None => (0, "     ".into()),
    };
    let bar: String = (0..WIDTH).map(|k| if k < full { '#' } else { '.' }).collect();
    format!("{shown:<NAME$} {bar} {share} {:>5} {}", clock(elapsed), progress.phase).trim_end().to_owned()
}

/// The same in a few words.
pub(super) fn brief(name: &str, progress: &Progress, elapsed: Duration) -> String {
    let share = share(progress).map_or_else(|| format!(" {}", clock(elapsed)), |percent| format!(" {percent} %"));
    let phase = if progress.phase.is_empty() { String::new() } else { format!(" ({})", progress.phase) };
    format!("{name}{share}{phase}")
}

/// A line of a log: when, how far the whole is, what goes on.
pub(super) fn beat(time: &str, whole: &str, live: &[String]) -> String {
    let whole = if whole.is_empty() { String::new() } else { format!("{whole}: ") };
    format!("{time} {whole}{}", live.join("; "))
}

/// Percent of the work, rounded down; `None` where nothing is known.
fn share(progress: &Progress) -> Option<u64> {
    (progress.total > 0).then(|| progress.done.min(progress.total) * 100 / progress.total)
}

/// `0:05`, `12:30`, `3:05:00`.
fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `3 of 30 cells (1 failed), 1.2 million evaluations/s, about 5 min left`.
pub(super) fn whole(done: usize, all: usize, failed: usize, rate: Option<f64>, left: Option<f64>) -> String {
    let mut line = format!("{done} of {all} cells");
    if failed > 0 {
        line += &format!(" ({failed} failed)");
    }
    match rate {
        Some(rate) if rate >= 1e6 => line += &format!(", {:.1} million evaluations/s", rate / 1e6),
        Some(rate) if rate >= 1e3 => line += &format!(", {:.0} thousand evaluations/s", rate / 1e3),
        Some(rate) if rate >= 1.0 => line += &format!(", {rate:.0} evaluations/s"),
        _ => {}
    }
    if let Some(left) = left.filter(|left| *left >= 1.0) {
        line += &format!(", about {} left", forecast::time(left));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: u64, total: u64, phase: &str) -> Progress {
        Progress { done, total, phase: phase.into(), ..Progress::default() }
    }

    #[test]
    fn lines() {
        let line = bar("lj13 PITA seed 0", &progress(50, 100, "rung 2/5: training"), Duration::from_secs(65));
        assert_eq!(line, "lj13 PITA seed 0               ########........  50 %  1:05 rung 2/5: training");
        let long = bar(&"é".repeat(40), &progress(300, 100, ""), Duration::from_secs(11_105));
        assert_eq!(long, format!("{}… ################ 100 % 3:05:05", "é".repeat(29)));
        assert_eq!(bar("x", &progress(0, 0, "metrics"), Duration::ZERO).split_whitespace().last(), Some("metrics"));
        assert_eq!(brief("al3 MD seed 1", &progress(1, 3, ""), Duration::ZERO), "al3 MD seed 1 33 %");
        assert_eq!(brief("report", &progress(0, 0, "figures"), Duration::from_secs(31)), "report 0:31 (figures)");
        let whole = whole(3, 30, 1, Some(1_234_567.0), Some(300.0));
        assert_eq!(
            whole,
            format!("3 of 30 cells (1 failed), 1.2 million evaluations/s, about {} left", forecast::time(300.0))
        );
        assert_eq!(super::whole(0, 2, 0, None, None), "0 of 2 cells");
        let both = ["a 1 %".to_owned(), "b".to_owned()];
        assert_eq!(beat("2026-11-30T09:00:00Z", "0 of 2 cells", &both), "2026-11-30T09:00:00Z 0 of 2 cells: a 1 %; b");
        assert_eq!(beat("T", "", &both[1..]), "T b");
    }
}
