//! Samples that somebody made elsewhere: read, checked against the digest that the experiment was planned with, taken over.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use super::planned::Planned;
use super::work::Work;
use crate::array::{Array, Input};
use crate::disk;
use crate::energy::{Counts, Purpose};
use crate::error::{Error, Result};
use crate::identity;
use crate::metrics::evaluate::energies;
use crate::plan::Action;
use crate::record::{self, Request, atomic};
use crate::samplers::{Progress, Samples};
use crate::spec::{SamplerSpec, SamplesSpec};
use crate::systems::{System, wholeness};

/// Arrays that are taken over; others are left.
const TAKEN: [&str; 3] = ["positions", "log_weight", "parents"];

/// A file of samples as the work of a run.
pub(super) struct Given {
    samples: Samples,
    counts: Counts,
}

impl Given {
    /// Reads the file. Frames that are not the molecule, or whose atoms lie on each other, are kept: evaluations leave them
    /// out and count them.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not there, [`Error::Digest`] when it has changed, and those of [`Input::samples`].
    pub(super) fn read(spec: &SamplesSpec, system: &System) -> Result<Self> {
        let path = Path::new(&spec.path);
        let bytes = disk::read(path, u64::MAX).map_err(Error::io(path))?;
        let found = identity::sha256_hex(&bytes);
        if found != spec.file {
            let message = format!(
                "has changed since the experiment file was read (SHA-256 {:.16}.., then {:.16}..); run the same command again",
                found, spec.file
            );
            return Err(Error::digest(path, message));
        }
        let input = Input::decode(Cursor::new(bytes), path, "positions")?;
        input.weights(input.positions(system.atoms)?.len() / (3 * system.atoms))?; // weights that are none are refused
        let (mut samples, _) = input.samples(system.atoms)?;
        let mut positions = samples["positions"].to_f64();
        if let Some(topology) = &system.topology {
            wholeness::by_box(topology, &samples, &mut positions);
        }
        let n = positions.len() / (3 * system.atoms);
        samples.retain(|name, _| TAKEN.contains(&name.as_str()));
        samples.insert("energy".into(), Array::f64(&[n], energies(system, &positions)));
        samples.insert("positions".into(), Array::f64(&[n, system.atoms, 3], positions));
        let counts = spec.evaluations.map(|n| (Purpose::Sampling, n)).into_iter().collect();
        Ok(Self { samples, counts: Counts(counts) })
    }
}

impl Work for Given {
    fn step(&mut self) -> Result<Progress> {
        Ok(Progress { done: 1, total: 1, phase: "read".into(), finished: true, ..Progress::default() })
    }

    fn counts(&self) -> Counts {
        self.counts.clone()
    }

    fn samples(&self) -> Result<Samples> {
        Ok(self.samples.clone())
    }
}

/// Says of cells that were never run that their file held something else when it was last run.
pub(super) fn say_what_changed(results: &Path, planned: &mut [Planned]) -> Result<()> {
    let given = |p: &Planned| matches!(p.cell.run.sampler, SamplerSpec::Samples(_));
    let new = |p: &Planned| p.action == Action::Run && p.run.id.attempt == 1 && given(p);
    if !planned.iter().any(new) {
        return Ok(());
    }
    let mut earlier: BTreeMap<(String, u64), (String, String)> = BTreeMap::new();
    for run in record::all_runs(results)? {
        let Ok(request) = atomic::read_json::<Request>(&run.file("spec.json")) else { continue };
        if let SamplerSpec::Samples(s) = request.spec.sampler {
            earlier.insert((s.path, request.seed), (run.id.to_string(), s.file));
        }
    }
    for p in planned.iter_mut().filter(|p| new(p)) {
        let SamplerSpec::Samples(now) = &p.cell.run.sampler else { continue };
        if let Some((run, file)) = earlier.get(&(now.path.clone(), p.cell.seed)).filter(|(_, file)| *file != now.file) {
            p.reason = format!(
                "its file has changed: SHA-256 {:.16}.. now, {:.16}.. in run {run}; these samples are another run",
                now.file, file
            );
        }
    }
    Ok(())
}
