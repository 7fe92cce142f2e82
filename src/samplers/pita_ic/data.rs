//! Training data of one temperature, and the target that its forces give.

use std::sync::Arc;

use crate::array::Arrays;
use crate::error::Result;
use crate::flow::Volume;
use crate::samplers::internal::Chart;
use crate::samplers::state;

/// Configurations with forces, in volume-preserving coordinates: independent of any chart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frames {
    /// Coordinates `[n, dim]`.
    pub q: Vec<f64>,
    /// Unreduced forces along them `[n, dim]`.
    pub force: Vec<f64>,
}

impl Frames {
    /// Of positions `[n, atoms, 3]` with forces, in any pose. Frames that are not the molecule are left out; how many comes second.
    #[must_use]
    pub fn measured(volume: &Volume, x: &[f64], forces: &[f64]) -> (Self, usize) {
        let frame = 3 * volume.atoms();
        let (mut frames, mut outside) = (Self::default(), 0);
        let (mut scratch, mut q, mut along) = (volume.scratch(), vec![0.0; volume.dim()], vec![0.0; volume.dim()]);
        for (x, force) in x.chunks_exact(frame).zip(forces.chunks_exact(frame)) {
            volume.measure(x, &mut q, &mut scratch);
            volume.pull_back_posed(x, force, &mut along, &mut scratch);
            if volume.contains(&q) && volume.right(x) && along.iter().all(|f| f.is_finite()) {
                frames.q.extend_from_slice(&q);
                frames.force.extend_from_slice(&along);
            } else {
                outside += 1;
            }
        }
        (frames, outside)
    }

    /// Of rows of a chart `[n, dim]` with forces along its coordinates.
    #[must_use]
    pub fn decoded(chart: &Chart, rows: &[f64], forces: &[f64]) -> Self {
        let dim = chart.volume().dim();
        let (mut frames, mut q, mut along) = (Self::default(), vec![0.0; dim], vec![0.0; dim]);
        for (y, force) in rows.chunks_exact(dim).zip(forces.chunks_exact(dim)) {
            if chart.decode(y, &mut q) {
                chart.force_back(force, &mut along);
                frames.q.extend_from_slice(&q);
                frames.force.extend_from_slice(&along);
            }
        }
        frames
    }

    /// Saves into `arrays`.
    pub fn save(&self, arrays: &mut Arrays) {
        arrays.insert("frames.q".into(), state::floats(&self.q));
        arrays.insert("frames.force".into(), state::floats(&self.force));
    }

    /// Reads what [`Frames::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub fn load(arrays: &Arrays) -> Result<Self> {
        Ok(Self { q: state::f64s(arrays, "frames.q")?, force: state::f64s(arrays, "frames.force")? })
    }
}

/// The same in a chart, reduced, as training reads them.
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
        let (mut y, mut along) = (vec![0.0; dim], vec![0.0; dim]);
        let mut data = Self { square: vec![0.0; dim], ..Self::default() };
        for (q, force) in frames.q.chunks_exact(dim).zip(frames.force.chunks_exact(dim)) {
            let _ = chart.encode(q, &mut y);
            chart.force(force, &mut along);
            along.iter_mut().for_each(|f| *f = (*f / kt).clamp(-clip, clip));
            data.rows.extend(y.iter().map(|y| *y as f32));
            data.forces.extend(along.iter().map(|f| *f as f32));
            data.square.iter_mut().zip(&along).for_each(|(s, f)| *s += f * f);
        }
        let n = (frames.q.len() / dim).max(1) as f64;
        data.square.iter_mut().for_each(|s| *s /= n);
        data
    }
}

/// A chart of frames with the circles of another.
///
/// # Errors
/// As [`Chart::fit`].
pub fn chart(volume: &Arc<Volume>, circles: &[usize], frames: &Frames) -> Result<Chart> {
    Chart::fit(volume, circles, &frames.q)
}
