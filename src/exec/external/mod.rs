//! Somebody else's sampler: a program that gets a job file and leaves samples.
//!
//! ```text
//! <run folder>/command.log          what it wrote on stderr (and on stdout, with protocol `files`)
//! <run folder>.external/            its own, beside the run folder; removed once the samples are taken over
//!   job.json                        what is asked: see `job`; its path is the program's last argument
//!   system.xml, system.pdb          the molecule (none for clusters)
//!   start.npz                       `positions [1, atoms, 3]` to start from, `masses [atoms]`
//!   samples.npz                     the answer: `positions [n, atoms, 3]`, optional `log_weight [n]`, `parents [n]`
//!   counts.json                     the answer, with protocol `files`: `{"sampling": 12345}`
//!   work/                           its own; shared npz batches, with protocol `pipe`
//! ```
//!
//! | file | its job |
//! |---|---|
//! | `job` | the files that the program gets |
//! | `process` | the process: lines without blocking, an end to it in every case |
//! | `guard` | the process between: parent of all that the program starts |
//! | `watch` | a look at its folder: deleted, or filled |
//! | `run_files` | what must not change beside it: the files of the run |
//! | `messages` | what it may say on stdout, and the answers: line-delimited JSON |
//! | `answer` | its samples and counts, checked |
//!
//! It gets the environment variables of [`crate::identity::passed`] and no others. Its stdin stays open as long as this process lives. It cannot be continued from the middle: an interrupted run begins
//! anew, with fresh counts.

mod answer;
#[cfg(unix)]
mod guard;
mod job;
mod messages;
mod process;
mod run_files;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::job::Job;
use self::messages::Message;
use self::process::{Heard, Process};
use self::run_files::RunFiles;
use self::watch::Watch;
use super::work::Work;
use crate::config::Cell;
use crate::energy::{Counts, Metered};
use crate::error::{Error, Result};
use crate::samplers::{BUDGET_ENDED, Progress, Samples};
use crate::spec::{ExternalSpec, Protocol};
use crate::systems::System;

#[cfg(unix)]
pub use guard::supervise;

/// The folder in which the program of a run works: beside the run folder, not in it.
pub(super) fn work_folder(run: &Path) -> PathBuf {
    run.with_added_extension("external")
}

/// Longest stay in one step: signals are looked at in between.
const STEP: Duration = Duration::from_millis(250);

/// A program at work.
pub(super) struct External {
    system: Arc<System>,
    spec: ExternalSpec,
    energy: Metered,
    job: Job,
    process: Process,
    watch: Watch,
    run: RunFiles,
    progress: Progress,
    /// The budget refused it something, or it says that it ends with it.
    spent: bool,
    /// The answer, once it is there: samples and (with protocol `files`) counts.
    answer: Option<(Samples, Option<Counts>)>,
}

impl External {
    /// Writes the job into the program's folder and starts the program.
    ///
    /// # Errors
    /// [`Error::Digest`] when the program's files are not those of the spec, [`Error::Command`] when it cannot be started.
    pub(super) fn begin(cell: &Cell, spec: &ExternalSpec, system: System, run: &Path) -> Result<Self> {
        let folder = Path::new(&spec.folder);
        let found = crate::config::baseline::digest(folder)?;
        if found != spec.files {
            let message = format!(
                "the files of `{}` are not those that were asked for: SHA-256 {found}, expected {}; run the sweep again \
                 to take them as they are",
                spec.name, spec.files
            );
            return Err(Error::digest(folder, message));
        }
        let system = Arc::new(system);
        let job = Job::write(&work_folder(run), cell, spec, &system)?;
        let files = RunFiles::begin(run)?;
        let process = Process::start(spec, &job.file, &run.join("command.log"))?;
        let needed = vec![job.file.clone(), job.work.clone()];
        let watch = Watch::new(&work_folder(run), needed, spec.disk.saturating_mul(1 << 20));
        let phase = format!("{} running", spec.name);
        Ok(Self {
            energy: Metered::new(crate::device::potential(&system.potential())?, spec.budget),
            system,
            spec: spec.clone(),
            job,
            process,
            watch,
            run: files,
            progress: Progress { total: 1, phase, ..Progress::default() },
            spent: false,
            answer: None,
        })
    }

    /// Takes one line of stdout.
    fn line(&mut self, text: &str) -> Result<Option<Progress>> {
        let message = match (Message::parse(text), self.spec.protocol) {
            (Ok(message), _) => message,
            (Err(_), Protocol::Files) => return Ok(None), // chatter; it is in the log
            (Err(e), Protocol::Pipe) => return Err(self.broken(&format!("wrote {e}"))),
        };
        match message {
            Message::Energy(request) => {
                if self.spec.protocol == Protocol::Files {
                    return Err(self.broken("asked for energies, but its baseline.toml says `protocol = \"files\"`"));
                }
                let reply = request.answer(&mut self.energy, self.system.atoms, &self.job.work);
                let (line, refused) = reply.map_err(|e| self.broken(&format!("asked for energies: {e}")))?;
                self.spent |= refused;
                self.process.write(line);
                Ok(None)
            }
            Message::BudgetSpent if self.spec.budget.is_none() => {
                Err(self.broken("says that its budget is spent, but it has none"))
            }
            Message::BudgetSpent => {
                self.spent = true;
                Ok(None)
            }
            Message::Progress { done, total, phase, scalars } => {
                let phase = if phase.is_empty() { self.progress.phase.clone() } else { phase };
                self.progress = Progress { done, total: total.max(1), phase, ..Progress::default() };
                Ok(Some(Progress { scalars: scalars.into_iter().collect(), ..self.progress.clone() }))
            }
        }
    }

    /// An error that names the program and shows the end of its log.
    fn broken(&self, what: &str) -> Error {
        Error::Command(format!("`{}` {what}{}", self.spec.name, self.process.last_words()))
    }

    /// The program ended: its answer, or why there is none.
    fn ended(&mut self, status: std::process::ExitStatus) -> Result<Progress> {
        if !status.success() {
            return Err(self.broken(&format!("ended with {status}")));
        }
        if let Some(touched) = self.run.restore()? {
            return Err(self.broken(&format!("wrote into the folder of the run: {touched}")));
        }
        let answer = answer::read(&self.job, &self.spec, &self.system);
        let answer = answer.map_err(|e| self.broken(&format!("ended, but its answer is unusable: {e}")))?;
        let (made, asked) = (answer.0["positions"].shape[0], self.spec.samples);
        if made < asked && !self.spent {
            let remedy = "it writes {\"type\": \"budget-spent\"} on stdout where its budget ends it";
            return Err(self.broken(&format!("ended with {made} of {asked} samples; {remedy}")));
        }
        self.answer = Some(answer);
        self.job.remove()?;
        Ok(Progress { finished: true, ..self.progress.clone() })
    }

    /// Listens for a while.
    fn listen(&mut self) -> Result<Progress> {
        let until = Instant::now() + STEP;
        loop {
            match self.process.hear(until)? {
                Heard::Line(text) => {
                    if let Some(progress) = self.line(&text)? {
                        return Ok(progress);
                    }
                }
                Heard::End(status) => return self.ended(status),
                Heard::Nothing if self.process.silence() > Duration::from_secs(self.spec.timeout) => {
                    let what = format!("said nothing for {} s (`timeout`), and was ended", self.spec.timeout);
                    return Err(self.broken(&what));
                }
                Heard::Nothing => {}
            }
            if let Some(complaint) = self.watch.complaint() {
                return Err(self.broken(&format!("{complaint}; it was ended")));
            }
            if Instant::now() >= until {
                return Ok(self.progress.clone());
            }
        }
    }
}

impl Work for External {
    fn step(&mut self) -> Result<Progress> {
        let heard = self.listen();
        if heard.is_err() {
            // Whatever it forged must not outlive the failure that is recorded now.
            self.process.end();
            self.run.restore()?;
        }
        heard
    }

    fn counts(&self) -> Counts {
        match &self.answer {
            Some((_, Some(reported))) => reported.clone(),
            _ => self.energy.counts().clone(),
        }
    }

    fn samples(&self) -> Result<Samples> {
        let unfinished = || Error::Internal(format!("`{}` has not ended", self.spec.name));
        self.answer.as_ref().map(|(samples, _)| samples.clone()).ok_or_else(unfinished)
    }

    fn shortfall(&self) -> Option<String> {
        self.spent.then(|| BUDGET_ENDED.into())
    }
}
