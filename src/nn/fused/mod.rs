//! A fused CPU engine for the small EGNN of LJ-13: fully connected graph, 32 hidden features.
//!
//! One sample's graph stays in cache through forward and reverse pass; the 32 features are vector lanes; samples run in
//! parallel. The same forward ([`forward`]) and reverse ([`reverse`]) code runs on plain numbers and on dual numbers
//! ([`crate::lanes::num`]), which gives derivatives of gradients. [`FusedEgnn`] has both heads on batches.

// Loops index several arrays at once, as the formulas do; iterator adaptors would also bring in closures, see `num`.
#![allow(clippy::needless_range_loop)]

mod backbone;
mod batch;
mod divergence;
pub mod forward;
pub mod kernels;
pub mod layout;
pub mod reverse;

pub use crate::lanes::num::H as HIDDEN;
pub use backbone::FusedEgnn;
pub use layout::Rows;
