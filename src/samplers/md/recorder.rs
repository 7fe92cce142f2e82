//! Frames recorded on the way, and their order in the result.

use crate::array::{Array, Arrays};
use crate::error::{Error, Result};
use crate::samplers::Samples;

/// Collects `wanted` frames from several chains, a round at a time.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    chains: usize,
    dim: usize,
    wanted: usize,
    /// Round by round, chain by chain.
    positions: Vec<f64>,
    energies: Vec<f64>,
}

impl Recorder {
    pub(super) fn new(chains: usize, dim: usize, wanted: usize) -> Self {
        Self { chains, dim, wanted, positions: Vec::new(), energies: Vec::new() }
    }

    pub(super) fn rounds(&self) -> usize {
        self.wanted.div_ceil(self.chains)
    }

    pub(super) fn len(&self) -> usize {
        self.energies.len()
    }

    /// Takes the frame of the next chain, unless all are there.
    pub(super) fn push(&mut self, energy: f64, frame: &[f64]) {
        if self.len() < self.wanted {
            self.energies.push(energy);
            self.positions.extend_from_slice(frame);
        }
    }

    /// The frames chain after chain, each chain in time order: with an even number of chains of one length, the two
    /// halves of the array come from disjoint chains.
    pub(super) fn samples(&self) -> Samples {
        let n = self.len();
        let order = (0..self.chains).flat_map(|chain| (chain..n).step_by(self.chains));
        let (mut positions, mut energies) = (Vec::with_capacity(n * self.dim), Vec::with_capacity(n));
        for k in order {
            energies.push(self.energies[k]);
            positions.extend_from_slice(&self.positions[k * self.dim..][..self.dim]);
        }
        Samples::from([
            ("positions".into(), Array::f64(&[n, self.dim / 3, 3], positions)),
            ("energy".into(), Array::f64(&[n], energies)),
        ])
    }

    pub(super) fn state(&self) -> Arrays {
        Arrays::from([
            ("recorded.positions".into(), Array::f64(&[self.len(), self.dim], self.positions.clone())),
            ("recorded.energies".into(), Array::f64(&[self.len()], self.energies.clone())),
        ])
    }

    pub(super) fn restore(&mut self, state: &Arrays) -> Result<()> {
        let get = |name: &str| {
            state
                .get(name)
                .map(Array::to_f64)
                .ok_or_else(|| Error::Internal(format!("checkpoint has no array `{name}`")))
        };
        let (positions, energies) = (get("recorded.positions")?, get("recorded.energies")?);
        if positions.len() != energies.len() * self.dim || energies.len() > self.wanted {
            return Err(Error::Internal("recorded frames of the checkpoint belong to other settings".into()));
        }
        (self.positions, self.energies) = (positions, energies);
        Ok(())
    }
}
