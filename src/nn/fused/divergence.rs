//! Exact trace of the backbone's Jacobian.

use super::forward::{Shape, Tape};
use super::num::Lanes;
use super::real::Real;

/// Working memory.
#[derive(Debug)]
pub struct Divergence<T> {
    _memory: Vec<T>,
}

impl<T: Real> Divergence<T> {
    /// Memory for one sample.
    pub fn new(_shape: &Shape) -> Self {
        Self { _memory: Vec::new() }
    }

    /// The trace at the point that `tape` recorded.
    pub fn trace(&mut self, _shape: &Shape, _w: &[Lanes<T>], _wt: &[Lanes<T>], _tape: &Tape<T, 1>) -> T {
        T::ZERO
    }
}
