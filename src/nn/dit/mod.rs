//! A fused CPU engine for the diffusion transformer (DiT) of ALDP and AL3.
//!
//! One token per atom, in topology order; `F(c_noise, y, beta)` for coordinates `y [tokens, 3]`:
//!
//! ```text
//! x    = W y + b                                                      [tokens, hidden]
//! c    = SiLU(MLP(embedding(c_noise)) + MLP(embedding(beta)))         [cond]          conditioning
//! x    = block(x, c), `layers` times                                                  block
//! F    = W (LN(x) w (1 + scale(c)) + shift(c)) + b                    [tokens, 3]     network
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`plan`] | shapes, parameters in file order, where each lies in packed lanes |
//! | [`mat`] | rows with tangents: `[components][rows][lanes of 32 features]` |
//! | [`crate::lanes::gemm`], [`linear`] | products with packed weights, weight gradients |
//! | [`norm`], [`activation`], [`attention`] | what lies between the products, forward and reverse |
//! | [`block`], [`reverse`] | one block, forward and reverse |
//! | [`conditioning`], [`edges`], [`network`] | the whole network, forward and reverse |
//! | [`tangents`] | exact divergence |
//! | [`backbone`] | both heads on batches, in parallel |
//!
//! Every formula is written once, for `K` components: a value and `K - 1` tangents. `K = 1` is the plain pass, `K = 2`
//! dual numbers: the reverse pass on them gives the derivative of a gradient, `d/dtheta <v, grad_x U>`. Forward passes take
//! any number of tangents, pair by pair with their value. Products are linear, so the tangents' rows ride in the same product, and what an earlier pass
//! computed for the values is not computed again: second order costs six forward passes, a divergence `1 + dim`.
//!
//! Memory is that of one micro-batch per thread, whatever the batch. Sums over samples run in fixed groups, so no bit
//! depends on the number of threads.

// Loops index several arrays at once, as the formulas do; iterator adaptors would also bring in closures, see `num`.
#![allow(clippy::needless_range_loop)]

pub mod activation;
pub mod attention;
mod backbone;
pub mod block;
pub mod conditioning;
pub mod dropout;
pub mod edges;
pub mod linear;
pub mod mat;
pub mod network;
pub mod norm;
pub mod plan;
pub mod reverse;
pub mod tangents;

pub use backbone::Dit;
