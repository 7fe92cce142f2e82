//! Normalizing flow on internal coordinates (Boltzmann generator): exact densities of molecular configurations.
//!
//! ```text
//! z --couplings--> u --constraints, scaling--> bonds, angles, torsions --placement--> x          ln q(x) = ln p(z) - sum ln|det|
//! ```
//!
//! As TA-BG (Schopmans and Friederich 2025, arXiv 2501.19077) has it, on `dim = 3 atoms - 6` coordinates in [0, 1]: first all
//! bonds, then all angles, then all torsions.
//!
//! | file | what |
//! |---|---|
//! | [`zmatrix`] | which atom is placed by which three others |
//! | [`internal`] | bonds, angles, torsions from and to Cartesian coordinates; log-Jacobian, derivative |
//! | [`volume`] | coordinates that keep volumes, for samplers: no Jacobian in densities |
//! | [`coordinates`] | scaling to the unit cube around a minimised structure |
//! | `windows` | the part of the circle for each torsion: chirality, equal groups, double bonds |
//! | [`prior`] | truncated normal (bonds, angles), uniform (torsions) |
//! | [`spline`] | monotone rational-quadratic splines, both ways, with derivatives |
//! | [`shape`] | splits, couplings, and where the circles of torsions are cut (not as published) |
//! | [`packing`] | parameters in packed lanes, from and to named arrays |
//! | [`conditioner`] | the perceptron that gives a coupling its spline parameters |
//! | `merged` | its first two layers as one |
//! | [`network`] | all couplings in both directions, and their reverse pass |
//! | [`tarflow`] | the other flow: causal transformers on Cartesian coordinates |
//!
//! Networks and splines run in `T` (f32 in production, f64 in tests), coordinates and log-determinants in f64. Rows (samples)
//! go through in tiles; sums over rows run in a fixed order, so that no bit depends on the number of threads.

pub mod conditioner;
pub mod coordinates;
pub mod internal;
mod merged;
pub mod network;
pub mod packing;
pub mod prior;
pub mod shape;
pub mod spline;
pub mod tarflow;
pub mod volume;
mod windows;
pub mod zmatrix;

pub use coordinates::Coordinates;
pub use network::{Flow, Tape, Toward};
pub use packing::{Packing, Weights};
pub use prior::Prior;
pub use shape::{Counts, Shape};
pub use volume::Volume;
pub use zmatrix::ZMatrix;
