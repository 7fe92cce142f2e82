//! What a run is doing, as checkpoints have it.

/// A part of a run, and what its counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Molecular dynamics for the forward KL; counts steps.
    Data,
    /// Training at the first temperature; counts steps.
    Start,
    /// Drawing and weighting; counts draws.
    Fill,
    /// Resampled rows are made again; counts rows.
    Gather,
    /// Training on them; counts steps.
    Train,
    /// Drawing and weighting the result; counts draws.
    Sample,
    /// The result is complete.
    Done,
}

/// All of them, in the order of their numbers in checkpoints.
pub(super) const PHASES: [Phase; 7] =
    [Phase::Data, Phase::Start, Phase::Fill, Phase::Gather, Phase::Train, Phase::Sample, Phase::Done];
