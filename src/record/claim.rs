//! A claim keeps two processes from working on the same run.
//!
//! The file `claim` names its holder; a thread renews its modification time. A claim is stale when that time is old, or
//! when its holder ran on this host and is gone: `kill -9` needs no waiting. Taking over happens under a file lock, so
//! only one of two finders gets it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

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
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {} since {}", self.pid, self.host, self.since)
    }
}

/// A held claim; released when dropped.
pub struct Claim {
    path: PathBuf,
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
        let me = Holder { pid: std::process::id(), host: host(), since: timestamp() };
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Ok(Err(me)), // file system without locks
            Err(e) => return Err(Error::io(path)(e)),
        }
        atomic::write_json(path, &me)?;
        let (stop, stopped) = channel::<()>();
        let beat = path.to_path_buf();
        let heartbeat = std::thread::spawn(move || {
            while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                let _ = OpenOptions::new().write(true).open(&beat).and_then(|f| f.set_modified(SystemTime::now()));
            }
        });
        Ok(Ok(Self { path: path.to_path_buf(), stop: Some(stop), heartbeat: Some(heartbeat) }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.heartbeat.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Who holds the claim at `path` now; `None` when nobody does or the claim is stale.
#[must_use]
pub fn holder(path: &Path) -> Option<Holder> {
    let modified = std::fs::metadata(path).and_then(|m| m.modified()).ok()?;
    if SystemTime::now().duration_since(modified).is_ok_and(|age| age > STALE) {
        return None;
    }
    let unknown = || Holder { pid: 0, host: "an unknown host".into(), since: "just now".into() };
    let holder: Holder = atomic::read_json(path).unwrap_or_else(|_| unknown());
    let gone =
        holder.host == host() && cfg!(target_os = "linux") && !Path::new(&format!("/proc/{}", holder.pid)).exists();
    (!gone).then_some(holder)
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

    #[test]
    fn only_one_of_many_gets_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("claim");
        for round in 0..10 {
            if round % 2 == 1 {
                // Left by a process that is gone: everybody finds it stale.
                let dead = Holder { pid: u32::MAX, host: host(), since: timestamp() };
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
        let other = Holder { pid: 1, host: "elsewhere".into(), since: timestamp() };
        atomic::write_json(&path, &other).unwrap();
        assert_eq!(Claim::take(&path).unwrap().err(), Some(other));
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - STALE - Duration::from_secs(1)).unwrap();
        assert!(Claim::take(&path).unwrap().is_ok());
    }
}
