//! Progressive inference-time annealing (arXiv 2506.16471), and what remains of it without its parts (FKC, score scaling,
//! MD-Diff: [`crate::spec::PitaSpec::method`]).
//!
//! | file | what |
//! |---|---|
//! | `sampler` | the ladder: initial data by [`crate::samplers::md::Md`], then per rung the phases below |
//! | `buffer` | the data of one rung |
//! | [`loss`], `train` | both losses with their gradients; batches, Adam, averaged weights |
//! | `anneal` | weighted particles from noise to the next temperature |
//! | [`model`] | further draws from what a run leaves |
//! | `refine` | their moves on the true energy: MALA, Langevin dynamics |

mod anneal;
mod buffer;
pub mod loss;
pub mod model;
mod refine;
mod sampler;
pub(super) mod train;

pub use model::Model;
pub use sampler::Pita;
