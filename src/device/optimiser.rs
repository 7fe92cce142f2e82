//! The optimiser on a device (`src/kernels/optimiser.cuh`): parameters, their gradient, Adam's moments and the average stay there
//! in f64, beside what a network's kernels read of the parameters, and a step is one program of which the gradient's norm comes
//! back. The arithmetic is that of [`Learned::step`], bit for bit but for the order in which the squares of the norm are added.

use std::sync::Arc;

use super::engine::{format_of, reals_of};
use super::launch::{Arg, Call, Kept, Launch, Program};
use crate::error::Result;
use crate::nn::{Learned, Pace, Rates};
use crate::real::Precision;

/// Threads of a block; also the most parts of the norm, which one block adds up.
const THREADS: usize = 256;
/// Most blocks of what strides over the grid.
const BLOCKS: usize = 2_048;

/// How parameters become what kernels read, and what kernels sum becomes a gradient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packing {
    /// For each buffer of weights, which parameter each of its numbers is; negative: none, the number is 0.
    pub weights: Vec<Vec<i32>>,
    /// Which number of a sum is the gradient of each parameter; negative: none, it has no gradient.
    pub gradient: Vec<i32>,
}

/// Where a pass adds the gradient of its parameters.
pub enum Gradient<'a> {
    /// To numbers of the host.
    Here(&'a mut [f64]),
    /// To numbers that stay on the device.
    There(Target<'a>),
}

/// The gradient of one head's parameters, on the device.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    grad: &'a Kept,
    from: &'a Kept,
    first: usize,
    len: usize,
}

impl<'a> Target<'a> {
    /// At the end of a program: adds what its kernels left in `sum`.
    pub fn add(&self, program: &mut Program<'a>, precision: Precision, sum: Arg<'a>) {
        let grad = program.buffers.len();
        program.buffers.push(Arg::Kept(self.grad));
        let grad = Arg::Part { buffer: grad, byte: 8 * self.first };
        let args = vec![Arg::Int(self.len as i32), Arg::Kept(self.from), sum, grad];
        program.calls.push(call(format!("optimiser_add_{}", format_of(precision).0), self.len, args));
    }
}

/// Shared memory of a sum over a block.
const SHARED: u32 = 8 * THREADS as u32;

/// A kernel that strides over `n` numbers.
fn call(kernel: impl Into<String>, n: usize, args: Vec<Arg<'_>>) -> Call<'_> {
    let blocks = n.div_ceil(THREADS).clamp(1, BLOCKS) as u32;
    Call { kernel: kernel.into(), blocks, threads: THREADS as u32, shared: 0, args }
}

fn kept<T: bytemuck::Pod>(values: &[T]) -> Kept {
    Kept::new(bytemuck::cast_slice(values).to_vec())
}

/// What training changes, on a device.
pub struct Optimiser {
    launcher: Arc<dyn Launch>,
    precision: Precision,
    /// Parameters of all heads.
    len: usize,
    /// Of one.
    head: usize,
    grad: Kept,
    /// Parameters, Adam's moments, average.
    state: [Kept; 4],
    /// See [`Packing`].
    weights: Vec<(usize, Kept)>,
    from: Kept,
}

impl Optimiser {
    /// From here on; a head has as many parameters as `packing` has gradients of.
    #[must_use]
    pub fn new(launcher: &Arc<dyn Launch>, precision: Precision, packing: &Packing, learned: &Learned) -> Self {
        let Learned { params, adam, ema } = learned;
        Self {
            launcher: Arc::clone(launcher),
            precision,
            len: params.len(),
            head: packing.gradient.len(),
            grad: kept(&vec![0.0; params.len()]),
            state: [params, &adam.mean, &adam.square, &ema.params].map(|values| kept(values)),
            weights: packing.weights.iter().map(|of| (of.len(), kept(of))).collect(),
            from: kept(&packing.gradient),
        }
    }

    /// Where the gradient of a head belongs.
    #[must_use]
    pub fn target(&self, head: usize) -> Target<'_> {
        Target { grad: &self.grad, from: &self.from, first: head * self.head, len: self.head }
    }

    /// As [`crate::nn::Resident::step`]; `heads` is what the kernels read of each head, which changes with the parameters.
    ///
    /// # Errors
    /// When the device refuses.
    pub fn step(&self, next: &Learned, pace: Pace, heads: &[&[Kept]]) -> Result<f64> {
        let Rates { keep: [b1, b2], epsilon, rate, correction } = next.adam.rates(pace.learning_rate);
        let rates = [b1, 1.0 - b1, b2, 1.0 - b2, epsilon, rate, correction, next.ema.follow(), pace.clip];
        let parts = self.len.div_ceil(8 * THREADS).clamp(1, THREADS);
        let mut norm = [0_u8; 8];
        let mut buffers = vec![
            Arg::In(bytemuck::cast_slice(&rates)),
            Arg::Scratch(8 * parts),
            Arg::Out(&mut norm),
            Arg::Kept(&self.grad),
        ];
        buffers.extend(self.state.iter().map(Arg::Kept));
        let part = |buffer| Arg::Part { buffer, byte: 0 };
        let n = |n: usize| Arg::Int(n as i32);
        let squares = call("optimiser_squares", self.len, vec![n(self.len), part(3), part(1)]);
        let mut args = vec![n(self.len), n(parts), part(0), part(1)];
        args.extend((3..8).map(part));
        args.push(part(2));
        let update = call("optimiser_update", self.len, args);
        let mut calls =
            vec![Call { blocks: parts as u32, shared: SHARED, ..squares }, Call { shared: SHARED, ..update }];
        for (head, weights) in heads.iter().enumerate() {
            let params = 8 * head * self.head;
            for ((count, of), weights) in self.weights.iter().zip(*weights) {
                let params = Arg::Part { buffer: 4, byte: params };
                let args = vec![n(*count), Arg::Kept(of), params, Arg::Kept(weights)];
                calls.push(call(format!("optimiser_pack_{}", format_of(self.precision).0), *count, args));
            }
        }
        self.launcher.run(Program { buffers, calls })?;
        Ok(f64::from_le_bytes(norm))
    }

    /// As [`crate::nn::Resident::read`].
    ///
    /// # Errors
    /// When the device refuses.
    pub fn read(&self) -> Result<[Vec<f64>; 4]> {
        let read = |kept: &Kept| self.launcher.read(kept).map(|bytes| reals_of(Precision::F64, &bytes));
        let [params, mean, square, average] = self.state.each_ref().map(read);
        Ok([params?, mean?, square?, average?])
    }
}
