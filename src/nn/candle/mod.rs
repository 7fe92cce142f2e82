//! The reference engine: networks written once over [`jet::Jet`] (value + tangents) on candle tensors.

mod dit;
mod egnn;
mod heads;
mod jet;

pub use dit::CandleDit;
pub use egnn::{CandleEgnn, egnn_layout};
