//! Networks: one backbone, two heads (score and energy), and what training them needs.
//!
//! [`Backbone`] is the boundary: flat f64 slices in and out, whatever computes inside. [`candle`] is the reference (one
//! definition over values with tangents); [`fused`] and [`dit`] are the fast CPU engines, checked against it and the golden files.

mod adam;
mod backbone;
pub mod candle;
pub mod dit;
pub(crate) mod edm;
mod ema;
mod engine;
pub mod fused;
mod halving;
mod layout;
mod learned;
mod learning;

pub use adam::{Adam, Rates, clip_norm};
pub use backbone::{Backbone, Batch, Cotangent, EnergyOut, EnergySeed, Given, Head, Resident, Seeds};
pub use ema::{Ema, warm_decay};
pub use engine::build;
pub use halving::Halving;
pub use layout::{Layout, Parameter};
pub use learned::{Learned, Pace};
pub use learning::Learning;
