//! What samples are measured with: two numbers compare when their yardsticks are the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::canonical::{canonical, eval_digest, reference_digest, sha256_hex};
use super::code;
use crate::error::Result;
use crate::metrics;
use crate::spec::{EvalSpec, SystemSpec};

/// All that decides the metrics of given samples, but the seed of subsets and replicates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yardstick {
    /// Digest of the evaluation settings ([`eval_digest`]): metric ids, sample sizes, replicates, reference settings.
    pub settings: String,
    /// Versions of the metrics, by id.
    pub versions: BTreeMap<String, u32>,
    /// Digest of the reference ensemble's settings.
    pub reference: String,
    /// SHA-256 of its frames; `None` while it is not there.
    pub content: Option<String>,
    /// Digest of the code that evaluates, see [`super::covers::EVALUATION`].
    pub code: String,
}

impl Yardstick {
    /// The one that this program would use now.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] for an unknown metric.
    pub fn new(system: &SystemSpec, eval: &EvalSpec, content: Option<String>) -> Result<Self> {
        let versions = eval.metrics.iter().map(|id| Ok((id.clone(), metrics::by_id(id)?.version)));
        Ok(Self {
            settings: eval_digest(eval),
            versions: versions.collect::<Result<_>>()?,
            reference: reference_digest(system, &eval.reference),
            content,
            code: code().evaluation.clone(),
        })
    }

    /// Digest: 64 hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256_hex(format!("pita-bench yardstick 1\n{}", canonical(self)))
    }

    /// Digest of one evaluation: of this yardstick with a seed.
    #[must_use]
    pub fn evaluation(&self, seed: u64) -> String {
        sha256_hex(format!("pita-bench evaluation 1\n{} {seed}", self.digest()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(eval: &EvalSpec, content: Option<&str>) -> Yardstick {
        Yardstick::new(&SystemSpec::named("lj13", 1.0), eval, content.map(String::from)).unwrap()
    }

    /// Everything that can change a number changes the digest; the order of the metrics does not.
    #[test]
    fn everything_counts() {
        let eval = EvalSpec::default();
        let one = new(&eval, Some("frames"));
        let mut others = vec![one.digest()];
        let changed = |change: &dyn Fn(&mut EvalSpec)| {
            let mut eval = eval.clone();
            change(&mut eval);
            new(&eval, Some("frames")).digest()
        };
        others.push(changed(&|e| e.n = 32));
        others.push(changed(&|e| e.geo_n = 32));
        others.push(changed(&|e| e.ot_n = 32));
        others.push(changed(&|e| e.bootstrap = 7));
        others.push(changed(&|e| e.metrics.truncate(2)));
        others.push(changed(&|e| e.reference.seed = 3));
        others.push(new(&eval, Some("other frames")).digest());
        others.push(new(&eval, None).digest());
        others.push(Yardstick { code: "other".into(), ..one.clone() }.digest());
        let mut newer = one.clone();
        newer.versions.insert("energy-w1".into(), 99);
        others.push(newer.digest());
        others.push(one.evaluation(0));
        others.push(one.evaluation(1));
        let distinct: std::collections::BTreeSet<&String> = others.iter().collect();
        assert_eq!(distinct.len(), others.len());
        assert_eq!(changed(&|e| e.metrics.reverse()), one.digest());
        assert!(
            Yardstick::new(&SystemSpec::named("lj13", 1.0), &EvalSpec { metrics: vec!["x".into()], ..eval }, None)
                .is_err()
        );
    }
}
