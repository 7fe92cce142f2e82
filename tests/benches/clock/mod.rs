//! What a call costs, in CPU and in wall seconds.

use std::time::Instant;

/// CPU seconds of this process so far, all threads; wall seconds where the system does not tell.
fn cpu_seconds(start: Instant) -> f64 {
    let of = |path: std::path::PathBuf| -> Option<f64> {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        Some(text.split_whitespace().next()?.parse::<f64>().ok()? * 1e-9)
    };
    let all = std::fs::read_dir("/proc/self/task").ok().map(|tasks| tasks.flatten().filter_map(|t| of(t.path())).sum());
    all.unwrap_or_else(|| start.elapsed().as_secs_f64())
}

/// CPU and wall seconds of a call, each the best of five after a first. With two threads, their ratio to the wall seconds of one
/// says how well they share the work.
pub fn best(mut f: impl FnMut()) -> (f64, f64) {
    f();
    let start = Instant::now();
    let mut least = (f64::INFINITY, f64::INFINITY);
    for _ in 0..5 {
        let (cpu, wall) = (cpu_seconds(start), Instant::now());
        f();
        least = (least.0.min(cpu_seconds(start) - cpu), least.1.min(wall.elapsed().as_secs_f64()));
    }
    least
}
