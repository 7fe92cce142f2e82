//! Whitened volume-preserving internal coordinates of a molecule.
//!
//! Torsions that go around (found from data at the highest temperature) are circles, measured in units of [`TURN`]; all other
//! coordinates are narrow, and whitened: `q = mean + S P^(1/2) y`, S their standard deviations and P^(1/2) the symmetric root of their
//! correlations. The map is linear, so the density in `y` is still `exp(-E/kT)` up to a constant.
//!
//! A configuration exists at `y` where bonds are longer than 0, angles between 0 and 180 degrees, narrow torsions less than half a
//! turn from their mean, and every stereocentre is the mirror image that the molecule has: so the map is one to one, and chirality
//! cannot flip. Elsewhere the energy is infinite: a draw there has no weight, a move there is not accepted.

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;

use crate::array::Arrays;
use crate::energy::{Metered, Purpose};
use crate::error::{Error, Result};
use crate::flow::Volume;
use crate::flow::volume::Scratch;
use crate::samplers::md::space::Space;
use crate::samplers::state;

/// Radians of a circle per unit of its coordinate.
pub const TURN: f64 = 0.6;
/// Length of a circle in its own units.
pub const CIRCLE: f64 = TAU / TURN;
/// A torsion is a circle when one frame is further than this from the mean, rad.
const FAR: f64 = 2.5;
/// Or when its (circular) standard deviation is larger than this, rad.
const WIDE: f64 = 0.6;
/// Rows of a product that are summed side by side.
const ROWS: usize = 8;
/// Eigenvalues of the correlations below this are raised to it: nothing is divided by zero.
const THINNEST: f64 = 1e-9;

/// The same place on a circle, within half a turn of 0.
#[must_use]
pub fn settled(y: f64) -> f64 {
    y - CIRCLE * (y / CIRCLE).round()
}

/// The nearest equivalent of an angle within half a turn from 0.
fn wrapped(a: f64) -> f64 {
    a - TAU * (a / TAU).round()
}

/// Circular mean of an angle, and its circular standard deviation.
fn circular(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut s, mut c, mut n) = (0.0, 0.0, 0.0);
    for a in values {
        s += a.sin();
        c += a.cos();
        n += 1.0;
    }
    (s.atan2(c), (-2.0 * (f64::hypot(s, c) / n).min(1.0).ln()).sqrt())
}

/// Which coordinates (by number) go around in `q [n, dim]`.
#[must_use]
pub fn circles(volume: &Volume, q: &[f64]) -> Vec<usize> {
    let dim = volume.dim();
    let goes_around = |&i: &usize| {
        let values = || q.iter().skip(i).step_by(dim).copied();
        let (mean, spread) = circular(values());
        spread > WIDE || values().any(|a| wrapped(a - mean).abs() > FAR)
    };
    (volume.first_torsion()..dim).filter(goes_around).collect()
}

/// The coordinates: narrow ones first, then circles.
#[derive(Debug, Clone)]
pub struct Chart {
    volume: Arc<Volume>,
    /// Coordinates by number: first the narrow ones, ascending, then the circles.
    order: Vec<usize>,
    narrow: usize,
    /// Means of the narrow coordinates.
    mean: Vec<f64>,
    /// `S P^(1/2)`, row by row.
    root: Vec<f64>,
    /// Its inverse.
    inverse: Vec<f64>,
    /// `ln |det|` of it.
    log_det: f64,
}

impl Chart {
    /// The chart of the ensemble `q [n, dim]` with these circles.
    ///
    /// # Errors
    /// [`Error::Numerical`] when there are too few frames or some are not finite.
    pub fn fit(volume: &Arc<Volume>, circles: &[usize], q: &[f64]) -> Result<Self> {
        let (dim, n) = (volume.dim(), q.len() / volume.dim());
        let mut order: Vec<usize> = (0..dim).filter(|i| !circles.contains(i)).collect();
        let narrow = order.len();
        order.extend(circles);
        if n <= narrow || q.iter().any(|q| !q.is_finite()) {
            return Err(Error::Numerical(format!(
                "internal coordinates: {n} frames, expected more than the {narrow} narrow coordinates, all of them finite"
            )));
        }
        let first_torsion = volume.first_torsion();
        let mean: Vec<f64> = order[..narrow]
            .iter()
            .map(|&i| {
                let values = q.iter().skip(i).step_by(dim).copied();
                if i >= first_torsion {
                    let centre = circular(values.clone()).0;
                    centre + values.map(|a| wrapped(a - centre)).sum::<f64>() / n as f64
                } else {
                    values.sum::<f64>() / n as f64
                }
            })
            .collect();
        let mut chart = Self {
            volume: Arc::clone(volume),
            order,
            narrow,
            mean,
            root: Vec::new(),
            inverse: Vec::new(),
            log_det: 0.0,
        };
        let mut apart = DMatrix::zeros(narrow, n);
        for (frame, mut column) in q.chunks_exact(dim).zip(apart.column_iter_mut()) {
            chart.apart(frame, column.as_mut_slice());
        }
        chart.whiten(&(&apart * apart.transpose() / n as f64));
        Ok(chart)
    }

    /// Differences of the narrow coordinates of `q [dim]` from their means.
    fn apart(&self, q: &[f64], out: &mut [f64]) {
        let first_torsion = self.volume.first_torsion();
        for ((out, &i), mean) in out.iter_mut().zip(&self.order).zip(&self.mean) {
            let d = q[i] - mean;
            *out = if i >= first_torsion { wrapped(d) } else { d };
        }
    }

    fn whiten(&mut self, covariance: &DMatrix<f64>) {
        // In units of the standard deviations: lengths and angles have different ones, and the root depends on them.
        let width = covariance.diagonal().map(|v| v.max(f64::MIN_POSITIVE).sqrt());
        let correlation = DMatrix::from_fn(self.narrow, self.narrow, |i, j| covariance[(i, j)] / (width[i] * width[j]));
        let eigen = SymmetricEigen::new(correlation);
        let values = eigen.eigenvalues.map(|value| value.max(THINNEST));
        let power = |exponent: f64| {
            let scaled = &eigen.eigenvectors * DMatrix::from_diagonal(&values.map(|value| value.powf(exponent)));
            scaled * eigen.eigenvectors.transpose()
        };
        let root = DMatrix::from_diagonal(&width) * power(0.5);
        let inverse = power(-0.5) * DMatrix::from_diagonal(&width.map(|w| 1.0 / w));
        // Stored row by row; nalgebra has columns.
        self.root = root.transpose().as_slice().to_vec();
        self.inverse = inverse.transpose().as_slice().to_vec();
        self.log_det = values.iter().map(|value| 0.5 * value.ln()).sum::<f64>() + width.map(f64::ln).sum();
    }

    /// The volume-preserving coordinates below it.
    #[must_use]
    pub fn volume(&self) -> &Arc<Volume> {
        &self.volume
    }

    /// Coordinates that are no circles; they come first.
    #[must_use]
    pub fn narrow(&self) -> usize {
        self.narrow
    }

    /// The circles, by number among the volume-preserving coordinates.
    #[must_use]
    pub fn circles(&self) -> &[usize] {
        &self.order[self.narrow..]
    }

    /// `ln |dq/dy|`.
    #[must_use]
    pub fn log_det(&self) -> f64 {
        self.log_det + self.circles().len() as f64 * TURN.ln()
    }

    /// `q [dim]` of `y [dim]`; whether a configuration exists there.
    #[must_use]
    pub fn decode(&self, y: &[f64], q: &mut [f64]) -> bool {
        let (narrow, circles) = y.split_at(self.narrow);
        let first_torsion = self.volume.first_torsion();
        let mut inside = true;
        let places = self.order.chunks(ROWS).zip(self.mean.chunks(ROWS));
        for (rows, (order, mean)) in self.root.chunks(ROWS * self.narrow.max(1)).zip(places) {
            // A row's sum waits for each of its terms: several rows do so at once.
            let mut apart = [0.0; ROWS];
            let each: [&[f64]; ROWS] =
                std::array::from_fn(|r| rows.chunks_exact(self.narrow).nth(r).unwrap_or(&rows[..self.narrow]));
            for (j, y) in narrow.iter().enumerate() {
                for (apart, row) in apart.iter_mut().zip(each) {
                    *apart += row[j] * y;
                }
            }
            for ((&i, mean), apart) in order.iter().zip(mean).zip(apart) {
                inside &= i < first_torsion || apart.abs() < PI;
                q[i] = mean + apart;
            }
        }
        for (&i, y) in self.circles().iter().zip(circles) {
            q[i] = TURN * y;
        }
        inside && self.volume.contains(q)
    }

    /// `y [dim]` of `q [dim]`; whether it is within the chart.
    #[must_use]
    pub fn encode(&self, q: &[f64], y: &mut [f64]) -> bool {
        let mut apart = vec![0.0; self.narrow];
        self.apart(q, &mut apart);
        for (k, y) in y[..self.narrow].iter_mut().enumerate() {
            *y = self.inverse[k * self.narrow..][..self.narrow].iter().zip(&apart).map(|(r, d)| r * d).sum();
        }
        for (&i, y) in self.circles().iter().zip(&mut y[self.narrow..]) {
            *y = wrapped(q[i]) / TURN;
        }
        self.volume.contains(q)
    }

    /// Forces along `y` of forces along `q`.
    pub fn force(&self, along_q: &[f64], along_y: &mut [f64]) {
        let (narrow, circles) = along_y.split_at_mut(self.narrow);
        narrow.fill(0.0);
        for (row, &i) in self.root.chunks_exact(self.narrow.max(1)).zip(&self.order) {
            narrow.iter_mut().zip(row).for_each(|(y, r)| *y += r * along_q[i]);
        }
        for (y, &i) in circles.iter_mut().zip(self.circles()) {
            *y = TURN * along_q[i];
        }
    }

    /// Forces along `q` of forces along `y`.
    pub fn force_back(&self, along_y: &[f64], along_q: &mut [f64]) {
        let (narrow, circles) = along_y.split_at(self.narrow);
        let order = &self.order[..self.narrow];
        order.iter().for_each(|&i| along_q[i] = 0.0);
        for (row, y) in self.inverse.chunks_exact(self.narrow.max(1)).zip(narrow) {
            order.iter().zip(row).for_each(|(&i, r)| along_q[i] += r * y);
        }
        for (y, &i) in circles.iter().zip(self.circles()) {
            along_q[i] = y / TURN;
        }
    }

    /// Positions `[n, atoms, 3]` of rows where configurations exist, in the canonical pose.
    #[must_use]
    pub fn place(&self, rows: &[f64]) -> Vec<f64> {
        let (dim, frame) = (self.dim(), 3 * self.volume.atoms());
        let mut x = vec![0.0; rows.len() / dim * frame];
        let frames = x.par_chunks_exact_mut(frame).zip(rows.par_chunks_exact(dim));
        frames.for_each_init(
            || (self.volume.scratch(), vec![0.0; dim]),
            |(scratch, q), (x, y)| {
                if self.decode(y, q) {
                    self.volume.place(q, x, scratch);
                }
            },
        );
        x
    }

    /// Saves into `arrays` under `prefix`.
    pub fn save(&self, prefix: &str, arrays: &mut Arrays) {
        let circles: Vec<i64> = self.circles().iter().map(|&i| i as i64).collect();
        arrays.insert(format!("{prefix}.circles"), state::integers(&circles));
        let numbers = [("mean", &self.mean), ("root", &self.root), ("inverse", &self.inverse)];
        for (name, values) in numbers {
            arrays.insert(format!("{prefix}.{name}"), state::floats(values));
        }
        arrays.insert(format!("{prefix}.log_det"), state::floats(&[self.log_det]));
    }

    /// Reads what [`Chart::save`] wrote for the same molecule.
    ///
    /// # Errors
    /// When an array is missing or belongs to another molecule.
    pub fn load(volume: &Arc<Volume>, prefix: &str, arrays: &Arrays) -> Result<Self> {
        let get = |name: &str| state::f64s(arrays, &format!("{prefix}.{name}"));
        let circles = state::i64s(arrays, &format!("{prefix}.circles"))?;
        let circles: Vec<usize> = circles.into_iter().map(|i| i as usize).collect();
        let mut order: Vec<usize> = (0..volume.dim()).filter(|i| !circles.contains(i)).collect();
        let narrow = order.len();
        order.extend(&circles);
        let (mean, root, inverse) = (get("mean")?, get("root")?, get("inverse")?);
        let fits = order.len() == volume.dim() && mean.len() == narrow;
        if !fits || [&root, &inverse].iter().any(|m| m.len() != narrow * narrow) {
            return Err(Error::Internal(format!("checkpoint: `{prefix}` is the chart of another molecule")));
        }
        let log_det = get("log_det")?.first().copied().unwrap_or(f64::NAN);
        Ok(Self { volume: Arc::clone(volume), order, narrow, mean, root, inverse, log_det })
    }
}

impl Space for Chart {
    fn dim(&self) -> usize {
        self.volume.dim()
    }

    fn project(&self, _: &mut [f64]) {}

    fn settle(&self, row: &mut [f64]) {
        row[self.narrow..].iter_mut().for_each(|y| *y = settled(*y));
    }

    fn evaluate(&self, energy: &mut Metered, purpose: Purpose, y: &[f64], e: &mut [f64], f: &mut [f64]) -> Result<()> {
        let (dim, frame, n) = (self.dim(), 3 * self.volume.atoms(), y.len() / self.dim());
        let (mut q, mut x) = (vec![0.0; n * dim], vec![0.0; n * frame]);
        let exists = |scratch: &mut Scratch, ((x, q), y): ((&mut [f64], &mut [f64]), &[f64])| {
            self.decode(y, q) && {
                self.volume.place(q, x, scratch);
                self.volume.right(x)
            }
        };
        let rows = x.par_chunks_exact_mut(frame).zip(q.par_chunks_exact_mut(dim)).zip(y.par_chunks_exact(dim));
        let inside: Vec<bool> = rows.map_init(|| self.volume.scratch(), exists).collect();
        let mut kept = 0;
        for i in (0..n).filter(|i| inside[*i]) {
            q.copy_within(i * dim..(i + 1) * dim, kept * dim);
            x.copy_within(i * frame..(i + 1) * frame, kept * frame);
            kept += 1;
        }
        let (q, x) = (&q[..kept * dim], &x[..kept * frame]);
        let (mut found, mut pushed) = (vec![0.0; kept], vec![0.0; x.len()]);
        energy.energy_forces(purpose, x, &mut found, &mut pushed)?;

        let mut along = vec![0.0; q.len()];
        let configurations = q.par_chunks_exact(dim).zip(x.par_chunks_exact(frame));
        along.par_chunks_exact_mut(dim).zip(configurations).zip(pushed.par_chunks_exact(frame)).for_each_init(
            || (self.volume.scratch(), vec![0.0; dim]),
            |(scratch, along_q), ((out, configuration), force)| {
                self.volume.pull_back(configuration, force, along_q, scratch);
                self.force(along_q, out);
            },
        );
        let nothing = vec![0.0; dim];
        let mut found = found.into_iter().zip(along.chunks_exact(dim));
        for ((e, f), inside) in e.iter_mut().zip(f.chunks_exact_mut(dim)).zip(inside) {
            let next = if inside { found.next() } else { None };
            let (energy, force) = next.unwrap_or((f64::INFINITY, &nothing));
            *e = energy;
            f.copy_from_slice(force);
        }
        Ok(())
    }
}
