//! A claim keeps two processes from working on the same run.
//!
//! The file `claim` names its holder; a thread renews its modification time. A claim is stale when that time is old, or
//! when its holder ran on this host and is gone: `kill -9` needs no waiting. Taking over happens under a file lock, so
//! only one of two finders gets it. A holder that slept so long (a suspended machine, SIGSTOP) that somebody else took over
//! finds that out before it writes a checkpoint or a result: [`Claim::is_held`].

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{atomic, timestamp};
use crate::error::{Error, Result};

/// Age of the last heartbeat from which a claim is stale.
pub const STALE: Duration = Duration::from_secs(120);
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Who holds a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Host, with the namespace that the process id is valid in.
    pub host: String,
    /// Since when.
    pub since: String,
    /// Tells two claims by one process apart.
    #[serde(default)]
    pub token: u64,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {} since {}", self.pid, self.host, self.since)
    }
}

/// A held claim; released when dropped.
pub struct Claim {
    path: PathBuf,
    me: Holder,
    lost: Arc<AtomicBool>,
    stop: Option<Sender<()>>,
    heartbeat: Option<JoinHandle<()>>,
}

impl Claim {
    /// Takes the claim at `path`, or says who has it.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written.
    pub fn take(path: &Path) -> Result<std::result::Result<Self, Holder>> {
        let guard_path = path.with_added_extension("lock");
        let guard = File::create(&guard_path).map_err(Error::io(&guard_path))?;
        match guard.lock() {
            Err(e) if e.kind() != std::io::ErrorKind::Unsupported => return Err(Error::io(&guard_path)(e)),
            _ => {}
        }
        if let Some(holder) = holder(path) {
            return Ok(Err(holder));
        }
        if path.exists() {
            std::fs::remove_file(path).map_err(Error::io(path))?;
        }
        let me = Holder { pid: std::process::id(), host: host(), since: timestamp(), token: token() };
        if !publish(path, &me)? {
            return Ok(Err(holder(path).unwrap_or(me))); // a file system without locks: another one was faster
        }
        let (stop, stopped) = channel::<()>();
        let lost = Arc::new(AtomicBool::new(false));
        let (beat, mine, gone) = (path.to_path_buf(), me.clone(), Arc::clone(&lost));
        let heartbeat = std::thread::spawn(move || {
            while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                if !is_of(&beat, &mine) {
                    gone.store(true, Ordering::SeqCst);
                    return;
                }
                let _ = OpenOptions::new().write(true).open(&beat).and_then(|f| f.set_modified(SystemTime::now()));
            }
        });
        Ok(Ok(Self { path: path.to_path_buf(), me, lost, stop: Some(stop), heartbeat: Some(heartbeat) }))
    }

    /// Whether the claim is still ours, by its file. A file that cannot be read for another reason than that it is gone
    /// counts as ours: a hiccup of the network must not stop a run.
    #[must_use]
    pub fn is_held(&self) -> bool {
        if !is_of(&self.path, &self.me) {
            self.lost.store(true, Ordering::SeqCst);
        }
        !self.is_lost()
    }

    /// Whether the last heartbeat, or [`Claim::is_held`], found that somebody else took over. Costs nothing.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.heartbeat.take() {
            let _ = thread.join();
        }
        if self.is_held() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Makes the claim's file, with its content from the first moment on, unless there is one.
fn publish(path: &Path, me: &Holder) -> Result<bool> {
    let draft = path.with_added_extension(format!("{}-{}.tmp", me.pid, me.token));
    atomic::write_json(&draft, me)?;
    let linked = std::fs::hard_link(&draft, path);
    let made = match linked {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        // No hard links here: the lock is what keeps others away.
        Err(_) => atomic::write_json(path, me).map(|()| true),
        Ok(()) => Ok(true),
    };
    let _ = std::fs::remove_file(&draft);
    made
}

/// Whether the claim at `path` belongs to `holder`.
fn is_of(path: &Path, holder: &Holder) -> bool {
    match atomic::read_json::<Holder>(path) {
        Ok(found) => found == *holder,
        Err(Error::Io { source, .. }) => source.kind() != std::io::ErrorKind::NotFound,
        Err(_) => false,
    }
}

fn token() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    now.wrapping_add(COUNT.fetch_add(1, Ordering::SeqCst))
}

/// Who holds the claim at `path` now; `None` when nobody does or the claim is stale.
#[must_use]
pub fn holder(path: &Path) -> Option<Holder> {
    let modified = std::fs::metadata(path).and_then(|m| m.modified()).ok()?;
    if SystemTime::now().duration_since(modified).is_ok_and(|age| age > STALE) {
        return None;
    }
    let unknown = || Holder { pid: 0, host: "an unknown host".into(), since: "just now".into(), token: 0 };
    let holder: Holder = atomic::read_json(path).unwrap_or_else(|_| unknown());
    let gone = holder.host == host() && cfg!(target_os = "linux") && is_gone(holder.pid);
    (!gone).then_some(holder)
}

/// Whether no such process runs on this host. One that was killed but not yet waited for (a zombie) does not run.
fn is_gone(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Err(e) => e.kind() == std::io::ErrorKind::NotFound,
        // The state follows the program's name, which is in brackets and may hold anything.
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X'])),
    }
}

/// Host name and process-id namespace (containers share neither).
fn host() -> String {
    let read = |path| std::fs::read_to_string(path).map(|s| s.trim().to_owned()).ok();
    let name = read("/proc/sys/kernel/hostname").or_else(|| std::env::var("HOSTNAME").ok());
    let namespace = std::fs::read_link("/proc/self/ns/pid").map(|p| p.display().to_string()).unwrap_or_default();
    format!("{} {namespace}", name.unwrap_or_else(|| "localhost".into())).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if its holder had slept.
    fn grow_stale(path: &Path) {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - STALE - Duration::from_secs(1)).unwrap();
    }

    #[test]
    fn only_one_of_many_gets_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("claim");
        for round in 0..10 {
            if round % 2 == 1 {
                // Left by a process that is gone: everybody finds it stale.
                let dead = Holder { pid: u32::MAX, host: host(), since: timestamp(), token: 0 };
                atomic::write_json(&path, &dead).unwrap();
            }
            let claims: Vec<_> = std::thread::scope(|s| {
                let threads: Vec<_> = (0..8).map(|_| s.spawn(|| Claim::take(&path).unwrap())).collect();
                threads.into_iter().map(|t| t.join().unwrap()).collect()
            });
            assert_eq!(claims.iter().filter(|c| c.is_ok()).count(), 1, "round {round}");
            drop(claims);
            assert!(!path.exists());
        }
    }

    #[test]
    fn stale_by_age_and_alive_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("claim");
        let other = Holder { pid: 1, host: "elsewhere".into(), since: timestamp(), token: 7 };
        atomic::write_json(&path, &other).unwrap();
        assert_eq!(Claim::take(&path).unwrap().err(), Some(other));
        grow_stale(&path);
        assert!(Claim::take(&path).unwrap().is_ok());
    }

    #[test]
    fn zombies_are_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let begun = std::time::Instant::now();
        while !is_gone(child.id()) {
            assert!(begun.elapsed() < Duration::from_secs(30), "a finished process that nobody waited for");
            std::thread::sleep(Duration::from_millis(2));
        }
        child.wait().unwrap();
        assert!(is_gone(child.id()) && !is_gone(std::process::id()));
    }

    /// A holder that slept too long sees that another one took over, and leaves the other's claim alone.
    #[test]
    fn a_lost_claim_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("claim");
        let asleep = Claim::take(&path).unwrap().unwrap();
        assert!(asleep.is_held());
        grow_stale(&path);
        let awake = Claim::take(&path).unwrap().unwrap();
        assert!(awake.is_held() && !asleep.is_held() && asleep.is_lost());
        drop(asleep);
        assert!(awake.is_held() && path.exists());
        drop(awake);
        assert!(!path.exists());
    }
}
