//! The score network: a residual perceptron whose hidden layers are scaled and shifted by the noise level (FiLM).
//!
//! ```text
//! inputs: y / sqrt(1 + h), and for circles cos and sin of 1 to 4 turns, damped by what the noise leaves of them
//! x = Lin(inputs);   x += Lin(act(Lin(x)))  (each block);   out = Lin(act(x))
//! act(a) = silu((1 + s) a + t),   s and t: tables over ln h, interpolated
//! score = -y/(1 + h) + out/sqrt(h (1 + h))  (narrow),   out/sqrt(h (1 + h))  (circles)
//! ```
//!
//! Rows go through in tiles. A row's numbers depend on nothing else; sums over rows run in their order, so gradients do not
//! depend on tiles or threads.

pub mod places;

use multiversion::multiversion;
use rayon::prelude::*;

use crate::flow::packing::{Init, Linear, Packing, Panel, Weights, panels};
use crate::lanes::gemm::{Start, outer_columns, product};
use crate::lanes::num::{H, Lanes, add_all, add_lanes, one_row};
use crate::real::Real;
use crate::samplers::internal::chart::{CIRCLE, TURN};

/// Multiples of a circle's angle that the network sees.
const HARMONICS: usize = 4;
/// Knots of the tables per unit of `ln sigma`.
const KNOTS_PER_LN: f64 = 2.0;
/// Rows that go through together.
pub const TILE: usize = 96;

/// Architecture and packing.
#[derive(Debug, Clone)]
pub struct Net {
    /// Coordinates that are no circles; they come first.
    pub narrow: usize,
    circles: usize,
    /// Hidden lanes.
    lanes: usize,
    /// The smallest `ln sigma`, and how many knots there are.
    first: f64,
    knots: usize,
    /// Input, two of each block, output.
    layers: Vec<Linear>,
    /// First lane of the tables, `[knots][stages][scale, shift]`.
    film: usize,
    /// All parameters.
    pub packing: Packing,
}

/// What a tile of rows keeps for the way back, or working memory of a pass without one.
#[derive(Debug, Clone, Default)]
pub struct Tile<T> {
    /// `[rows][input lanes]`; fill with [`Net::features`].
    pub inputs: Vec<Lanes<T>>,
    /// Scales and shifts, one for each row or one for all.
    film: Vec<Lanes<T>>,
    /// Where each row's lie among the knots: the lower one, and the part of the way to the next.
    places: Vec<(usize, T)>,
    /// The stream before each block, and at last.
    stream: Vec<Vec<Lanes<T>>>,
    /// What each stage's activation gets, and gives.
    before: Vec<Vec<Lanes<T>>>,
    after: Vec<Vec<Lanes<T>>>,
    /// `[rows][output lanes]`.
    pub outputs: Vec<Lanes<T>>,
    /// Derivatives with respect to `outputs`.
    pub output_bars: Vec<Lanes<T>>,
    stream_bars: Vec<Vec<Lanes<T>>>,
    before_bars: Vec<Vec<Lanes<T>>>,
    film_bars: Vec<Lanes<T>>,
}

fn fit<T: Real>(lanes: &mut Vec<Lanes<T>>, len: usize) {
    lanes.resize(len, Lanes([T::ZERO; H]));
}

fn fit_all<T: Real>(all: &mut Vec<Vec<Lanes<T>>>, n: usize, len: usize) {
    all.resize(n, Vec::new());
    all.iter_mut().for_each(|lanes| fit(lanes, len));
}

impl Net {
    /// A network for rows of `narrow` coordinates and `circles`, `width` hidden features (rounded up to 32), `blocks` blocks, noise
    /// between `sigma.0` and `sigma.1`.
    #[must_use]
    pub fn new((narrow, circles): (usize, usize), width: usize, blocks: usize, sigma: (f64, f64)) -> Self {
        let mut packing = Packing::default();
        let (inputs, outputs, width) = (narrow + 2 * HARMONICS * circles, narrow + circles, width.next_multiple_of(H));
        let mut layers = vec![packing.linear("input", inputs, width, Init::Default, None)];
        for b in 0..blocks {
            layers.push(packing.linear(&format!("block{b}.a"), width, width, Init::Default, None));
            layers.push(packing.linear(&format!("block{b}.b"), width, width, Init::Default, None));
        }
        layers.push(packing.linear("output", width, outputs, Init::Constant(0.0), None));
        let (first, last) = (sigma.0.ln(), sigma.1.ln());
        let knots = ((last - first) * KNOTS_PER_LN).ceil() as usize + 1;
        let film = packing.rows("film", &[knots, 2 * (blocks + 1) * width], 0.0, 0.0);
        Self { narrow, circles, lanes: width / H, first, knots, layers, film, packing }
    }

    /// Coordinates of a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.narrow + self.circles
    }

    fn blocks(&self) -> usize {
        self.layers.len() / 2 - 1
    }

    /// Lanes of a row's scales and shifts.
    fn film_lanes(&self) -> usize {
        2 * (self.blocks() + 1) * self.lanes
    }

    /// Lanes of a row of outputs.
    #[must_use]
    pub fn output_lanes(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Fills the inputs of a tile with rows at variances `h`: one for each row, or one for all. Circles lie within half a turn of 0.
    pub fn features<T: Real>(&self, rows: &[T], h: &[f64], tile: &mut Tile<T>) {
        let n = rows.len() / self.dim();
        let lanes = self.layers[0].inputs;
        fit(&mut tile.inputs, n * lanes);
        tile.places.clear();
        for &h in h {
            let place = ((0.5 * h.ln() - self.first) * KNOTS_PER_LN).clamp(0.0, (self.knots - 1) as f64);
            let knot = (place as usize).min(self.knots - 2);
            tile.places.push((knot, T::from_f64(place - knot as f64)));
        }
        let per_turn = T::from_f64(1.0 / CIRCLE);
        let mut damped = [T::ZERO; HARMONICS];
        let mut scale = T::ONE;
        for (r, (row, out)) in rows.chunks_exact(self.dim()).zip(tile.inputs.chunks_exact_mut(lanes)).enumerate() {
            if r == 0 || h.len() > 1 {
                let h = h[r.min(h.len() - 1)];
                scale = T::from_f64(1.0 / (1.0 + h).sqrt());
                let damp = |k: usize| (-0.5 * h * (TURN * (k + 1) as f64).powi(2)).exp();
                damped = std::array::from_fn(|k| T::from_f64(damp(k)));
            }
            out[lanes - 1] = Lanes([T::ZERO; H]);
            for (k, y) in row[..self.narrow].iter().enumerate() {
                out[k / H].0[k % H] = *y * scale;
            }
            let mut k = self.narrow;
            for y in &row[self.narrow..] {
                let turns = *y * per_turn;
                let turns = if turns < T::ZERO { turns + T::ONE } else { turns };
                let (sin, cos) = turns.sin_cos_turns();
                let (mut s, mut c) = (sin, cos);
                for damp in damped {
                    out[k / H].0[k % H] = c * damp;
                    out[(k + 1) / H].0[(k + 1) % H] = s * damp;
                    k += 2;
                    (c, s) = (c * cos - s * sin, s * cos + c * sin);
                }
            }
        }
    }

    /// Scales and shifts of the rows.
    fn modulate<T: Real>(&self, w: &Weights<T>, tile: &mut Tile<T>) {
        let lanes = self.film_lanes();
        fit(&mut tile.film, tile.places.len() * lanes);
        let table = &w.packed[self.film..][..self.knots * lanes];
        for (&(knot, part), out) in tile.places.iter().zip(tile.film.chunks_exact_mut(lanes)) {
            let (low, high) = (&table[knot * lanes..][..lanes], &table[(knot + 1) * lanes..][..lanes]);
            interpolate(low, high, part, out);
        }
    }

    /// From inputs to outputs; with `KEEP`, all that [`Net::reverse`] needs stays in the tile.
    pub fn forward<T: Real, const KEEP: bool>(&self, w: &Weights<T>, tile: &mut Tile<T>) {
        let (p, blocks) = (self.lanes, self.blocks());
        let n = tile.inputs.len() / self.layers[0].inputs;
        self.modulate(w, tile);
        let kept = |i: usize| if KEEP { i } else { 0 };
        fit_all(&mut tile.stream, kept(blocks) + 1, n * p);
        fit_all(&mut tile.before, kept(blocks) + 1, n * p);
        fit_all(&mut tile.after, kept(blocks) + 1, n * p);
        fit(&mut tile.outputs, n * self.output_lanes());
        let input = &self.layers[0];
        product(w.weight(input), &tile.inputs, input.inputs, Start::Bias(w.bias(input)), &mut tile.stream[0], p);
        let film = Film { rows: &tile.film, each: tile.places.len() > 1, stride: self.film_lanes(), lanes: p };
        for b in 0..blocks {
            let (a, c) = (&self.layers[1 + 2 * b], &self.layers[2 + 2 * b]);
            let k = kept(b);
            product(w.weight(a), &tile.stream[k], p, Start::Bias(w.bias(a)), &mut tile.before[k], p);
            activate(&tile.before[k], &film, b, &mut tile.after[k]);
            if KEEP {
                let (done, rest) = tile.stream.split_at_mut(b + 1);
                rest[0].copy_from_slice(&done[b]);
            }
            let stream = &mut tile.stream[kept(b + 1)];
            stream.chunks_exact_mut(p).for_each(|row| add_all(row, w.bias(c)));
            product(w.weight(c), &tile.after[k], p, Start::Add, stream, p);
        }
        let last = kept(blocks);
        activate(&tile.stream[last], &film, blocks, &mut tile.after[last]);
        let output = &self.layers[self.layers.len() - 1];
        let bias = Start::Bias(w.bias(output));
        product(w.weight(output), &tile.after[last], p, bias, &mut tile.outputs, output.outputs);
    }

    /// From `output_bars` back to the derivatives that [`Net::gradient`] sums. The weights must be transposed.
    pub fn reverse<T: Real>(&self, w: &Weights<T>, tile: &mut Tile<T>) {
        let (p, blocks) = (self.lanes, self.blocks());
        let n = tile.inputs.len() / self.layers[0].inputs;
        fit_all(&mut tile.stream_bars, blocks + 1, n * p);
        fit_all(&mut tile.before_bars, blocks, n * p);
        fit(&mut tile.film_bars, n * self.film_lanes());
        let film = Film { rows: &tile.film, each: tile.places.len() > 1, stride: self.film_lanes(), lanes: p };
        let output = &self.layers[self.layers.len() - 1];
        let top = &mut tile.stream_bars[blocks];
        product(w.transposed(output), &tile.output_bars, output.outputs, Start::Zero, top, p);
        activate_reverse(&tile.stream[blocks], &film, blocks, top, &mut tile.film_bars);
        for b in (0..blocks).rev() {
            let (a, c) = (&self.layers[1 + 2 * b], &self.layers[2 + 2 * b]);
            let (below, above) = tile.stream_bars.split_at_mut(b + 1);
            let bars = &mut tile.before_bars[b];
            product(w.transposed(c), &above[0], p, Start::Zero, bars, p);
            activate_reverse(&tile.before[b], &film, b, bars, &mut tile.film_bars);
            below[b].copy_from_slice(&above[0]);
            product(w.transposed(a), bars, p, Start::Add, &mut below[b], p);
        }
    }

    /// Adds the derivatives with respect to the parameters to `gradient` (packed as they are).
    pub fn gradient<T: Real>(&self, tiles: &[Tile<T>], gradient: &mut [Lanes<T>]) {
        let (linears, film) = gradient.split_at_mut(self.film);
        let each = |column: &mut Vec<Lanes<T>>, panel: Panel<'_, T>| {
            let Linear { inputs, outputs, .. } = self.layers[panel.layer];
            for tile in tiles {
                let (x, bars) = self.ends(panel.layer, tile);
                column.clear();
                column.extend(bars.chunks_exact(outputs).map(|row| row[panel.index]));
                column.iter().for_each(|y| add_lanes(panel.bias, y));
                outer_columns(x, inputs, column, column.len(), panel.weight);
            }
        };
        panels(&self.layers, linears).into_par_iter().for_each_init(Vec::new, each);
        let lanes = self.film_lanes();
        for tile in tiles {
            for (&(knot, part), bar) in tile.places.iter().zip(tile.film_bars.chunks_exact(lanes)) {
                let (low, high) = film[knot * lanes..][..2 * lanes].split_at_mut(lanes);
                share(bar, part, low, high);
            }
        }
    }

    /// What a layer got, and the derivatives with respect to what it gave.
    fn ends<'a, T>(&self, layer: usize, tile: &'a Tile<T>) -> (&'a [Lanes<T>], &'a [Lanes<T>]) {
        let b = layer.saturating_sub(1) / 2;
        match layer {
            0 => (&tile.inputs, &tile.stream_bars[0]),
            l if l + 1 == self.layers.len() => (&tile.after[self.blocks()], &tile.output_bars),
            l if l % 2 == 1 => (&tile.stream[b], &tile.before_bars[b]),
            _ => (&tile.after[b], &tile.stream_bars[b + 1]),
        }
    }
}

/// Scales and shifts of a tile's rows.
struct Film<'a, T> {
    rows: &'a [Lanes<T>],
    /// Whether each row has its own.
    each: bool,
    stride: usize,
    lanes: usize,
}

impl<T> Film<'_, T> {
    /// Where the scales of row `r` at a stage begin; the shifts follow them.
    #[inline(always)]
    fn at(&self, r: usize, stage: usize) -> usize {
        usize::from(self.each) * r * self.stride + 2 * stage * self.lanes
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn interpolate<T: Real>(low: &[Lanes<T>], high: &[Lanes<T>], part: T, out: &mut [Lanes<T>]) {
    for ((low, high), out) in low.iter().zip(high).zip(out) {
        for o in 0..H {
            out.0[o] = part.fma(high.0[o] - low.0[o], low.0[o]);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn share<T: Real>(bar: &[Lanes<T>], part: T, low: &mut [Lanes<T>], high: &mut [Lanes<T>]) {
    for ((bar, low), high) in bar.iter().zip(low).zip(high) {
        for o in 0..H {
            low.0[o] = (T::ONE - part).fma(bar.0[o], low.0[o]);
            high.0[o] = part.fma(bar.0[o], high.0[o]);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn activate<T: Real>(a: &[Lanes<T>], film: &Film<'_, T>, stage: usize, out: &mut [Lanes<T>]) {
    for r in 0..a.len() / film.lanes {
        let at = film.at(r, stage);
        for l in 0..film.lanes {
            let (scale, shift) = (&film.rows[at + l], &film.rows[at + film.lanes + l]);
            let (a, out) = (&a[r * film.lanes + l], one_row(&mut out[r * film.lanes + l]));
            for o in 0..H {
                let c = scale.0[o].fma(a.0[o], a.0[o]) + shift.0[o];
                out.0[o] = c * c.sigmoid();
            }
        }
    }
}

/// Turns derivatives with respect to what [`activate`] gave into those with respect to `a`, and writes those with respect to scales
/// and shifts.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq+avx2+fma", "x86_64+avx2+fma"))]
fn activate_reverse<T: Real>(
    a: &[Lanes<T>],
    film: &Film<'_, T>,
    stage: usize,
    bars: &mut [Lanes<T>],
    film_bars: &mut [Lanes<T>],
) {
    for r in 0..a.len() / film.lanes {
        let at = film.at(r, stage);
        let own = r * film.stride + 2 * stage * film.lanes;
        for l in 0..film.lanes {
            let (scale, shift) = (&film.rows[at + l], &film.rows[at + film.lanes + l]);
            let (a, bar) = (&a[r * film.lanes + l], one_row(&mut bars[r * film.lanes + l]));
            let mut c_bar = Lanes([T::ZERO; H]);
            for o in 0..H {
                let c = scale.0[o].fma(a.0[o], a.0[o]) + shift.0[o];
                let s = c.sigmoid();
                c_bar.0[o] = bar.0[o] * s.fma(c - c * s, s);
                bar.0[o] = scale.0[o].fma(c_bar.0[o], c_bar.0[o]);
            }
            for o in 0..H {
                film_bars[own + l].0[o] = c_bar.0[o] * a.0[o];
            }
            film_bars[own + film.lanes + l] = c_bar;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn setup() -> (Net, Weights<f64>, Vec<f64>, Vec<f64>) {
        let net = Net::new((5, 2), 64, 2, (0.05, 4.0));
        let stream = Stream::new(3, Purpose::Weights, 0);
        let mut w = Weights::initial(&net.packing, &stream);
        let mut draws = stream.at(1_000);
        for x in w.packed.iter_mut().flat_map(|l| &mut l.0) {
            *x += 0.05 * draws.normal();
        }
        let rows = (0..7 * 11).map(|_| draws.normal()).collect();
        let h = (0..11).map(|i| 0.003 * 2.5_f64.powi(i)).collect();
        (net, w, rows, h)
    }

    fn coefficient(r: usize, o: usize) -> f64 {
        ((3 * r + 5 * o) as f64).sin()
    }

    /// Rows forward and back, with the coefficients of those of the batch from `first` on.
    fn there_and_back(net: &Net, w: &Weights<f64>, rows: &[f64], h: &[f64], first: usize) -> Tile<f64> {
        let mut tile = Tile::default();
        net.features(rows, h, &mut tile);
        net.forward::<f64, true>(w, &mut tile);
        let bar = |r| Lanes(std::array::from_fn(|o| if o < 7 { coefficient(r, o) } else { 0.0 }));
        tile.output_bars = (first..first + h.len()).map(bar).collect();
        net.reverse(w, &mut tile);
        tile
    }

    fn outputs<T: Real>(net: &Net, w: &Weights<T>, rows: &[T], h: &[f64]) -> Vec<Lanes<T>> {
        let mut tile = Tile::default();
        net.features(rows, h, &mut tile);
        net.forward::<T, false>(w, &mut tile);
        tile.outputs
    }

    /// `sum_r c_r . out_r`, its derivatives by differences of every 37th parameter. Padding has none that matter.
    #[test]
    fn gradient_against_differences() {
        let (net, mut w, rows, h) = setup();
        let value = |w: &Weights<f64>| -> f64 {
            let out = outputs(&net, w, &rows, &h);
            (0..11).flat_map(|r| (0..7).map(move |o| (r, o))).map(|(r, o)| coefficient(r, o) * out[r].0[o]).sum()
        };
        w.transpose(&net.packing);
        let mut gradient = vec![Lanes([0.0; H]); net.packing.lanes];
        // Two tiles: the sums go on from one to the next.
        let part = |rows, h, first| there_and_back(&net, &w, rows, h, first);
        net.gradient(&[part(&rows[..28], &h[..4], 0), part(&rows[28..], &h[4..], 4)], &mut gradient);
        let mut whole = vec![Lanes([0.0; H]); net.packing.lanes];
        net.gradient(&[part(&rows, &h, 0)], &mut whole);
        assert!(gradient == whole, "tiles change no bit");
        let mut seen = 0;
        for (lane, exact) in gradient.iter().enumerate() {
            for o in (lane % 37..H).step_by(37) {
                let x = w.packed[lane].0[o];
                let ends = [1e-5, -1e-5].map(|d| {
                    w.packed[lane].0[o] = x + d;
                    value(&w)
                });
                w.packed[lane].0[o] = x;
                let slope = (ends[0] - ends[1]) / 2e-5;
                assert!((slope - exact.0[o]).abs() < 1e-6, "{lane} {o}: {slope} {}", exact.0[o]);
                seen += usize::from(slope.abs() > 1e-6);
            }
        }
        assert!(seen > 200, "{seen}");
    }

    #[test]
    fn a_row_does_not_depend_on_its_batch() {
        let (net, _, rows, h) = setup();
        let w = Weights::<f32>::initial(&net.packing, &Stream::new(3, Purpose::Weights, 0));
        let rows: Vec<f32> = rows.iter().map(|x| *x as f32).collect();
        let all = outputs(&net, &w, &rows, &h);
        for r in 0..11 {
            assert_eq!(outputs(&net, &w, &rows[7 * r..][..7], &h[r..=r])[0], all[r]);
        }
    }
}
