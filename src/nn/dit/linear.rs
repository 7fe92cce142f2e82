//! A linear layer on rows with tangents: forward, reverse, gradient.

use super::mat::Mat;
use super::plan::{Linear, Packed};
use crate::lanes::gemm::{Start, outer, product};
use crate::lanes::num::{H, Lanes, add_all};
use crate::real::Real;

impl Linear {
    /// Lanes of the weight.
    fn len(&self) -> usize {
        self.inputs * H * self.outputs
    }

    /// `y = x W^T + b` for the components `from..to` (the bias belongs to component 0).
    pub fn forward<T: Real>(&self, w: &Packed<T>, x: &Mat<T>, y: &mut Mat<T>, from: usize, to: usize) {
        let weight = &w.forward[self.weight..][..self.len()];
        let mut from = from;
        if let (0, Some(bias)) = (from, self.bias) {
            let bias = Start::Bias(&w.forward[bias..][..self.outputs]);
            product(weight, x.part(0, 1), self.inputs, bias, y.part_mut(0, 1), self.outputs);
            from = 1;
        }
        if from < to {
            product(weight, x.part(from, to), self.inputs, Start::Zero, y.part_mut(from, to), self.outputs);
        }
    }

    /// `x_bar = y_bar W` for the components `from..to`, or `+=` when `add`.
    pub fn reverse<T: Real>(
        &self,
        w: &Packed<T>,
        y_bar: &Mat<T>,
        x_bar: &mut Mat<T>,
        from: usize,
        to: usize,
        add: bool,
    ) {
        let weight = &w.transposed[self.weight..][..self.len()];
        let start = if add { Start::Add } else { Start::Zero };
        if from < to {
            product(weight, y_bar.part(from, to), self.outputs, start, x_bar.part_mut(from, to), self.inputs);
        }
    }

    /// Adds the last component of the gradient to `grad`.
    pub fn gradient<T: Real, const K: usize>(
        &self,
        x: &Mat<T>,
        y_bar: &Mat<T>,
        grad: &mut [Lanes<T>],
        scratch: &mut Vec<Lanes<T>>,
    ) {
        let g = &mut grad[self.weight..][..self.len()];
        let pairs = [(x.part(0, 1), y_bar.part(K - 1, K)), (x.part(K - 1, K), y_bar.part(0, 1))];
        // On values alone both are the same.
        outer(&pairs[..K.min(2)], self.inputs, self.outputs, g, scratch);
        if let Some(bias) = self.bias {
            for row in y_bar.part(K - 1, K).chunks_exact(self.outputs) {
                add_all(&mut grad[bias..], row);
            }
        }
    }
}
