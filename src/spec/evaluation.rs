//! How samples are judged, and by what.

use super::settings::Limit::Below;
use super::settings::{count, count_to, hidden, inline, optional, settings, special};
use super::{ReplicaExchangeSpec, SmcSpec};

/// Most replicates of a bootstrap: beyond, intervals do not change any more.
pub const MOST_REPLICATES: u64 = 1_000_000;

settings! {
    /// How samples are judged. Not part of a run's identity: a finished run can be evaluated again.
    pub struct EvalSpec {
        /// Metric ids; `list metrics` has all.
        metrics: Vec<String> = usual(), special("list of words", "a list of metrics").key("ids");
        /// Samples per side for one-dimensional metrics.
        n: usize = 5_000, count(2);
        /// Samples per side for aligned-geometry metrics, whose cost grows as n squared.
        geo_n: usize = 500, count(2);
        /// Samples per side for optimal transport between dihedrals and between TICA components.
        ot_n: usize = 5_000, count(2);
        /// Bootstrap replicates for confidence intervals.
        bootstrap: usize = 200, count_to(0, MOST_REPLICATES);
        /// The reference ensemble.
        reference: ReferenceSpec = ReferenceSpec::default(), hidden();
    }
}

fn usual() -> Vec<String> {
    ["energy-w1", "energy-w2", "distance-w2", "geo-w1-ref", "geo-w2", "mean-energy"].map(String::from).to_vec()
}

settings! {
    /// A reference ensemble: replica exchange or annealed SMC with a seed of its own, and for molecules contiguous trajectories
    /// from its frames.
    pub struct ReferenceSpec {
        /// Seed.
        seed: u64 = 0, count_to(0, u64::MAX);
        /// The replica exchange.
        sampler: ReplicaExchangeSpec = ReplicaExchangeSpec::default(), inline::<ReplicaExchangeSpec>();
        /// Annealed SMC, which makes the ensemble in place of replica exchange where it is written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        smc: Option<SmcSpec> = None, optional::<SmcSpec>();
        /// Trajectories that slow components (TICA) are fitted on; none without.
        #[serde(default)]
        trajectory: Option<TrajectorySpec> = None, optional::<TrajectorySpec>();
        /// Name of an accepted ensemble, which is used as it is: the other settings say nothing then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accepted: Option<String> = None, special("word", "the name of an accepted reference");
    }
}

impl ReferenceSpec {
    /// Frames of the ensemble.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.smc.as_ref().map_or(self.sampler.samples, |smc| smc.samples)
    }
}

settings! {
    /// Contiguous Langevin trajectories at the target temperature, with the step and friction of the replica exchange; they
    /// begin at frames of the ensemble.
    pub struct TrajectorySpec {
        /// Independent trajectories.
        walkers: usize = 64, count(1);
        /// Frames of each.
        frames: usize = 200, count(2);
        /// Steps between two frames.
        stride: usize = 1_000, count(1);
        /// Lag of TICA, in frames.
        lag: usize = 25, count(1).limits(&[Below("frames")]);
    }
}
