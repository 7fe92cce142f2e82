//! Progressive inference-time annealing in whitened internal coordinates of a molecule.
//!
//! As PITA a diffusion model learns one temperature, and its annealed paths lead to the next. Other than there: the coordinates are
//! nearly Gaussian ([`super::internal::Chart`], fitted anew at every temperature), the paths' kernels are exact for Gaussians at any
//! step size, their weights are those of the whole path against the true energy (no learned energy, no divergence), the network learns
//! from forces as well as from noise, and MALA in the same coordinates renews what is resampled. The last rung leads from the target
//! to itself: its weights give an effective sample size and `ln Z`.
//!
//! | file | what |
//! |---|---|
//! | [`circle`] | the wrapped normal |
//! | [`kernels`] | paths: levels, moves, where they begin |
//! | `walk` | along them, both ways, with weights |
//! | [`lookahead`] | of several children one goes on |
//! | `compensate` | steps without noise kept on finer ones |
//! | [`control`] | what a pilot fits of the kernels |
//! | `pilot` | where noise levels should lie |
//! | [`net`] | the score network |
//! | [`data`] | frames with forces, as training reads them |
//! | `fokker_planck` | how far scores are from solving their equation |
//! | [`train`] | the training target, steps, averaged weights |
//! | [`model`] | chart, network and kernels together: draws, and weights of given frames |
//! | `sampler` | the ladder |

pub mod circle;
mod compensate;
pub mod control;
pub mod data;
mod fokker_planck;
pub mod kernels;
pub mod lookahead;
pub mod model;
pub mod net;
mod pilot;
mod sampler;
#[cfg(test)]
mod tests;
pub mod train;
mod walk;

pub use control::Control;
pub use kernels::within;
pub use model::Model;
pub use sampler::PitaIc;
