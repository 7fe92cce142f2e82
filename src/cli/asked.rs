//! Which experiment, in which variant, which part of it: the options that `sweep` and `report` share.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{complete, experiments};
use crate::config::{self, Cell, Experiment};
use crate::error::{Error, Result};
use crate::words;

/// An experiment, and a part of it.
#[derive(Debug, Clone, clap::Args)]
pub struct Asked {
    /// Experiment file, such as experiments/table1.toml; without one, those in `experiments/` are offered
    #[arg(value_name = "FILE", add = complete::experiment_files())]
    pub file: Option<PathBuf>,
    /// Profile of the experiment file, such as quick, standard, paper
    #[arg(short, long, value_name = "NAME", add = complete::profiles())]
    pub profile: Option<String>,
    /// Override a setting; may be given again
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Only these systems
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', add = complete::keys_of_systems())]
    pub systems: Option<Vec<String>>,
    /// Only these samplers, by their keys or by their names in tables
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', add = complete::keys_of_samplers())]
    pub samplers: Option<Vec<String>>,
    /// Only these seeds
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    pub seeds: Option<Vec<u64>>,
}

impl Asked {
    /// The experiment with the systems and samplers that were asked for, all of their seeds. `verb` is for messages.
    ///
    /// # Errors
    /// Those of [`config::load`]; [`Error::Usage`] for names that are not in it.
    pub fn load(&self, verb: &str) -> Result<Experiment> {
        let file = experiments::chosen(self.file.as_deref(), verb)?;
        let mut experiment = config::load(file, self.profile.as_deref(), &self.set)?;
        select(&mut experiment, "system", self.systems.as_deref(), |cell| vec![cell.system.clone()])?;
        let names = |cell: &Cell| vec![cell.sampler.clone(), cell.label.clone(), cell.row()];
        select(&mut experiment, "sampler", self.samplers.as_deref(), names)?;
        Ok(experiment)
    }

    /// The same, only with the seeds that were asked for.
    ///
    /// # Errors
    /// See [`Asked::load`]; [`Error::NothingSelected`] when no cell is left.
    pub fn load_seeds(&self, verb: &str) -> Result<Experiment> {
        let mut experiment = self.load(verb)?;
        let Some(seeds) = &self.seeds else { return Ok(experiment) };
        experiment.cells.retain(|cell| seeds.contains(&cell.seed));
        let chosen: Vec<String> = seeds.iter().map(u64::to_string).collect();
        if experiment.cells.is_empty() {
            let file = experiment.path.display();
            return Err(Error::NothingSelected(format!("{file} has no cells with seeds {}", chosen.join(", "))));
        }
        experiment.set_apart(&[format!("--seeds={}", chosen.join(","))]);
        Ok(experiment)
    }
}

/// Keeps the cells one of whose names is among `wanted`.
fn select(
    experiment: &mut Experiment,
    what: &str,
    wanted: Option<&[String]>,
    names: impl Fn(&Cell) -> Vec<String>,
) -> Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    let known: BTreeSet<String> = experiment.cells.iter().flat_map(&names).collect();
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(*name)) {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        return Err(Error::Usage(words::unknown(what, unknown, &known)));
    }
    experiment.cells.retain(|cell| names(cell).iter().any(|name| wanted.contains(name)));
    experiment.set_apart(&[format!("--{what}s={}", wanted.join(","))]);
    Ok(())
}
