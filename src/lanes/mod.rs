//! Vector lanes: what the CPU's networks and flows compute with.
//!
//! | file | what |
//! |---|---|
//! | [`num`] | numbers with tangents, and rows of 32 of them |
//! | [`gemm`] | products with packed weights, and the outer products of weight gradients |
//! | [`pool`] | working memory that outlives a call |
//! | [`adam`] | the optimiser on packed parameters |
//!
//! Frames as lanes, for energies and dynamics, are in [`crate::energy::lanes`].

// Loops index several arrays at once, as the formulas do; iterator adaptors would also bring in closures, see `num`.
#![allow(clippy::needless_range_loop)]

pub mod adam;
pub mod gemm;
pub mod num;
pub mod pool;

pub use adam::PackedAdam;
