//! Exact divergence: all coordinate directions pushed forward through the network, a group at a time, on top of one
//! sample's values. Only the products of the tangents are computed; one layer's buffers serve all.

use super::block::{BlockTape, Forward};
use super::mat::{Mat, Scalars};
use super::network::{Memory, Network};
use crate::nn::fused::num::Num;
use crate::real::Real;

/// Directions pushed together: with 22 tokens, 242 rows to a product.
const GROUP: usize = 11;
/// They and the value.
const K: usize = GROUP + 1;

/// Working memory for one sample.
#[derive(Debug)]
pub struct Tangents<T> {
    y: Scalars<T>,
    f: Scalars<T>,
    tape: BlockTape<T>,
    next: Mat<T>,
    u: Mat<T>,
    hidden: Mat<T>,
    mods: Vec<Mat<T>>,
}

impl<T: Real> Tangents<T> {
    /// Memory for one sample.
    pub fn new(net: &Network<'_, T>) -> Self {
        let plan = net.plan;
        let mat = |lanes| Mat::new(K, plan.tokens, lanes);
        let outputs = plan.blocks.iter().map(|b| &b.modulation).chain([&plan.final_modulation]);
        Self {
            y: Scalars::new(K, 3 * plan.tokens),
            f: Scalars::new(K, 3 * plan.tokens),
            tape: BlockTape::new(plan, &net.attention, K, plan.tokens),
            next: mat(plan.hidden),
            u: mat(plan.hidden),
            hidden: mat(plan.blocks[0].mlp0.outputs),
            mods: outputs.map(|m| Mat::new(1, 1, m.outputs)).collect(),
        }
    }

    /// Trace of `dF/dy` at the one sample whose values `m` holds.
    pub fn trace(&mut self, net: &Network<'_, T>, m: &Memory<T>) -> f64 {
        for (own, mods) in self.mods.iter_mut().zip(&m.conditioning.mods) {
            own.part_mut(0, 1).copy_from_slice(mods.part(0, 1));
        }
        let dim = self.y.len;
        let mut head = net.attention.memory::<K>();
        let mut trace = 0.0;
        for first in (0..dim).step_by(GROUP) {
            for i in 0..dim {
                let mut y = Num::<T, K>::constant(m.y.get::<1>(i).0[0]);
                for k in 1..K {
                    y.0[k] = if i == first + k - 1 { T::ONE } else { T::ZERO };
                }
                self.y.put(i, y);
            }
            net.embed::<K>(&self.y, &mut self.tape.x);
            let mut run = Forward {
                w: &net.w,
                attention: &net.attention,
                head: &mut head,
                u: &mut self.u,
                y: &mut self.hidden,
                from: 1,
            };
            for (b, values) in m.blocks.iter().enumerate() {
                let tape = &mut self.tape;
                for (own, value) in [
                    (&mut tape.qkv, &values.qkv),
                    (&mut tape.a, &values.a),
                    (&mut tape.z, &values.z),
                    (&mut tape.e, &values.e),
                ] {
                    own.part_mut(0, 1).copy_from_slice(value.part(0, 1));
                }
                let (plan, mods) = (&net.plan.blocks[b], &self.mods[b]);
                tape.attend::<K, 1>(plan, &mut run, mods, None);
                tape.transform::<K, 1>(plan, &mut run, mods, None, &mut self.next);
                std::mem::swap(&mut tape.x, &mut self.next);
            }
            net.output::<K, 1>(&self.tape.x, &self.mods[m.blocks.len()], run.u, &mut self.f);
            for k in 1..K {
                if first + k - 1 < dim {
                    trace += self.f.get::<K>(first + k - 1).0[k].to_f64();
                }
            }
        }
        trace
    }
}
