//! Steps from noise to data as plain numbers: what to multiply scores with, and the variances of the kernels.
//!
//! Noise of variance `h = sigma^2` is added to data (VE), `D = x + h s` is the denoised prediction. Every step is
//!
//! ```text
//! x' = x + sum_j scores_j s_j + sum_j places_j (x_j - x) + own x + sqrt(forward) z
//! ```
//!
//! over predictions `j`: the one at hand, those on the way (single-step methods) or those of levels before (multistep methods); all of
//! them are known once the path up to `x` is, so the step has the density `F = N(mean, forward)` whatever its order. Beside it stands
//! the kernel back, `B = N(x' - back_drift s(x', h'), backward)`. Weights of paths are products of `B/F`, exact for any such pair;
//! how large they are tells how well the pair fits.
//!
//! | file | what |
//! |---|---|
//! | [`terms`] | multipliers of deterministic steps |
//! | [`moves`] | all moves of a path with their kernels |
//! | [`grid`] | noise levels |
//! | [`statistics`] | DPM-Solver-v3: multipliers by what scores are like |

pub mod grid;
pub mod moves;
pub mod statistics;
pub mod terms;

pub use moves::{Move, Scheme, follow, plan};
pub use statistics::Statistics;
pub use terms::{Form, Stage, Terms};
