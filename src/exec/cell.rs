//! One cell, from claim to metrics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::harvest;
use super::planned::{Asked, Planned, judged, labels, partial};
use super::progress::Show;
use super::science::Science;
use super::work::Work;
use crate::array::{read_npz, write_npz, write_safetensors};
use crate::device;
use crate::error::{Error, Result};
use crate::identity;
use crate::plan::Action;
use crate::record::{
    Claim, Evaluation, EventLog, Failure, Kind, Provenance, Request, RunDir, Session, Status, atomic, checkpoint,
    evaluation, events, manifest, populations, timestamp,
};
use crate::samplers::{Population, Progress};

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing was to be done.
    Done,
    /// It ran and was evaluated.
    Ran,
    /// The same, with fewer samples than were asked for.
    Partial {
        /// Why.
        message: String,
    },
    /// It was only evaluated.
    Evaluated,
    /// Somebody else works on it.
    Skipped,
    /// It failed; the reason is recorded.
    Failed {
        /// Why.
        message: String,
    },
    /// It stopped at a checkpoint.
    Interrupted,
    /// The harness could not go on; nothing is lost.
    Broken {
        /// Why.
        message: String,
    },
}

/// What a cell needs from its sweep.
pub(super) struct Shop<'a> {
    pub science: &'a dyn Science,
    pub results: &'a Path,
    pub experiment: &'a str,
    pub checkpoint_every: Duration,
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// A line for people.
    pub note: &'a (dyn Fn(&str) + Sync),
    /// Told when work on a run begins: its claim is held, and its `spec.json` is there.
    pub begun: &'a (dyn Fn(&RunDir) -> Result<()> + Sync),
    /// The reference may still have to be made, or waited for, when the samples are there.
    pub late_reference: bool,
}

/// Does what was planned. Failures of the science come back as [`Outcome::Failed`].
///
/// # Errors
/// When the harness itself cannot go on: files that cannot be written, a checkpoint with a wrong digest.
pub(super) fn work(shop: &Shop<'_>, planned: &Planned, show: &mut Show<'_>) -> Result<Outcome> {
    match planned.action {
        Action::Done => return Ok(Outcome::Done),
        Action::Skip => return Ok(Outcome::Skipped),
        Action::Evaluate | Action::Resume | Action::Run => {}
    }
    let run = &planned.run;
    run.create()?;
    let Ok(claim) = run.claim()? else { return Ok(Outcome::Skipped) };
    let mut outcome = Outcome::Evaluated;
    match run.status() {
        Status::Failed | Status::Damaged => return Ok(Outcome::Skipped), // another sweep was faster, and failed
        Status::Complete | Status::Partial => {
            if judged(run, &planned.asked.yardstick, planned.cell.seed).is_some() {
                return Ok(Outcome::Done);
            }
            (shop.begun)(run)?;
        }
        // Killed with only its manifest left to write: all artifacts are durable before the log says so. Its work is not
        // done twice.
        Status::Claimed | Status::Interrupted if events::finished(&run.file("events.jsonl"))?.is_some() => {
            seal(run)?;
            outcome = ran(run);
        }
        Status::Claimed | Status::Interrupted => {
            let attempt = Attempt::begin(shop, planned, &claim)?;
            (shop.begun)(run)?;
            match attempt.sample(shop, planned, show)? {
                made @ (Outcome::Ran | Outcome::Partial { .. }) => outcome = made,
                ended => return Ok(ended),
            }
        }
    }
    if shop.late_reference {
        match guarded(|| shop.science.reference(shop.results, &planned.cell, show, shop.stop)) {
            Err(Error::Interrupted) => return Ok(Outcome::Interrupted),
            made => made?,
        }
    }
    show(&Progress { done: 1, total: 1, phase: "metrics".into(), ..Progress::default() });
    match evaluate(shop, planned) {
        Ok(()) => Ok(outcome),
        Err(Error::Interrupted) => Ok(Outcome::Interrupted),
        Err(e @ (Error::Io { .. } | Error::Digest { .. })) => Err(e),
        Err(e) => Ok(Outcome::Failed { message: format!("evaluation: {e}") }),
    }
}

/// How a run ended that is committed.
fn ran(run: &RunDir) -> Outcome {
    partial(run).map_or(Outcome::Ran, |message| Outcome::Partial { message })
}

/// Commits a run whose artifacts are all there.
fn seal(run: &RunDir) -> Result<()> {
    manifest::write(&run.path)?;
    checkpoint::remove(&run.checkpoints())
}

/// Judges the samples of a committed run, after checking that they are what was committed. Other evaluations stay.
fn evaluate(shop: &Shop<'_>, planned: &Planned) -> Result<()> {
    let (run, cell) = (&planned.run, &planned.cell);
    manifest::verify_some(&run.path, |name| !evaluation::is_name(name) && name != evaluation::LEGACY)?;
    let samples = read_npz(run.file("samples.npz"))?;
    let judged = guarded(|| shop.science.judge(shop.results, cell, &run.path, samples))?;
    // The reference may have been made meanwhile: what is written down is the one that is there now.
    let yardstick = Asked::of(shop.results, cell)?.yardstick;
    let evaluation = Evaluation {
        metrics: judged.metrics,
        reweighted: judged.reweighted,
        curve: judged.curve,
        ..Evaluation::new(&yardstick, cell.seed, &cell.eval)
    };
    evaluation::keep(run, &evaluation)
}

/// This process's part of a run.
struct Attempt<'a> {
    claim: &'a Claim,
    began: Instant,
    /// Time that the sampler had.
    sampling: Duration,
    events: EventLog,
    provenance: Provenance,
}

impl<'a> Attempt<'a> {
    fn begin(shop: &Shop<'_>, planned: &Planned, claim: &'a Claim) -> Result<Self> {
        let (run, cell) = (&planned.run, &planned.cell);
        let request = run.file("spec.json");
        if !request.exists() {
            let labels = labels(shop.experiment, cell);
            let spec_digest = planned.asked.spec_digest.clone();
            atomic::write_json(&request, &Request { spec_digest, seed: cell.seed, labels, spec: cell.run.clone() })?;
        }
        let json = |value: serde_json::Result<_>| value.map_err(|e| Error::Internal(format!("provenance: {e}")));
        let code = identity::code();
        let mut provenance = match atomic::read_json::<Provenance>(&run.file("provenance.json")) {
            Ok(provenance) => provenance,
            Err(_) => {
                let env = identity::env();
                Provenance {
                    spec_digest: planned.asked.spec_digest.clone(),
                    code_digest: code.digest.clone(),
                    sampling_digest: code.sampling.clone(),
                    evaluation_digest: code.evaluation.clone(),
                    env_digest: env.digest.clone(),
                    code: json(serde_json::to_value(code))?,
                    env: json(serde_json::to_value(&env))?,
                    sessions: Vec::new(),
                }
            }
        };
        provenance.sessions.push(Session {
            code_digest: code.digest.clone(),
            start: timestamp(),
            end: None,
            wall_seconds: 0.0,
            recording_seconds: None,
            device: device::name().map(str::to_owned),
        });
        let events = EventLog::open(&run.file("events.jsonl"))?;
        let session = Self { claim, began: Instant::now(), sampling: Duration::ZERO, events, provenance };
        atomic::write_json(&run.file("provenance.json"), &session.provenance)?;
        Ok(session)
    }

    /// Steps until finished, stopped or failed.
    fn sample(mut self, shop: &Shop<'_>, planned: &Planned, show: &mut Show<'_>) -> Result<Outcome> {
        let run = &planned.run;
        let found = checkpoint::load(&run.checkpoints())?;
        let mut step = found.as_ref().map_or(0, |c| c.step);
        for message in found.iter().flat_map(|c| c.warnings.clone()) {
            (shop.note)(&format!("{}: {message}", run.id));
            self.events.append(Kind::Warning { message })?;
        }
        self.events.append(Kind::Started { step })?;
        let started = self.timed(|| {
            let mut work = shop.science.start(&planned.cell, &run.path)?;
            if let Some(found) = &found {
                work.restore(&found.state, found.counts.clone())?;
            }
            Ok(work)
        });
        let mut work = match started {
            Ok(work) => work,
            Err(e) => return self.fail(run, &e),
        };
        let (mut saved, mut pause) = (Instant::now(), shop.checkpoint_every);
        let mut spent = None;
        loop {
            if self.claim.is_lost() {
                return Ok(Outcome::Skipped);
            }
            if (shop.stop)() {
                if !self.claim.is_held() {
                    return Ok(Outcome::Skipped);
                }
                self.save(run, step, work.as_ref())?;
                self.events.append(Kind::Interrupted { step })?;
                self.end(run)?;
                return Ok(Outcome::Interrupted);
            }
            match self.timed(|| work.step()) {
                Ok(mut progress) => {
                    step += 1;
                    progress.evaluations = work.counts().charged();
                    show(&progress);
                    for message in device::notes() {
                        (shop.note)(&format!("{}: {message}", run.id));
                        self.events.append(Kind::Warning { message })?;
                    }
                    if !progress.scalars.is_empty() {
                        let finite = |(name, x): &(String, f64)| (name.clone(), x.is_finite().then_some(*x));
                        let values = progress.scalars.iter().map(finite).collect();
                        self.events.append(Kind::Scalars { step, phase: progress.phase, values })?;
                    }
                    if let Some(Population { temperature, positions }) = progress.population {
                        let evaluations = progress.evaluations;
                        populations::keep(&run.path, step, positions)?;
                        self.events.append(Kind::Population { step, temperature, evaluations })?;
                    }
                    if progress.finished {
                        break;
                    }
                }
                Err(Error::BudgetSpent { budget }) if guarded(|| work.samples()).is_ok() => {
                    self.events.append(Kind::BudgetSpent { step, budget })?;
                    spent = Some(format!("the energy budget of {budget} evaluations ended it"));
                    break;
                }
                Err(e) => return self.fail(run, &e),
            }
            if saved.elapsed() >= pause {
                if !self.claim.is_held() {
                    return Ok(Outcome::Skipped);
                }
                let began = Instant::now();
                self.save(run, step, work.as_ref())?;
                saved = Instant::now();
                pause = pause_after(saved - began, shop.checkpoint_every);
            }
        }
        self.commit(planned, step, work.as_ref(), spent)
    }

    /// Calls the science, and counts the time as its own.
    fn timed<T>(&mut self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        let began = Instant::now();
        let done = guarded(call);
        self.sampling += began.elapsed();
        done
    }

    fn save(&mut self, run: &RunDir, step: u64, work: &dyn Work) -> Result<()> {
        if let Some(state) = work.state()? {
            let slot = checkpoint::save(&run.checkpoints(), step, &work.counts(), &state)?;
            self.events.append(Kind::Checkpoint { step, slot: slot.to_owned() })?;
            self.events.sync()?;
        }
        self.time(run, None)
    }

    /// Artifacts, then the manifest: from there on the run is complete.
    fn commit(mut self, planned: &Planned, step: u64, work: &dyn Work, spent: Option<String>) -> Result<Outcome> {
        let run = &planned.run;
        if !self.claim.is_held() {
            return Ok(Outcome::Skipped);
        }
        let checked = self.timed(|| {
            let samples = work.samples()?;
            let partial = match planned.cell.run.sampler.samples() {
                Some(asked) => harvest::check(asked, &samples, spent.or_else(|| work.shortfall()))?,
                None => None, // samples of others are as many, and as good, as they are
            };
            Ok((samples, partial))
        });
        let (samples, partial) = match checked {
            Ok(checked) => checked,
            Err(e) => return self.fail(run, &e),
        };
        write_npz(run.file("samples.npz"), &samples)?;
        if let Some(weights) = work.weights() {
            write_safetensors(run.file("weights.safetensors"), &weights)?;
        }
        let path = run.file("partial.json");
        match partial {
            Some(partial) => atomic::write_json(&path, &partial)?,
            // A process that began from nothing may have been killed here before this one did.
            None if path.exists() => std::fs::remove_file(&path).map_err(Error::io(&path))?,
            None => {}
        }
        let counts = work.counts();
        atomic::write_json(&run.file("counts.json"), &counts)?;
        let made = samples.get("positions").map(|x| x.shape[0] as u64);
        self.events.append(Kind::Finished { step, counts, samples: made })?;
        self.end(run)?;
        seal(run)?;
        Ok(ran(run))
    }

    fn fail(mut self, run: &RunDir, error: &Error) -> Result<Outcome> {
        if !self.claim.is_held() {
            return Ok(Outcome::Skipped);
        }
        let message = error.to_string();
        self.events.append(Kind::Failed { reason: message.clone() })?;
        self.end(run)?;
        let failure = Failure { reason: message.clone(), time: timestamp() };
        atomic::write_json(&run.file("failure.json"), &failure)?;
        Ok(Outcome::Failed { message })
    }

    fn end(&mut self, run: &RunDir) -> Result<()> {
        self.events.sync()?;
        self.time(run, Some(timestamp()))
    }

    fn time(&mut self, run: &RunDir, end: Option<String>) -> Result<()> {
        if let Some(session) = self.provenance.sessions.last_mut() {
            session.wall_seconds = self.began.elapsed().as_secs_f64();
            session.recording_seconds = Some((session.wall_seconds - self.sampling.as_secs_f64()).max(0.0));
            session.end = end;
        }
        atomic::write_json(&run.file("provenance.json"), &self.provenance)
    }
}

/// How long to work until the next checkpoint when one took `cost`: checkpoints should take half a percent of a run's time, but at most
/// four times as much work is at risk as was asked for.
fn pause_after(cost: Duration, asked: Duration) -> Duration {
    cost.saturating_mul(200).clamp(asked, asked.saturating_mul(4))
}

/// Calls the science; a panic there becomes an error.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|payload| Err(Error::Internal(format!("panic: {}", panic_text(payload.as_ref())))))
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dear_checkpoints_are_rarer() {
        let seconds = Duration::from_secs_f64;
        assert_eq!(pause_after(seconds(0.1), seconds(30.0)), seconds(30.0));
        assert_eq!(pause_after(seconds(0.4), seconds(30.0)), seconds(80.0));
        assert_eq!(pause_after(seconds(9.0), seconds(30.0)), seconds(120.0));
        assert_eq!(pause_after(seconds(9.0), Duration::ZERO), Duration::ZERO);
        assert_eq!(pause_after(seconds(9.0), Duration::MAX), Duration::MAX);
    }
}
