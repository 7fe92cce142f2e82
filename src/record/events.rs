//! `events.jsonl`: one JSON object per line, numbered, appended as a run goes.
//!
//! A line counts once its newline is on disk. A torn last line (crash, full disk) is skipped by readers and cut off by
//! the next writer; a malformed line anywhere else is an error.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{atomic, timestamp};
use crate::disk::{self, File};
use crate::energy::Counts;
use crate::error::{Error, Result};

/// Largest log that is read; a run of a million steps has a fifth of it.
const LARGEST: u64 = 1 << 30;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Number, from 0 without gaps.
    pub n: u64,
    /// When, RFC 3339.
    pub time: String,
    /// What.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Kind {
    /// Work began, from a checkpoint's step or from 0.
    Started {
        /// Steps already done.
        step: u64,
    },
    /// Numbers that the sampler wants recorded. After a resume a step may come twice, with the same numbers.
    Scalars {
        /// Steps done.
        step: u64,
        /// Phase of the sampler.
        phase: String,
        /// By name; `null` for a number that is not finite.
        values: BTreeMap<String, Option<f64>>,
    },
    /// Particles on their way to the target; some of them are in `populations.npz`. After a resume they may come twice.
    Population {
        /// Steps done.
        step: u64,
        /// Their temperature.
        temperature: f64,
        /// Charged energy evaluations so far.
        evaluations: u64,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Steps done.
        step: u64,
        /// Slot, `a` or `b`.
        slot: String,
    },
    /// Something worth knowing that stops nothing.
    Warning {
        /// Text.
        message: String,
    },
    /// The energy budget was spent; the samples so far are the result.
    BudgetSpent {
        /// Steps done.
        step: u64,
        /// The budget, in evaluations.
        budget: u64,
    },
    /// Stopped by a signal.
    Interrupted {
        /// Steps done.
        step: u64,
    },
    /// The run failed.
    Failed {
        /// Why.
        reason: String,
    },
    /// The samples are written.
    Finished {
        /// Steps done.
        step: u64,
        /// Evaluations by purpose.
        counts: Counts,
        /// Number of samples; absent in records of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        samples: Option<u64>,
    },
}

/// Appends to a log.
pub struct EventLog {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    whole: u64,
    next: u64,
}

impl EventLog {
    /// Opens a log for appending, or creates it; a torn last line is cut off first.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Data`] when a line other than the last is malformed.
    pub fn open(path: &Path) -> Result<Self> {
        let (events, whole) = parse(path)?;
        let file = disk::append(path).map_err(Error::io(path))?;
        if file.size().map_err(Error::io(path))? > whole {
            file.set_len(whole).map_err(Error::io(path))?;
        }
        Ok(Self { path: path.to_path_buf(), file, whole, next: events.last().map_or(0, |e| e.n + 1) })
    }

    /// Appends one event.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn append(&mut self, kind: Kind) -> Result<()> {
        let event = Event { n: self.next, time: timestamp(), kind };
        let mut line = serde_json::to_vec(&event).map_err(|e| Error::Internal(format!("event: {e}")))?;
        line.push(b'\n');
        if let Err(e) = self.file.write_all(&line) {
            let _ = self.file.set_len(self.whole); // half a line must not meet the next one
            return Err(Error::io(&self.path)(e));
        }
        self.whole += line.len() as u64;
        self.next += 1;
        Ok(())
    }

    /// Makes everything appended so far durable.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.file.sync().map_err(Error::io(&self.path))
    }
}

/// Reads a log; none is empty.
///
/// # Errors
/// [`Error::Io`], or [`Error::Data`] naming the malformed line.
pub fn read(path: &Path) -> Result<Vec<Event>> {
    Ok(parse(path)?.0)
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Evaluations by purpose.
    pub counts: Counts,
    /// Number of samples; absent in records of older versions.
    pub samples: Option<u64>,
}

/// How a log says that its run ended; `None` while it has not, or when it failed.
///
/// # Errors
/// As [`read`].
pub fn finished(path: &Path) -> Result<Option<Finished>> {
    Ok(read(path)?.into_iter().rev().find_map(|event| match event.kind {
        Kind::Finished { counts, samples, .. } => Some(Finished { counts, samples }),
        _ => None,
    }))
}

/// The whole events, and the bytes they take.
fn parse(path: &Path) -> Result<(Vec<Event>, u64)> {
    if path.exists() { decode(&atomic::read_bounded(path, LARGEST)?, path) } else { Ok((Vec::new(), 0)) }
}

/// The whole events among bytes, and how many bytes they take; `path` is for messages.
///
/// # Errors
/// [`Error::Data`] naming the malformed line.
pub fn decode(bytes: &[u8], path: &Path) -> Result<(Vec<Event>, u64)> {
    let (mut events, mut whole) = (Vec::new(), 0);
    while let Some(length) = bytes[whole..].iter().position(|&b| b == b'\n') {
        let end = whole + length + 1;
        match serde_json::from_slice::<Event>(&bytes[whole..end]) {
            Ok(event) => events.push(event),
            Err(_) if end == bytes.len() => break,
            Err(e) => return Err(Error::data(path, format!("line {} is not an event: {e}", events.len() + 1))),
        }
        whole = end;
    }
    Ok((events, whole as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalars(step: u64) -> Kind {
        let values = [("loss".to_owned(), Some(0.1)), ("ess".to_owned(), None)].into();
        Kind::Scalars { step, phase: "training".into(), values }
    }

    #[test]
    fn torn_at_every_byte_of_the_last_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut log = EventLog::open(&path).unwrap();
        for step in 0..3 {
            log.append(scalars(step)).unwrap();
        }
        let bytes = std::fs::read(&path).unwrap();
        let last = bytes[..bytes.len() - 1].iter().rposition(|&b| b == b'\n').unwrap() + 1;
        for cut in last..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert_eq!(read(&path).unwrap().len(), 2, "cut at {cut}");
            EventLog::open(&path).unwrap().append(scalars(9)).unwrap();
            let events = read(&path).unwrap();
            assert_eq!(events.iter().map(|e| e.n).collect::<Vec<_>>(), [0, 1, 2], "cut at {cut}");
            assert_eq!(events[2].kind, scalars(9));
        }
    }

    #[test]
    fn a_malformed_line_inside_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        EventLog::open(&path).unwrap().append(scalars(0)).unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{good}nonsense\n{good}")).unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
    }
}
