//! TarFlow: a normalizing flow of causal transformers on Cartesian coordinates (Zhai et al. 2024, arXiv 2412.06329), as
//! `transferable-samplers` uses it for molecules.
//!
//! A configuration is a row of tokens (an atom, or one coordinate). A block moves each token by what a causal transformer says of
//! those before it, `z = (x - b) e^(-a)`; every other block takes the tokens in reverse order. Encoding is one pass over all
//! tokens, decoding goes token by token with cached keys and values.
//!
//! | file | what |
//! |---|---|
//! | [`shape`] | sizes and parameters |
//! | [`pieces`] | layer norm and GELU, forward and reverse |
//! | [`attention`] | causal attention of one configuration, forward and reverse |
//! | [`layer`] | one transformer layer on a tile |
//! | [`network`] | encoding and its reverse pass |
//! | `decode` | decoding |
//! | `reverse` | its reverse pass |

pub mod attention;
mod decode;
pub mod layer;
pub mod network;
pub mod pieces;
mod reverse;
pub mod shape;

pub use network::{Seeds, TarTape};
pub use shape::TarFlow;
