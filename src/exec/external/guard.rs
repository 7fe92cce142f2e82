//! The parent of somebody else's program, a process of its own for each: whatever the program starts, however it hides
//! (`setsid`, a double fork), ends up below this parent, and is gone when the program ends, when it is told to end, or when
//! pita-bench is gone.

use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid};

use crate::error::{Error, Result};

/// How long a program has to end by itself when it is asked to.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// How long what is left of it is hunted.
pub(super) const HUNT: Duration = Duration::from_secs(5);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// Exit code, by convention of shells, for a program that cannot be started.
const NOT_STARTED: i32 = 127;
/// By the same convention a program that was ended by signal `n` is one with code 128 + `n`.
pub(super) const SIGNALLED: i32 = 128;

/// Runs a program until it ends, SIGTERM comes, or the parent of this process is gone; then ends all that it started.
/// Returns its exit code, or [`SIGNALLED`] + signal.
///
/// # Errors
/// [`Error::Internal`] when the system cannot make this process the parent of orphans.
pub fn supervise(program: &OsStr, arguments: &[OsString]) -> Result<i32> {
    static ASKED: AtomicBool = AtomicBool::new(false);
    let parent = getppid();
    adopt().map_err(|e| Error::Internal(format!("orphans cannot be adopted: {e}")))?;
    ctrlc::set_handler(|| ASKED.store(true, Ordering::SeqCst))
        .map_err(|e| Error::Internal(format!("SIGTERM cannot be heard: {e}")))?;
    let mut command = std::process::Command::new(program);
    std::os::unix::process::CommandExt::process_group(command.args(arguments), 0);
    let main = match command.spawn() {
        Ok(child) => Pid::from_raw(child.id().cast_signed()), // waited for below, with all others
        Err(e) => {
            eprintln!("`{}` cannot be started: {e}; is it installed?", program.display());
            return Ok(NOT_STARTED);
        }
    };
    let mut ended = None;
    let mut asked: Option<Instant> = None;
    while reap(main, &mut ended) && ended.is_none() {
        if asked.is_none() && (ASKED.load(Ordering::SeqCst) || getppid() != parent) {
            let _ = killpg(main, Signal::SIGTERM);
            asked = Some(Instant::now());
        }
        if asked.is_some_and(|since| since.elapsed() > GRACE) {
            break;
        }
        std::thread::sleep(LOOK);
    }
    let hunt = Instant::now();
    while reap(main, &mut ended) && hunt.elapsed() < HUNT {
        if ended.is_none() {
            let _ = killpg(main, Signal::SIGKILL);
        }
        for pid in descendants(getpid().as_raw()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(LOOK);
    }
    Ok(ended.unwrap_or(SIGNALLED + Signal::SIGKILL as i32))
}

/// Orphans below this process become its children.
#[cfg(target_os = "linux")]
fn adopt() -> nix::Result<()> {
    nix::sys::prctl::set_child_subreaper(true)
}

/// Other systems know no such thing: what leaves the program's process group is not found there.
#[cfg(not(target_os = "linux"))]
fn adopt() -> nix::Result<()> {
    Ok(())
}

/// Waits for children that have ended, and notes how `main` did; whether there are others.
fn reap(main: Pid, ended: &mut Option<i32>) -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == main => *ended = Some(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => *ended = Some(SIGNALLED + signal as i32),
            Ok(WaitStatus::StillAlive) => return true,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Processes below `root`, as far as `/proc` shows them.
fn descendants(root: i32) -> Vec<i32> {
    let mut parents: Vec<(i32, i32)> = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        parents.extend(parent_in(&stat).map(|parent| (pid, parent)));
    }
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// The parent in a line of `/proc/<pid>/stat`: `pid (name) state parent ...`; the name may hold anything.
fn parent_in(stat: &str) -> Option<i32> {
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_of_processes_with_odd_names() {
        assert_eq!(parent_in("12 (sh) S 7 12 12"), Some(7));
        assert_eq!(parent_in("12 (a) b) (c) R 8 1"), Some(8));
        assert_eq!(parent_in("12 (sh"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_is_found() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let found = descendants(getpid().as_raw());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&child.id().cast_signed()), "{found:?}");
    }
}
