//! All cells of an experiment.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde::Serialize;

use super::cell::{Outcome, Shop, guarded, work};
use super::forecast::{self, Forecast, Machine, ReferenceReport};
use super::planned::{Asked, Planned, labels, plan_asked};
use super::progress::Screen;
use super::schedule::{Schedule, schedule};
use super::science::{Builtin, Science};
use super::wait::{self, Ended};
use super::{given, signals};
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::plan::{Action, Flags};
use crate::{device, identity, record, stop, store, text};

/// How to sweep.
#[derive(Debug, Clone)]
pub struct Options {
    /// Cells at a time; without a number as many as there are cores, where memory allows.
    pub jobs: Option<usize>,
    /// Only plan.
    pub dry_run: bool,
    /// Stop everything at the first failure.
    pub fail_fast: bool,
    /// Refuse a build with uncommitted changes.
    pub require_clean: bool,
    /// Judge complete runs, and run nothing.
    pub only_evaluate: bool,
    /// What to run again.
    pub flags: Flags,
    /// Only these seeds; all when absent.
    pub seeds: Option<Vec<u64>>,
    /// Time between checkpoints.
    pub checkpoint_every: Duration,
    /// Wait for cells that other processes work on, and take over those whose process died.
    pub wait: bool,
    /// Tags that every run of the sweep gets.
    pub tags: Vec<String>,
    /// Nothing on stderr.
    pub quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            jobs: None,
            dry_run: false,
            fail_fast: false,
            require_clean: false,
            only_evaluate: false,
            flags: Flags::default(),
            seeds: None,
            checkpoint_every: Duration::from_secs(30),
            wait: true,
            tags: Vec::new(),
            quiet: false,
        }
    }
}

/// One cell of a sweep: what was planned and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellReport {
    /// Run id.
    pub run: String,
    /// The same, as it was called first.
    pub id: String,
    /// System.
    pub system: String,
    /// Sampler's label with swept settings.
    pub label: String,
    /// Seed.
    pub seed: u64,
    /// What was planned.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// What running it costs.
    pub forecast: Forecast,
    /// How it ended; absent in a dry run and for cells that were not reached.
    #[serde(flatten)]
    pub outcome: Option<Outcome>,
    /// Seconds in this sweep.
    pub seconds: f64,
}

/// What a sweep did.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Every cell, in the experiment's order.
    pub cells: Vec<CellReport>,
    /// The references that they are judged by.
    pub references: Vec<ReferenceReport>,
    /// The error that the sweep ends with, if it was not a full success.
    #[serde(skip)]
    pub error: Option<Error>,
}

impl Summary {
    /// Number of cells whose outcome fulfils `is`.
    #[must_use]
    pub fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.cells.iter().filter(|c| c.outcome.as_ref().is_some_and(&is)).count()
    }

    /// Exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        self.error.as_ref().map_or(ExitCode::Ok, Error::exit_code)
    }
}

/// Sweeps with this crate's systems, samplers and metrics.
///
/// # Errors
/// When the sweep cannot begin; what goes wrong later is in the summary.
pub fn sweep(experiment: &Experiment, results: &Path, options: &Options) -> Result<Summary> {
    signals::listen();
    sweep_with(&Builtin, experiment, results, options, &stop::requested)
}

/// Sweeps with any science; `interrupted` asks for a resumable stop.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_with(
    science: &dyn Science,
    experiment: &Experiment,
    results: &Path,
    options: &Options,
    interrupted: &(dyn Fn() -> bool + Sync),
) -> Result<Summary> {
    check_clean(options)?;
    let planned = plan_all(experiment, results, options)?;
    let forecasts = forecast::cells(science, results, &planned)?;
    let needed = forecast::of_references(science, results, &planned)?;
    let machine = Machine::here(results);
    forecast::check(&planned, &forecasts, &needed, machine)?;
    let cells = planned.iter().zip(&forecasts).map(|(p, forecast)| report(p, *forecast)).collect();
    let mut summary = Summary { cells, references: needed, error: None };
    if options.dry_run {
        return Ok(summary);
    }
    let screen = Screen::new(options.quiet);
    let mut todo = to_do(&planned, options, &mut summary);
    let connection = match store::open(results) {
        Err(Error::Io { .. }) if todo.is_empty() => return Ok(summary), // done, in a folder that cannot be written
        opened => opened?,                                              // before hours of work, not after them
    };
    catch_up(&connection, &planned, &options.tags)?;
    let left_alone = planned.iter().any(|p| p.action == Action::Skip);
    if todo.is_empty() && !(options.wait && left_alone) {
        return Ok(summary);
    }
    record::code::remember(results)?;
    let database = Mutex::new(connection);
    match references(science, results, &todo, &planned, &screen, interrupted) {
        Ok(unusable) => leave_out(&mut summary, &mut todo, unusable),
        Err(e) => {
            summary.error = Some(e);
            return Ok(summary);
        }
    }

    let asked = options.jobs.or_else(|| device::name().map(|_| 1)); // cells would share the card's memory
    let Schedule { order, jobs, threads } = schedule(todo, &forecasts, asked, rayon::current_num_threads(), machine);
    // An evaluation alone takes next to nothing beside a run.
    let time = |i: usize| if planned[i].action == Action::Evaluate { Some(0.0) } else { forecasts[i].seconds };
    let expected: BTreeMap<&str, Option<f64>> =
        order.iter().map(|&i| (&*planned[i].asked.spec_digest, time(i))).collect();
    screen.expect(&order.iter().map(|&i| time(i)).collect::<Vec<_>>(), jobs);
    let stop = AtomicBool::new(false);
    let stopped = || interrupted() || stop.load(Ordering::SeqCst);
    let shop = Shop {
        science,
        results,
        experiment: &experiment.name,
        checkpoint_every: options.checkpoint_every,
        stop: &stopped,
        note: &|text| screen.note(text),
        begun: &|run| store::under_way(&lock(&database), run),
        late_reference: false,
    };
    let attend = |p: &Planned| {
        let began = Instant::now();
        let expected = expected.get(&*p.asked.spec_digest).copied().flatten();
        let bar = screen.begin(&name(p), expected);
        let mut outcome = guarded(|| work(&shop, p, &mut |progress| bar.show(progress)));
        drop(bar);
        if p.run.file("spec.json").exists() {
            let recorded = name_it(p, &options.tags).and_then(|_| store::ingest(&lock(&database), &p.run));
            if let Err(e) = recorded {
                outcome = outcome.and(Err(e));
            }
        }
        let failed = matches!(outcome, Ok(Outcome::Failed { .. }) | Err(_));
        if failed && options.fail_fast || matches!(outcome, Err(Error::Io { .. } | Error::Store(_))) {
            stop.store(true, Ordering::SeqCst);
        }
        let seconds = began.elapsed().as_secs_f64();
        screen.ended(expected, seconds, failed);
        Ended { outcome, seconds }
    };
    let next = AtomicUsize::new(0);
    let ended: Mutex<BTreeMap<usize, Ended>> = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                // Bits do not depend on the number of threads. Where no threads can be had, those of the process do.
                let own = rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok().filter(|_| jobs > 1);
                while let Some(&i) = order.get(next.fetch_add(1, Ordering::SeqCst))
                    && !stopped()
                {
                    let result =
                        own.as_ref().map_or_else(|| attend(&planned[i]), |p| p.install(|| attend(&planned[i])));
                    let mut ended = lock(&ended);
                    screen.note(&line(ended.len() + 1, order.len(), &planned[i], &result.outcome, result.seconds));
                    ended.insert(i, result);
                }
            });
        }
    });
    let mut ended = ended.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if options.wait {
        let elsewhere = |i: &usize| match ended.get(i) {
            Some(e) => matches!(e.outcome, Ok(Outcome::Skipped)),
            None => planned[*i].action == Action::Skip,
        };
        let pending: Vec<usize> = (0..planned.len()).filter(elsewhere).collect();
        let waited = wait::until_done(results, &planned, pending, &screen, &stopped, &attend);
        ended.extend(waited);
    }
    Ok(concluded(summary, ended, interrupted()))
}

/// The cells that need work; what becomes of the others is noted.
fn to_do(planned: &[Planned], options: &Options, summary: &mut Summary) -> Vec<usize> {
    let mut todo = Vec::new();
    for (i, p) in planned.iter().enumerate() {
        match p.action {
            Action::Done => summary.cells[i].outcome = Some(Outcome::Done),
            Action::Skip => summary.cells[i].outcome = Some(Outcome::Skipped),
            Action::Evaluate => todo.push(i),
            Action::Resume | Action::Run if !options.only_evaluate => todo.push(i),
            Action::Resume | Action::Run => {}
        }
    }
    todo
}

/// Rows of runs that are there: a sweep that was killed between a run's last file and its rows left them out.
fn catch_up(connection: &Connection, planned: &[Planned], tags: &[String]) -> Result<()> {
    let done = planned.iter().filter(|p| p.action == Action::Done).map(|p| (&p.run, p.evaluation.as_deref()));
    store::catch_up(connection, done)?;
    for p in planned.iter().filter(|p| p.action != Action::Run && p.run.file("spec.json").exists()) {
        if name_it(p, tags)? {
            store::ingest(connection, &p.run)?;
        }
    }
    Ok(())
}

/// Cells whose reference cannot be used are not run.
fn leave_out(summary: &mut Summary, todo: &mut Vec<usize>, unusable: Vec<(Vec<usize>, Error)>) {
    for (cells, e) in unusable {
        let message = e.to_string();
        todo.retain(|i| !cells.contains(i));
        for i in cells {
            summary.cells[i].outcome = Some(Outcome::Broken { message: message.clone() });
        }
        summary.error.get_or_insert(e);
    }
}

/// With how each cell ended, and what the sweep says as a whole.
fn concluded(mut summary: Summary, ended: BTreeMap<usize, Ended>, interrupted: bool) -> Summary {
    for (i, Ended { outcome, seconds }) in ended {
        summary.cells[i].seconds = seconds;
        summary.cells[i].outcome = Some(outcome.unwrap_or_else(|e| {
            let message = e.to_string();
            summary.error.get_or_insert(e);
            Outcome::Broken { message }
        }));
    }
    if summary.error.is_none() {
        summary.error = verdict(&summary, interrupted);
    }
    summary
}

/// Refuses a build with uncommitted changes where that was asked for.
///
/// # Errors
/// [`Error::Refused`].
pub(super) fn check_clean(options: &Options) -> Result<()> {
    if options.require_clean && identity::code().dirty != Some(false) {
        let what = if identity::code().dirty.is_some() {
            "this build contains uncommitted changes"
        } else {
            "this build does not know its git commit, so it may contain changes"
        };
        return Err(Error::Refused(format!("{what}; commit and build again, or leave out --require-clean")));
    }
    Ok(())
}

fn verdict(summary: &Summary, interrupted: bool) -> Option<Error> {
    let failed = summary.count(|o| matches!(o, Outcome::Failed { .. }));
    if interrupted {
        Some(Error::Interrupted)
    } else if failed > 0 {
        let unreached = summary.cells.iter().filter(|c| c.outcome.is_none()).count();
        let rest = if unreached > 0 { format!("; {unreached} not reached (--fail-fast)") } else { String::new() };
        Some(Error::RunsFailed(format!("{failed} of {} cells failed{rest}", summary.cells.len())))
    } else {
        None
    }
}

/// Plans every distinct cell of the chosen seeds.
pub(super) fn plan_all(experiment: &Experiment, results: &Path, options: &Options) -> Result<Vec<Planned>> {
    let mut planned: Vec<Planned> = Vec::new();
    let mut seen: BTreeMap<(String, u64), usize> = BTreeMap::new();
    // Cells of one spec lie together: what they ask for is worked out once for all their seeds.
    for cells in experiment.cells.chunk_by(|a, b| a.run == b.run && a.eval == b.eval) {
        let asked = Asked::of(results, &cells[0])?;
        for cell in cells.iter().filter(|cell| options.seeds.as_ref().is_none_or(|s| s.contains(&cell.seed))) {
            // Under two names it is one run.
            let at = *seen.entry((asked.spec_digest.clone(), cell.seed)).or_insert(planned.len());
            if at == planned.len() {
                planned.push(plan_asked(results, cell, &asked, options.flags)?);
            }
            planned[at].names.push(labels(&experiment.name, cell));
        }
    }
    given::say_what_changed(results, &mut planned)?;
    if planned.is_empty() {
        let asked = options.seeds.as_ref().map(|seeds| text::beginning(&format!("{seeds:?}")));
        let seeds = asked.map_or(String::new(), |seeds| format!(" with seeds {seeds}"));
        return Err(Error::NothingSelected(format!("{} has no cells{seeds}", experiment.path.display())));
    }
    Ok(planned)
}

/// Makes every distinct reference ensemble that is needed, one after the other: each uses all cores. Gives those
/// cells whose reference is damaged or cannot be made, with the reason; the others go on.
///
/// # Errors
/// [`Error::Interrupted`]; a folder that cannot be written.
fn references(
    science: &dyn Science,
    results: &Path,
    todo: &[usize],
    planned: &[Planned],
    screen: &Screen,
    interrupted: &dyn Fn() -> bool,
) -> Result<Vec<(Vec<usize>, Error)>> {
    let mut distinct: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for &i in todo {
        let cell = &planned[i].cell;
        distinct.entry(identity::reference_digest(&cell.run.system, &cell.eval.reference)).or_default().push(i);
    }
    let mut unusable = Vec::new();
    for cells in distinct.into_values() {
        let cell = &planned[cells[0]].cell;
        let bar = screen.begin(&format!("{} reference", cell.system), None);
        match guarded(|| science.reference(results, cell, &mut |progress| bar.show(progress), interrupted)) {
            Ok(()) => {}
            Err(e @ (Error::Io { .. } | Error::Interrupted)) => return Err(e),
            Err(e) => {
                screen.note(&format!("{} reference: {e}", cell.system));
                unusable.push((cells, e));
            }
        }
    }
    Ok(unusable)
}

/// Writes down that the experiment asked for the run, and its tags; says whether anything changed.
fn name_it(p: &Planned, tags: &[String]) -> Result<bool> {
    let mut changed = false;
    for labels in &p.names {
        changed |= p.run.join(labels)?;
    }
    if !tags.is_empty() {
        changed |= p.run.tags()? != p.run.tag(tags, &[])?;
    }
    Ok(changed)
}

fn report(p: &Planned, forecast: Forecast) -> CellReport {
    CellReport {
        run: p.run.id.to_string(),
        id: p.run.id.to_string(),
        system: p.cell.system.clone(),
        label: p.cell.row(),
        seed: p.cell.seed,
        action: p.action,
        reason: p.reason.clone(),
        forecast,
        outcome: None,
        seconds: 0.0,
    }
}

fn name(p: &Planned) -> String {
    format!("{} {} seed {}", p.cell.system, p.cell.row(), p.cell.seed)
}

fn line(n: usize, of: usize, p: &Planned, outcome: &Result<Outcome>, seconds: f64) -> String {
    let what = match outcome {
        Ok(Outcome::Done) => "already done".to_owned(),
        Ok(Outcome::Ran) => format!("complete in {seconds:.1} s"),
        Ok(Outcome::Partial { message }) => format!("partial in {seconds:.1} s: {message}"),
        Ok(Outcome::Evaluated) => format!("evaluated in {seconds:.1} s"),
        Ok(Outcome::Skipped) => "skipped: somebody else works on it".to_owned(),
        Ok(Outcome::Interrupted) => "interrupted; resumable".to_owned(),
        Ok(Outcome::Failed { message }) => format!("FAILED: {message}"),
        Ok(Outcome::Broken { message }) => format!("stopped: {message}"),
        Err(e) => format!("stopped: {e}"),
    };
    format!("[{n}/{of}] {} {}: {what}", p.run.id, name(p))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
