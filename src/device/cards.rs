//! Which GPUs there are.

/// One GPU.
#[derive(Debug, Clone)]
pub struct Card {
    /// Number, as in `cuda:N`.
    pub ordinal: usize,
    /// Model.
    pub name: String,
    /// Memory, MiB.
    pub memory_mib: usize,
    /// Compute capability.
    pub capability: (i32, i32),
}

/// What is there.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The driver's CUDA version, such as `13.0`.
    pub driver: Option<String>,
    /// GPUs.
    pub cards: Vec<Card>,
    /// Why none of them can be used.
    pub problem: Option<String>,
}
