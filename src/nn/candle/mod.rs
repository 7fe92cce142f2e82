//! The reference engine: networks written once over [`Jet`] (value + tangents) on candle tensors.

mod dit;
mod egnn;
mod heads;
mod jet;

pub use dit::CandleDit;
pub use egnn::{CandleEgnn, Egnn, egnn_layout};
pub use heads::{Candle, JetNet, Weights};
pub use jet::Jet;
