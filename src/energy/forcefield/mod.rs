//! Molecular force fields: Amber-type bonded terms, Lennard-Jones and Coulomb with a cutoff, generalised Born solvation.
//!
//! | file | job |
//! |---|---|
//! | [`params`] | the parameters, as data |

pub mod params;

pub use params::ForceField;
