//! Two-dimensional histograms of frames, as free energies in a few colour levels.

use super::histogram::range;

/// Lower and upper end of an axis.
pub(super) type Range = (f64, f64);

/// Counts in square cells over a rectangle.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Density {
    /// Cells along each axis.
    pub bins: usize,
    /// Points per cell, `[bins, bins]`: rows from low to high y, in them low to high x.
    pub counts: Vec<u32>,
    /// Points outside the rectangle.
    pub outside: usize,
}

/// Neighbouring cells of one row and one level.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Run {
    /// Level of free energy, 0 the lowest.
    pub level: usize,
    /// Row, counted from low y.
    pub row: usize,
    /// First cell.
    pub from: usize,
    /// Behind the last cell.
    pub to: usize,
}

impl Density {
    /// Counts points. Cells contain their lower edges, the last ones both.
    pub(super) fn new(points: &[[f64; 2]], x: Range, y: Range, bins: usize) -> Self {
        let place = |v: f64, (low, high): Range| {
            (low <= v && v <= high).then(|| (((v - low) / (high - low) * bins as f64) as usize).min(bins - 1))
        };
        let mut counts = vec![0; bins * bins];
        let mut outside = 0;
        for &[px, py] in points {
            match (place(px, x), place(py, y)) {
                (Some(column), Some(row)) => counts[row * bins + column] += 1,
                _ => outside += 1,
            }
        }
        Self { bins, counts, outside }
    }

    /// Frames inside the rectangle and outside.
    pub(super) fn frames(&self) -> u64 {
        self.counts.iter().map(|&c| u64::from(c)).sum::<u64>() + self.outside as u64
    }

    /// The fraction of all frames that is in the fullest cell: what free energies count from; 0 without frames.
    pub(super) fn peak(&self) -> f64 {
        f64::from(self.counts.iter().copied().max().unwrap_or(0)) / self.frames().max(1) as f64
    }

    /// `ln(peak / fraction)` of a cell in kT, `None` where nothing is. The peak is that of the reference: a cell with as many of
    /// the frames has the same free energy in every panel.
    pub(super) fn free_energy(&self, cell: usize, peak: f64) -> Option<f64> {
        let fraction = f64::from(self.counts[cell]) / self.frames().max(1) as f64;
        (fraction > 0.0 && peak > 0.0).then(|| (peak / fraction).ln())
    }

    /// Lowest and highest free energy of a cell that is not empty.
    pub(super) fn ends(&self, peak: f64) -> Option<Range> {
        range((0..self.counts.len()).filter_map(|cell| self.free_energy(cell, peak)))
    }

    /// The cells that are not empty as runs, by level and place; `levels` levels over the scale, what lies beyond it in the
    /// outermost.
    pub(super) fn runs(&self, levels: usize, (low, top): Range, peak: f64) -> Vec<Run> {
        let of = |f: f64| (((f - low) / (top - low) * levels as f64).max(0.0) as usize).min(levels - 1);
        let level = |cell: usize| self.free_energy(cell, peak).map(of);
        let mut runs: Vec<Run> = Vec::new();
        for row in 0..self.bins {
            let mut open: Option<Run> = None;
            for column in 0..self.bins {
                let here = level(row * self.bins + column);
                match (&mut open, here) {
                    (Some(run), Some(level)) if run.level == level => run.to = column + 1,
                    _ => {
                        runs.extend(open.take());
                        open = here.map(|level| Run { level, row, from: column, to: column + 1 });
                    }
                }
            }
            runs.extend(open);
        }
        runs.sort_unstable();
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edges_and_strays() {
        let points = [[0.0, 0.0], [0.4, 0.4], [1.0, 1.0], [0.5, 0.0], [1.1, 0.5], [f64::NAN, 0.5]];
        let d = Density::new(&points, (0.0, 1.0), (0.0, 1.0), 2);
        assert_eq!((d.counts.clone(), d.outside, d.frames()), (vec![2, 1, 0, 1], 2, 6));
        let peak = d.peak();
        assert_eq!((peak, d.free_energy(0, peak), d.free_energy(2, peak)), (1.0 / 3.0, Some(0.0), None));
        assert!((d.free_energy(1, peak).unwrap() - 2.0_f64.ln()).abs() < 1e-15);
        assert_eq!(d.ends(peak), Some((0.0, d.free_energy(1, peak).unwrap())));
    }

    /// Half as many frames in the same proportions: the same free energies; all in one cell: below the reference's zero.
    #[test]
    fn zero_is_the_references() {
        let with = |counts: &[u32]| Density { bins: 2, counts: counts.to_vec(), outside: 0 };
        let (reference, half, one) = (with(&[8, 4, 4, 0]), with(&[4, 2, 2, 0]), with(&[0, 0, 5, 0]));
        let peak = reference.peak();
        for cell in 0..4 {
            assert_eq!(reference.free_energy(cell, peak), half.free_energy(cell, peak));
        }
        assert!((one.free_energy(2, peak).unwrap() + 2.0_f64.ln()).abs() < 1e-15);
    }

    /// Runs cover every filled cell once, with the level of its free energy.
    #[test]
    fn runs_cover_the_filled_cells() {
        let counts = vec![9, 9, 0, 3, 1, 1, 1, 9, 0];
        let d = Density { bins: 3, counts, outside: 0 };
        let runs = d.runs(4, (0.0, 2.0), d.peak());
        let mut covered = [0; 9];
        for run in &runs {
            for column in run.from..run.to {
                let cell = run.row * 3 + column;
                covered[cell] += 1;
                let f = d.free_energy(cell, d.peak()).unwrap();
                let middle = (run.level as f64 + 0.5) * 0.5;
                assert!((f - middle).abs() <= 0.25 || run.level == 3 && f > 2.0, "{run:?} {f}");
            }
        }
        assert_eq!(covered.map(|n| n == 1), [true, true, false, true, true, true, true, true, false]);
        assert_eq!(runs.len(), 5);
        assert!(runs.is_sorted());
    }
}
