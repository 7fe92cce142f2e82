//! Settings of the well-tempered bias under which initial data may be made.

use super::settings::Float::{AboveOne, Positive};
use super::settings::Limit::AtMost;
use super::settings::{Complaint, count, float, settings};

settings! {
    /// A bias on phi and psi, grown by well-tempered metadynamics while walkers equilibrate and frozen then; frames are resampled by
    /// their exact weights. For molecules whose residues have both.
    #[serde(default)]
    pub struct BiasSpec [check = wide_enough] {
        /// Height of the first hill, kT.
        height: f64 = 0.1, float(Positive);
        /// Width of a hill, rad.
        width: f64 = 0.35, float(Positive).limits(&[AtMost(1.0, "")]);
        /// Bias factor: in the end phi and psi are spread as at so many times the temperature.
        factor: f64 = 5.0, float(AboveOne);
        /// Steps between two hills of a walker.
        every: usize = 50, count(1);
    }
}

/// Narrower hills would take more grid points than anybody wants to fit splines to.
const NARROWEST: f64 = 0.1;

fn wide_enough(spec: &BiasSpec) -> Vec<Complaint> {
    let what = format!("is {}, expected {NARROWEST} or more", spec.width);
    Complaint::of(&[(spec.width > 0.0 && spec.width < NARROWEST, "width", &what, "")])
}

/// Steps in which hills are added: three quarters of the equilibration. Under the bias as it is in the end walkers have the last
/// quarter to spread.
#[must_use]
pub fn growth(equilibration: usize) -> usize {
    equilibration - equilibration.div_ceil(4)
}
