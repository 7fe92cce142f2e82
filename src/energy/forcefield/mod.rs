//! Molecular force fields: Amber-type bonded terms, Lennard-Jones and Coulomb with a cutoff, generalised Born solvation.
//!
//! | file | job |
//! |---|---|
//! | [`params`] | the parameters, as data |
//! | [`bias`] | hills on two torsions, and a potential that has them |
//! | `bonded` | bonds, angles, torsions |
//! | `cmap` | energy maps of two torsions |
//! | `pairs` | distances, Lennard-Jones, Coulomb |
//! | `born` | generalised Born |
//! | [`solvation`] | its formulas, one number at a time |
//! | [`engine`] | the passes in order; the potential |
//!
//! All of it works on blocks of frames as SIMD lanes, see [`crate::energy::lanes`]. A pass writes what later passes need
//! into rows by pair, so that each pair costs one square root and one division for its distance, two logarithms and two
//! divisions for descreening, one exponential, square root and division for its solvation energy.

pub mod bias;
mod bonded;
mod born;
mod cmap;
pub mod engine;
mod pairs;
pub mod params;
pub mod solvation;

pub use bias::{Bias, Biased};
pub use engine::Engine;
pub use params::ForceField;
