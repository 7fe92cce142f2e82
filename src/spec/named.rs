//! Methods that share PITA's code and have names of their own: other defaults of [`PitaSpec`].

use super::{AnnealSpec, NetSpec, NodeFeatures, PitaSpec, RefineSpec, Resampling, TrainSpec, Weights};

impl PitaSpec {
    /// The settings that the public code ran with where ours differ (PITA, section 7): scrambled node features, exact
    /// divergence, resampling at every step, weight rates clamped at their 90 % quantile, no weights in the last tenth. Its
    /// MALA moved nothing and is left out.
    #[must_use]
    pub fn faithful() -> Self {
        Self {
            net: NetSpec { node_features: NodeFeatures::Faithful, ..NetSpec::default() },
            anneal: AnnealSpec {
                weights: Weights::Exact,
                resampling: Resampling::EveryStep,
                clamp_quantile: 0.9,
                final_clamp_quantile: 0.9,
                resample_until: 0.9,
                ..AnnealSpec::default()
            },
            refine: RefineSpec { steps: 0, ..RefineSpec::default() },
            ..Self::default()
        }
    }

    /// Feynman-Kac correction (FKC): one model at the highest temperature, annealed to the target in one go.
    #[must_use]
    pub fn fkc() -> Self {
        Self { ladder: vec![4.0], ..Self::default() }
    }

    /// One score model at the highest temperature, its score scaled by gamma; no weights, no energy.
    #[must_use]
    pub fn score_scaling() -> Self {
        Self {
            ladder: vec![4.0],
            train: TrainSpec { energy_score: 0.0, energy_matching: 0.0, ..TrainSpec::default() },
            anneal: AnnealSpec { weights: Weights::None, final_resampling: false, ..AnnealSpec::default() },
            refine: RefineSpec { steps: 0, ..RefineSpec::default() },
            ..Self::default()
        }
    }

    /// A score model of dynamics at the target temperature itself (MD-Diff); nothing is annealed.
    #[must_use]
    pub fn md_diff() -> Self {
        Self { ladder: Vec::new(), ..Self::score_scaling() }
    }

    /// The name of the method that these settings are: folder of its published numbers in `baselines/`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match (self.ladder.len(), self.anneal.weights) {
            (0, _) => "md-diff",
            (1, Weights::None) => "score-scaling",
            (1, _) => "fkc",
            _ => "pita",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_know_their_names() {
        let all = [
            PitaSpec::default(),
            PitaSpec::faithful(),
            PitaSpec::fkc(),
            PitaSpec::score_scaling(),
            PitaSpec::md_diff(),
        ];
        assert_eq!(all.map(|s| s.method()), ["pita", "pita", "fkc", "score-scaling", "md-diff"]);
    }
}
