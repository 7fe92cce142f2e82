//! Coordinates in which a molecule is nearly Gaussian, for samplers that move or learn there.
//!
//! | file | what |
//! |---|---|
//! | [`chart`] | whitened volume-preserving internal coordinates, circles apart; a [`Space`](super::md::space::Space) for MALA |

pub mod chart;

pub use chart::Chart;
