//! Seconds of one thread, measured on a 2.6 GHz AVX-512 core (AMD Zen 4; README, "Speed"), and scaled to other sizes. Good for
//! an idea of how long something takes, within a factor of two or three.

use crate::spec::{NetSpec, TarFlowSpec};

/// An energy with forces, double precision: 3.2 and 6.7 microseconds for 22 and 33 atoms of a molecule.
pub(super) fn energy(atoms: usize, molecule: bool) -> f64 {
    let pairs = (atoms as f64).powi(2);
    // Moving costs too: a few nanoseconds per coordinate.
    (if molecule { 6.4e-9 } else { 2.0e-9 }) * pairs + 1.5e-8 * atoms as f64
}

/// Of a network, for one sample.
pub(super) struct Net {
    /// A training step of both heads.
    pub(super) training: f64,
    /// The score with its derivative along one direction, a step of annealing.
    pub(super) plain: f64,
    /// The same with the exact divergence.
    pub(super) exact: f64,
}

/// An EGNN of 32 features and 3 layers on 13 atoms trains 512 samples in 0.37 s and anneals them in 0.054 s, or 0.27 s with the
/// exact divergence; a transformer of 192 features and 6 blocks on 22 atoms trains 64 samples in 1.23 s and anneals 16 in 1.22 s.
pub(super) fn net(spec: &NetSpec, atoms: usize) -> Net {
    let (hidden, layers, atoms) = (spec.hidden as f64, spec.layers as f64, atoms as f64);
    if spec.dit.is_some() {
        let size = (hidden / 192.0).powi(2) * layers / 6.0 * atoms / 22.0;
        Net { training: 1.9e-2 * size, plain: 1.5e-3 * size, exact: 7.6e-2 * size * atoms / 22.0 }
    } else {
        let size = (hidden / 32.0).powi(2) * layers / 3.0 * (atoms / 13.0).powi(2);
        Net { training: 7.2e-4 * size, plain: 5.3e-5 * size, exact: 5.3e-4 * size * atoms / 13.0 }
    }
}

/// Of a flow, for one row.
#[derive(Clone, Copy)]
pub(super) struct Flow {
    /// A training step.
    pub(super) training: f64,
    /// A draw with its density.
    pub(super) draw: f64,
}

/// Splines of 8 blocks and 256 features train 2,048 rows in 1.0 s and draw 6,500 in a second.
pub(super) fn spline(blocks: usize, hidden: usize) -> Flow {
    let size = blocks as f64 / 8.0 * (hidden as f64 / 256.0);
    Flow { training: 4.9e-4 * size, draw: 1.5e-4 * size }
}

/// By the products of its layers at 50 GFLOP/s: forward once for a draw, three times that in training.
pub(super) fn tarflow(spec: &TarFlowSpec, atoms: usize) -> Flow {
    let tokens = 3.0 * atoms as f64 / spec.channels.max(1) as f64;
    let parameters = 12.0 * (spec.width as f64).powi(2) * spec.layers as f64 * spec.blocks as f64;
    let forward = 2.0 * parameters * tokens / 5e10;
    Flow { training: 3.0 * forward, draw: forward }
}

/// Seconds of one row through a perceptron of so many parameters: two operations each, 25 to 30 GFLOP/s on one thread.
pub(super) fn perceptron(parameters: u64) -> f64 {
    2.0 * parameters as f64 / 2.5e10
}
