//! Run folders made by hand, quickly.

use std::path::Path;

use pita_bench::energy::{Counts, Purpose};
use pita_bench::identity::{self, Yardstick};
use pita_bench::record::evaluation::{self, Evaluation};
use pita_bench::record::{Kind, Labels, Provenance, Request, RunDir, Session, atomic, events, manifest};
use pita_bench::spec::{EvalSpec, MdSpec, RunSpec, SamplerSpec, SystemSpec};
use serde::Serialize;
use serde_json::json;

/// What a made-up run is like.
#[derive(Clone)]
pub struct Made {
    pub stride: usize,
    pub seed: u64,
    pub attempt: u32,
    pub value: f64,
    pub revision: &'static str,
    pub started: &'static str,
    pub metrics: usize,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            stride: 100,
            seed: 0,
            attempt: 1,
            value: 1.0,
            revision: "aaaa000000000000000000000000000000000000",
            started: "2026-11-20T01:00:00Z",
            metrics: 1,
        }
    }
}

fn put(run: &RunDir, name: &str, value: &impl Serialize) {
    std::fs::write(run.file(name), serde_json::to_vec(value).unwrap()).unwrap();
}

impl Made {
    /// Makes the run folder, with nothing but what was asked for.
    pub fn begin(&self, results: &Path) -> (RunDir, Request) {
        let sampler = SamplerSpec::Md(MdSpec { stride: self.stride, ..MdSpec::default() });
        let spec = RunSpec { system: SystemSpec::named("lj13", 1.0), sampler };
        let digest = identity::spec_digest(&spec);
        let run = RunDir::new(results, &digest, self.seed, self.attempt);
        std::fs::create_dir_all(&run.path).unwrap();
        let labels = Labels {
            experiment: "synthetic".into(),
            system: "lj13".into(),
            sampler: "md".into(),
            label: "MD".into(),
            swept: vec![("stride".into(), self.stride.to_string())],
        };
        let request = Request { spec_digest: digest, seed: self.seed, labels, spec };
        put(&run, "spec.json", &request);
        (run, request)
    }

    /// Writes the run folder, complete; nothing is synced.
    pub fn write(&self, results: &Path) -> RunDir {
        let (run, request) = self.begin(results);
        let yardstick = Yardstick::new(&request.spec.system, &EvalSpec::default(), None).unwrap();
        let code = self.revision.repeat(2)[..64].to_owned();
        let session = Session {
            code_digest: code.clone(),
            start: self.started.into(),
            end: None,
            wall_seconds: 1.5,
            device: None,
            recording_seconds: Some(0.25),
        };
        let provenance = Provenance {
            spec_digest: request.spec_digest,
            code_digest: code.clone(),
            sampling_digest: code.clone(),
            evaluation_digest: code.clone(),
            env_digest: "e".repeat(64),
            code: json!({"revision": self.revision, "dirty": false, "digest": code.clone()}),
            env: json!({"cpu": "made up"}),
            sessions: vec![session],
        };
        put(&run, "provenance.json", &provenance);
        let counts = Counts([(Purpose::Sampling, 1_234_567), (Purpose::Evaluation, 5)].into());
        put(&run, "counts.json", &counts);
        let event = events::Event {
            n: 0,
            time: self.started.into(),
            kind: Kind::Scalars { step: 1, phase: "md".into(), values: [("u".to_owned(), Some(self.value))].into() },
        };
        let kind = Kind::Finished { step: 1, counts: counts.clone(), samples: Some(10) };
        let end = events::Event { n: 1, time: self.started.into(), kind };
        let lines: String = [event, end].iter().map(|e| serde_json::to_string(e).unwrap() + "\n").collect();
        std::fs::write(run.file("events.jsonl"), lines).unwrap();
        std::fs::write(run.file("samples.npz"), "not looked at").unwrap();
        let metric = |id: &str| {
            json!({"id": id, "version": 1, "unit": "kT", "direction": "lower", "value": self.value,
                "lo": self.value - 0.1, "hi": self.value + 0.1, "floor": 0.01, "n_samples": 10, "n_reference": 10,
                "dropped": 0, "reference": "r", "note": ""})
        };
        let ids = ["energy-w1", "energy-w2", "distance-w2", "geo-w1-ref", "geo-w2", "mean-energy", "ess"];
        let evaluation = Evaluation {
            metrics: ids[..self.metrics].iter().map(|id| metric(id)).collect(),
            ..Evaluation::new(&yardstick, self.seed, &EvalSpec::default())
        };
        let name = evaluation::name(&evaluation.digest);
        std::fs::create_dir_all(run.file(evaluation::FOLDER)).unwrap();
        put(&run, &name, &evaluation);
        let line = |name: &str| format!("{}  {name}\n", atomic::sha256_file(&run.file(name)).unwrap());
        let text: String = ["counts.json", "events.jsonl", "provenance.json", "samples.npz", "spec.json", &name]
            .iter()
            .map(|name| line(name))
            .collect();
        std::fs::write(run.file(manifest::NAME), text).unwrap();
        run
    }
}
