//! Annealed sequential Monte Carlo (Neal 2001; Del Moral, Doucet and Jasra 2006): the control that says what a model is
//! worth. It has PITA's start, its ladder and moves on the true energy, and no network.
//!
//! | file | what |
//! |---|---|
//! | `sampler` | initial data by [`crate::samplers::md::Md`], then per temperature: weights, resampling, moves; frames at the target |
//! | [`ladder`] | the next temperature for an effective sample size |
//! | [`weights`] | weights of the particles, `ln Z` with its error |
//! | `moves` | Markov chains of the particles |
//!
//! At the target particles are always resampled and moved, so that samples carry no weights. They come with `parents`,
//! the initial frame that each descends from.

pub mod ladder;
mod moves;
mod sampler;
pub mod weights;

pub use sampler::Smc;
