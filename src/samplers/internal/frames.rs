//! Configurations with forces along internal coordinates.

use super::Chart;
use crate::array::Arrays;
use crate::error::Result;
use crate::flow::Volume;
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
    /// Of positions `[n, atoms, 3]` with forces, in any pose. Frames that are not the molecule are left out; the places of the others
    /// come second.
    #[must_use]
    pub fn measured(volume: &Volume, x: &[f64], forces: &[f64]) -> (Self, Vec<usize>) {
        let frame = 3 * volume.atoms();
        let (mut frames, mut kept) = (Self::default(), Vec::new());
        let (mut scratch, mut q, mut along) = (volume.scratch(), vec![0.0; volume.dim()], vec![0.0; volume.dim()]);
        for (i, (x, force)) in x.chunks_exact(frame).zip(forces.chunks_exact(frame)).enumerate() {
            volume.measure(x, &mut q, &mut scratch);
            volume.pull_back_posed(x, force, &mut along, &mut scratch);
            if volume.contains(&q) && volume.right(x) && along.iter().all(|f| f.is_finite()) {
                frames.q.extend_from_slice(&q);
                frames.force.extend_from_slice(&along);
                kept.push(i);
            }
        }
        (frames, kept)
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

    /// Rows of a chart `[n, dim]`, and forces along its coordinates.
    #[must_use]
    pub fn encoded(&self, chart: &Chart) -> (Vec<f64>, Vec<f64>) {
        let dim = chart.volume().dim();
        let (mut rows, mut forces) = (vec![0.0; self.q.len()], vec![0.0; self.q.len()]);
        let into = rows.chunks_exact_mut(dim).zip(forces.chunks_exact_mut(dim));
        for ((row, along), (q, force)) in into.zip(self.q.chunks_exact(dim).zip(self.force.chunks_exact(dim))) {
            let _ = chart.encode(q, row); // frames are configurations
            chart.force(force, along);
        }
        (rows, forces)
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
