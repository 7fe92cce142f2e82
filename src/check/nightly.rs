//! A check from beginning to end.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::bundle::{Bundle, copy_references};
use super::session;
use super::verdict::Past;
use super::{cells, probe, verdict};
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::exec;
use crate::record::{Results, atomic};

/// How to check.
pub struct Options {
    /// Folder of the accepted bundle.
    pub accepted: PathBuf,
    /// How to sweep.
    pub sweep: exec::Options,
    /// Nights whose runs are kept.
    pub keep: usize,
}

/// Runs the experiment in a folder of its own and compares it with the accepted bundle. Gives that folder, and what was
/// found; an interrupted check goes on where it was.
///
/// # Errors
/// [`Error::Interrupted`]; a full disk and the like; a bundle that cannot be read. Failed cells are no errors: they are found.
pub fn check(experiment: &Experiment, results: &Path, options: &Options) -> Result<(PathBuf, Past)> {
    let bundle = Bundle::read(&options.accepted)?;
    let checks = Results(results).checks(&experiment.name);
    let (past, damaged) = session::past(&checks)?;
    let night = session::open(&checks)?;
    copy_references(experiment, &options.accepted, &night)?;
    match exec::sweep(experiment, &night, &options.sweep)?.error {
        None | Some(Error::RunsFailed(_)) => {}
        Some(e) => return Err(e),
    }
    let tonight = cells::gather(experiment, &night)?;
    let probes = probes(experiment, &options.accepted, bundle.as_ref())?;
    let mut report = verdict::judge(bundle.as_ref(), &tonight, probes, &past);
    report.warnings.extend(damaged);
    let found = Past {
        time: session::began(&night)?,
        code: tonight.code.digest.clone(),
        revision: tonight.code.revision.clone(),
        cpu: tonight.env.cpu.clone(),
        accepted: bundle.map(|b| b.accepted.time),
        report,
    };
    atomic::write_json(&night.join("verdict.json"), &found)?;
    session::prune(&checks, options.keep)?;
    Ok((night, found))
}

/// Computes the probes of all systems that are what they were when the bundle was accepted.
fn probes(experiment: &Experiment, accepted: &Path, bundle: Option<&Bundle>) -> Result<Vec<probe::Outcome>> {
    let Some(bundle) = bundle else { return Ok(Vec::new()) };
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for cell in &experiment.cells {
        let spec = crate::identity::spec_digest(&cell.run);
        let known = bundle.side.specs.contains_key(&spec);
        if let (true, Some(file)) = (known, bundle.probes.get(&cell.system))
            && seen.insert(&cell.system)
        {
            out.push(probe::compare(&cell.system, &cell.run.system, &accepted.join(file))?);
        }
    }
    Ok(out)
}
