//! Samples that somebody made elsewhere: a row of the table without a program.

use serde::{Deserialize, Serialize};

/// A file of samples. Its identity is the content of the file and what is claimed about it; not where it lies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplesSpec {
    /// The file; not part of the identity.
    pub path: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub file: String,
    /// Energy evaluations that they took, by the word of whoever made them; `None` where nothing is said.
    pub evaluations: Option<u64>,
    /// Walkers that took turns in the frames, one frame of each at a time, where frames are in the order of time; `None` for
    /// independent ones.
    pub walkers: Option<usize>,
}
