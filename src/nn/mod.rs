//! Neural networks.

pub mod fused;
