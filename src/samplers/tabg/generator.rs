//! What a flow has to offer to be annealed: draws with densities, and losses with gradients.

use crate::array::Arrays;
use crate::energy::Metered;
use crate::error::Result;
use crate::flow::{Packing, Weights};
use crate::lanes::num::Lanes;
use crate::rng::Stream;

/// Configurations drawn from a flow.
#[derive(Debug, Clone, Default)]
pub struct Drawn {
    /// Positions `[n, atoms, 3]`.
    pub x: Vec<f64>,
    /// `ln q(x)`, `[n]`; see the generator for what is counted as a configuration.
    pub log_q: Vec<f64>,
}

/// A loss and what went into it.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    /// The mean.
    pub value: f64,
    /// Mean reduced energy of the samples that were kept (reverse KL only).
    pub energy: f64,
}

/// A batch of the reverse KL: draws and the energy that judges them.
pub struct Batch<'a> {
    /// Where they come from.
    pub stream: &'a Stream,
    /// Which of it.
    pub items: &'a [u32],
    /// The energy, one evaluation for each.
    pub energy: &'a mut Metered,
    /// `kT`.
    pub kt: f64,
    /// Samples of the highest energies that are left out.
    pub drop: usize,
}

/// A flow on the configurations of one system.
pub trait Generator: Send + Sync {
    /// Its parameters.
    fn packing(&self) -> &Packing;

    /// What its parameters do not say about it, to lie beside them: none unless it can differ from one build to the next.
    fn architecture(&self) -> Arrays {
        Arrays::new()
    }

    /// Numbers in a row, its own form of a configuration.
    fn row(&self) -> usize;

    /// Configurations for the given items of a stream: the same whatever else is drawn.
    fn draw(&self, w: &Weights<f32>, stream: &Stream, items: &[u32]) -> Drawn;

    /// The same configurations as rows `[n, row]`, without densities.
    fn rows(&self, w: &Weights<f32>, stream: &Stream, items: &[u32]) -> Vec<f32>;

    /// Rows of the frames `x [n, atoms, 3]` that the flow has a density for, and how many it has none for.
    fn encode(&self, x: &[f64]) -> (Vec<f32>, usize);

    /// `ln q(x)` of frames `x [n, atoms, 3]`, `[n]`, by the same convention as [`Generator::draw`]; minus infinity where the flow
    /// has no density. Random augmentation, if any, comes from `stream`.
    fn log_q(&self, w: &Weights<f32>, x: &[f64], stream: &Stream) -> Vec<f64>;

    /// Negative log-likelihood of rows: its mean, and its gradient added to `gradient` (packed). Random augmentation, if any,
    /// comes from `stream`. The weights must be transposed.
    fn forward_kl(&mut self, w: &Weights<f32>, rows: &[f32], stream: &Stream, gradient: &mut [Lanes<f32>]) -> Loss;

    /// Reverse KL of samples drawn for the given items of a stream: the mean of `u(x) - ln|dx/dz|` without the samples of the
    /// highest energies (NaN counts as the highest), and its gradient added to `gradient`. One evaluation per sample.
    ///
    /// # Errors
    /// [`crate::error::Error::BudgetSpent`].
    fn reverse_kl(&mut self, w: &Weights<f32>, batch: Batch<'_>, gradient: &mut [Lanes<f32>]) -> Result<Loss>;
}
