//! The systems that samplers are compared on.

mod cluster;
pub mod dihedrals;
mod elements;
pub mod molecules;
pub mod openmm;
pub mod pdb;
pub mod stereo;
pub mod topology;
pub mod wholeness;

use std::sync::{Arc, LazyLock};

use crate::energy::Potential;
use crate::energy::forcefield::Engine;
use crate::energy::lj::LennardJones;
use crate::energy::minimise::Minimise;
use crate::error::{Error, Result};
use crate::spec::SystemSpec;
use crate::words;

pub use molecules::Molecule;
pub use topology::Topology;

/// A configuration that is made when it is first needed.
pub type Start = LazyLock<Vec<f64>, Box<dyn FnOnce() -> Vec<f64> + Send>>;

/// A system at a target temperature.
pub struct System {
    /// Name as in experiment files, such as `lj13`.
    pub name: String,
    /// Atoms per frame.
    pub atoms: usize,
    /// Target temperature, in the system's unit (reduced for LJ, K for molecules).
    pub temperature: f64,
    /// `k_B` in energy unit per temperature unit: 1 for LJ.
    pub boltzmann: f64,
    /// Unit of length, for axis labels: `r_m` or `nm`.
    pub length_unit: &'static str,
    /// Positions are divided by this before they enter a network (data standard deviation).
    pub scale: f64,
    /// A low-energy configuration `[atoms, 3]` to start from; a molecule from files is relaxed when this is first read.
    pub start: Start,
    /// The configuration `[atoms, 3]` that it was given with: all stereocentres are right.
    pub given: Vec<f64>,
    /// Masses `[atoms]` in dynamics (amu for molecules, 1 for LJ).
    pub masses: Vec<f64>,
    /// Names and bonds, for molecules.
    pub topology: Option<Arc<Topology>>,
    /// What was left out when its files were read.
    pub notes: Vec<String>,
    potential: Arc<dyn Potential>,
}

impl System {
    /// A system of one's own: `start` is a configuration to start from, positions in networks are divided by `scale`.
    #[must_use]
    pub fn new(name: &str, temperature: f64, potential: Arc<dyn Potential>, start: Vec<f64>) -> Self {
        Self {
            name: name.to_owned(),
            atoms: potential.atoms(),
            temperature,
            boltzmann: 1.0,
            length_unit: "r_m",
            scale: 1.0,
            given: start.clone(),
            start: LazyLock::new(Box::new(move || start)),
            masses: vec![1.0; potential.atoms()],
            topology: None,
            notes: Vec::new(),
            potential,
        }
    }

    /// `kT` at temperature `t`.
    #[must_use]
    pub fn kt(&self, t: f64) -> f64 {
        self.boltzmann * t
    }

    /// The raw potential, for the harness (metering, `energy`, evaluation); samplers get a `Metered`.
    #[must_use]
    pub fn potential(&self) -> Arc<dyn Potential> {
        Arc::clone(&self.potential)
    }
}

/// `k_B` for molecules, kJ/mol/K.
pub const BOLTZMANN: f64 = 0.008_314_462_618_153_24;

/// Names that [`by_name`] knows.
pub const NAMES: &[&str] = &["lj13", "lj55", "aldp", "al3"];

/// The energy function of a built-in system in one word, as published numbers are tagged by it; `None` for molecules from files.
/// Numbers of different energy functions are never compared.
#[must_use]
pub fn energy_tag(name: &str) -> Option<&'static str> {
    match name {
        // Both orders of a pair count, well of constant 1, as iDEM and all after it have them.
        "lj13" | "lj55" => Some("lj-idem"),
        // amber14-all with implicit/obc1.xml, cut at 2 nm, no constraints.
        "aldp" | "al3" => Some("amber14-obc1"),
        _ => None,
    }
}

/// Whether a spec asks for a molecule (and not a cluster in reduced units).
#[must_use]
pub fn is_molecule(spec: &SystemSpec) -> bool {
    spec.files.is_some() || molecules::NAMES.contains(&spec.name.as_str())
}

/// The system that a spec asks for, built in or from files.
///
/// # Errors
/// See [`by_name`] and [`molecules::from_text`].
pub fn build(spec: &SystemSpec) -> Result<System> {
    match &spec.files {
        None => by_name(&spec.name, spec.temperature),
        Some(files) => Ok(relaxed(molecule(&spec.name, spec.temperature, molecules::from_files(files)?))),
    }
}

/// Starts at the minimum next to the structure of the PDB file, whose three digits alone are worth many kT; at that
/// structure itself where its energy or forces are not finite.
fn relaxed(mut system: System) -> System {
    // kJ/(mol nm), for the largest component what OpenMM's minimiser asks of the root mean square; kJ/mol: a twentieth of kT.
    let settings = Minimise { force: 10.0, longest_move: 0.01, iterations: 5_000, least: 0.1 };
    let (potential, given) = (system.potential(), system.given.clone());
    system.start = LazyLock::new(Box::new(move || {
        let minimum = settings.run(&*potential, &given);
        if minimum.largest_force.is_finite() { minimum.positions } else { given }
    }));
    system
}

/// Looks a built-in system up.
///
/// # Errors
/// [`Error::Usage`] for an unknown name, with the known ones.
pub fn by_name(name: &str, temperature: f64) -> Result<System> {
    let atoms = match name {
        "lj13" => 13,
        "lj55" => 55,
        _ => {
            let unknown = || Error::Usage(words::unknown("system", name, NAMES));
            return Ok(molecule(name, temperature, molecules::built_in(name)?.ok_or_else(unknown)?));
        }
    };
    let potential = LennardJones::new(atoms);
    let start = cluster::minimised_icosahedron(&potential);
    Ok(System::new(name, temperature, Arc::new(potential), start))
}

/// A molecule at a temperature in K.
#[must_use]
pub fn molecule(name: &str, temperature: f64, molecule: Molecule) -> System {
    let potential = Arc::new(Engine::new(&molecule.forcefield));
    System {
        boltzmann: BOLTZMANN,
        length_unit: "nm",
        scale: molecule.scale,
        masses: molecule.forcefield.masses,
        topology: Some(Arc::new(molecule.topology)),
        notes: molecule.notes,
        ..System::new(name, temperature, potential, molecule.start)
    }
}
