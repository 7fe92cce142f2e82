//! Training data of one temperature, and the target that its forces give.

use crate::samplers::internal::{Chart, Frames};

/// Frames in a chart, reduced, as training reads them.
#[derive(Debug, Clone, Default)]
pub struct Data {
    /// Rows `[n, dim]`.
    pub rows: Vec<f32>,
    /// Reduced forces, clipped `[n, dim]`.
    pub forces: Vec<f32>,
    /// Mean square of the forces `[dim]`.
    pub square: Vec<f64>,
}

impl Data {
    /// Of frames at `kt`; components of reduced forces beyond `clip` are cut.
    #[must_use]
    pub fn new(chart: &Chart, frames: &Frames, kt: f64, clip: f64) -> Self {
        let dim = chart.volume().dim();
        let (rows, mut forces) = frames.encoded(chart);
        let mut data = Self { square: vec![0.0; dim], ..Self::default() };
        for (y, along) in rows.chunks_exact(dim).zip(forces.chunks_exact_mut(dim)) {
            along.iter_mut().for_each(|f| *f = (*f / kt).clamp(-clip, clip));
            data.rows.extend(y.iter().map(|y| *y as f32));
            data.forces.extend(along.iter().map(|f| *f as f32));
            data.square.iter_mut().zip(&*along).for_each(|(s, f)| *s += f * f);
        }
        let n = (frames.q.len() / dim).max(1) as f64;
        data.square.iter_mut().for_each(|s| *s /= n);
        data
    }
}
