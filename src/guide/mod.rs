//! Guides: one page for each thing that people come for. The same files can be read in the repository, under `src/guide/`.
//!
//! | guide | for whom |
//! |---|---|
//! | [`quick_start`] | the first ten minutes |
//! | [`own_samples`] | who has samples and wants to know how good they are |
//! | [`own_sampler`] | who has a sampler and wants it in the table |
//! | [`own_molecule`] | who has another molecule |
//! | [`reading_a_table`] | what each number means |
//! | [`tracing_a_number`] | where each number comes from |
//! | [`solvers`] | faster draws from a diffusion model: steps, grids, and how they rank |
//! | [`json`] | what programs read: the shapes of `--json` |
//! | [`checks`] | why to believe it |
//! | [`gpu`], [`cluster`] | larger machines |
//! | [`speed`] | how fast it is, beside its peers |
//! | [`limits`] | what it does not do |

#[doc = include_str!("quick-start.md")]
pub mod quick_start {}
#[doc = include_str!("own-samples.md")]
pub mod own_samples {}
#[doc = include_str!("own-sampler.md")]
pub mod own_sampler {}
#[doc = include_str!("own-molecule.md")]
pub mod own_molecule {}
#[doc = include_str!("reading-a-table.md")]
pub mod reading_a_table {}
#[doc = include_str!("tracing-a-number.md")]
pub mod tracing_a_number {}
#[doc = include_str!("solvers.md")]
pub mod solvers {}
#[doc = include_str!("json.md")]
pub mod json {}
#[doc = include_str!("checks.md")]
pub mod checks {}
#[doc = include_str!("gpu.md")]
pub mod gpu {}
#[doc = include_str!("cluster.md")]
pub mod cluster {}
#[doc = include_str!("speed.md")]
pub mod speed {}
#[doc = include_str!("limits.md")]
pub mod limits {}
