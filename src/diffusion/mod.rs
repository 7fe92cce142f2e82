//! Noise schedules, annealing factors, weights and resampling of the annealed reverse process.

mod gamma;
pub mod kernels;
mod resample;
mod schedule;
pub mod sde;
pub mod steps;

pub use gamma::Gamma;
pub use kernels::prior;
pub use resample::{ess, factors, normalise, systematic, systematic_faithful};
pub use schedule::Elucidating;
