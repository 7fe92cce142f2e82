//! The reference engine: networks written once over [`Jet`] (value + tangents) on candle tensors.

mod egnn;
mod jet;

pub use egnn::{CandleEgnn, egnn_layout};
pub use jet::Jet;
