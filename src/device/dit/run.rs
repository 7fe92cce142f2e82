//! What the calls of a pass have in common.

use super::Dit;
use super::builder::Place;

/// What all calls of a pass share.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    /// The network.
    pub net: &'a Dit,
    /// Samples.
    pub samples: usize,
    /// Values and tangents.
    pub components: usize,
    /// Whether noise levels have a tangent.
    pub moved: bool,
    /// Flat parameters.
    pub w: Place,
    /// Tables of the rotary attention.
    pub tables: Place,
    /// Dropout masks `[2 blocks, samples, tokens, hidden]`.
    pub masks: Option<Place>,
}
