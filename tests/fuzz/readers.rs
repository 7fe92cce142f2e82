//! The readers: their seeds, their words, and how a case is fed to them.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use pita_bench::array::{self, Array, Arrays};
use pita_bench::config;
use pita_bench::energy::{Counts, Purpose};
use pita_bench::record::{
    Evaluation, Failure, Kind, Labels, Origin, Partial, Provenance, Request, atomic, bundle, evaluation, events,
    manifest, tar,
};
use pita_bench::rng::Draws;
use pita_bench::spec::{EvalSpec, MdSpec, RunSpec, SamplerSpec, SystemSpec};
use pita_bench::systems::{openmm, pdb as pdb_reader};

use super::mutate::mutate;
use super::words;

/// One reader of files.
pub struct Reader {
    pub name: &'static str,
    pub seed: u64,
    pub corpus: fn() -> Vec<Vec<u8>>,
    pub mutate: fn(&[Vec<u8>], &mut Draws) -> Vec<u8>,
    /// Whether the bytes were understood.
    pub read: fn(&[u8]) -> bool,
}

/// The repository: this file is part of the fuzzing package `coverage/` too, which lies deeper.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().find(|folder| folder.join("src/lib.rs").exists()).unwrap()
}

/// All files with an extension in some folders, largest last, at most `limit` bytes each.
fn files(folders: &[&str], extension: &str, limit: usize) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|e| e.unwrap().path());
        paths.extend(entries.filter(|p| p.extension().is_some_and(|e| e == extension)));
    }
    paths.sort();
    let all: Vec<Vec<u8>> = paths.iter().map(|p| std::fs::read(p).unwrap()).filter(|b| b.len() <= limit).collect();
    assert!(!all.is_empty(), "{folders:?}");
    all
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The good and the bad files of a folder, as much of one as of the other.
fn weighted(folder: &str, extension: &str, limit: usize) -> Vec<Vec<u8>> {
    let [good, bad] = ["good", "bad"].map(|kind| files(&[&format!("{folder}/{kind}")], extension, limit));
    let times = bad.len().div_ceil(good.len());
    std::iter::repeat_n(good, times).flatten().chain(bad).collect()
}

/// Experiment files.
pub fn config() -> Reader {
    fn read(bytes: &[u8]) -> bool {
        config::load_text(&root().join("tests/config/x.toml"), text(bytes), None, &[]).is_ok()
    }
    Reader {
        name: "config",
        seed: 1,
        corpus: || weighted("tests/config", "toml", 4_000),
        mutate: |corpus, draws| mutate(corpus, words::CONFIG, draws),
        read,
    }
}

/// `-s a.b=c`.
pub fn overrides() -> Reader {
    fn read(bytes: &[u8]) -> bool {
        let path = root().join("tests/config/good/minimal.toml");
        let base = include_str!("../config/good/minimal.toml").to_owned();
        config::load_text(&path, base, None, &text(bytes).split('\0').map(String::from).collect::<Vec<_>>()).is_ok()
    }
    Reader {
        name: "overrides",
        seed: 2,
        corpus: || {
            let seeds = [
                "samplers.md.step=0.002",
                "seeds=0,1,2",
                "metrics.n=7\0samplers.md.walkers=2,3",
                "metrics.ids=[\"ess\"]",
                "systems.lj13.temperature=2",
                "samplers.md.integrator=mala",
                "systems.lj13.reference.ladder=4,3.5",
                "samplers.md.hot_start.temperature=9\0samplers.md.label=\"a = b, c\"",
            ];
            seeds.iter().map(|s| s.as_bytes().to_vec()).collect()
        },
        mutate: |corpus, draws| mutate(corpus, words::OVERRIDES, draws),
        read,
    }
}

fn arrays() -> Arrays {
    [
        ("positions".to_owned(), Array::f64(&[2, 2, 3], (0..12).map(f64::from).collect())),
        ("energy".to_owned(), Array::f32(&[2], vec![1.5, f32::NAN])),
        ("parents".to_owned(), Array::i64(&[2], vec![-1, i64::MAX])),
        ("empty".to_owned(), Array::f64(&[0, 7], vec![])),
    ]
    .into()
}

/// A `.npy` member as NumPy writes it.
fn npy(kind: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}");
    header += &" ".repeat(63 - (10 + header.len()) % 64);
    header += "\n";
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// Members in a zip file, with checksums that fit.
fn zip(members: &[(&str, &[u8])], packed: bool) -> Vec<u8> {
    use npyz::zip::{CompressionMethod, ZipWriter, write::FileOptions};
    let method = if packed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    let mut file = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        file.start_file(*name, FileOptions::default().compression_method(method)).unwrap();
        file.write_all(bytes).unwrap();
    }
    file.finish().unwrap().into_inner()
}

/// `.npz` files: half of the cases are members in a sound zip file.
pub fn npz() -> Reader {
    fn corpus() -> Vec<Vec<u8>> {
        let data: Vec<u8> = (0..48).collect();
        vec![
            npy("<f8", "False", "(2, 3)", &data),
            npy("<f4", "False", "(12,)", &data),
            npy(">i8", "False", "(6,)", &data),
            npy("|u1", "False", "(48,)", &data),
            npy("<f8", "True", "(3, 2)", &data),
            npy("<f8", "False", "()", &data[..8]),
            npy("<U3", "False", "(4,)", &data),
        ]
    }
    fn whole(corpus: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let members =
            |n: usize| corpus.iter().take(n).enumerate().map(|(i, m)| (format!("a{i}.npy"), m)).collect::<Vec<_>>();
        [1, 2, 7]
            .iter()
            .map(|&n| {
                let members = members(n);
                zip(&members.iter().map(|(name, m)| (name.as_str(), &m[..])).collect::<Vec<_>>(), n == 2)
            })
            .collect()
    }
    fn read(bytes: &[u8]) -> bool {
        array::decode_npz(Cursor::new(bytes), Path::new("x.npz")).is_ok_and(|a| !a.is_empty())
    }
    Reader {
        name: "npz",
        seed: 3,
        corpus: || {
            let dir = tempfile::tempdir().unwrap();
            array::write_npz(dir.path().join("x.npz"), &arrays()).unwrap();
            let ours = std::fs::read(dir.path().join("x.npz")).unwrap();
            let members = corpus();
            [vec![ours], whole(&members), members].concat()
        },
        mutate: |corpus, draws| {
            // Members are at the end of the corpus; whole files before them.
            let (files, members) = corpus.split_at(4);
            if draws.below(2) == 0 {
                return mutate(files, words::NPZ, draws);
            }
            let (one, two) = (mutate(members, words::NPZ, draws), mutate(members, words::NPZ, draws));
            zip(&[("a.npy", &one), ("b.npy", &two)], draws.below(2) == 0)
        },
        read,
    }
}

/// safetensors files.
pub fn safetensors() -> Reader {
    Reader {
        name: "safetensors",
        seed: 4,
        corpus: || {
            let one: Arrays = [("x".to_owned(), Array::f32(&[], vec![1.0]))].into();
            vec![
                array::encode_safetensors(&arrays()).unwrap(),
                array::encode_safetensors(&one).unwrap(),
                array::encode_safetensors(&Arrays::new()).unwrap(),
            ]
        },
        mutate: |corpus, draws| {
            let mut bytes = mutate(corpus, words::SAFETENSORS, draws);
            // A length that fits the header gets further than one that does not.
            if draws.below(2) == 0
                && let Some(end) = bytes.iter().rposition(|b| *b == b'}')
                && end >= 8
            {
                bytes[..8].copy_from_slice(&((end - 7) as u64).to_le_bytes());
            }
            bytes
        },
        read: |bytes| array::decode_safetensors(bytes).is_ok(),
    }
}

/// PDB files.
pub fn pdb() -> Reader {
    Reader {
        name: "pdb",
        seed: 5,
        corpus: || {
            let mut all = files(&["src/systems/molecules"], "pdb", 10_000);
            let short: Vec<Vec<u8>> =
                all.iter().map(|b| b.split_inclusive(|c| *c == b'\n').take(8).flatten().copied().collect()).collect();
            all.extend(short);
            all
        },
        mutate: |corpus, draws| mutate(corpus, words::PDB, draws),
        read: |bytes| pdb_reader::read(Path::new("x.pdb"), &text(bytes)).is_ok(),
    }
}

/// OpenMM System XML.
pub fn xml() -> Reader {
    Reader {
        name: "xml",
        seed: 6,
        corpus: || weighted("tests/forcefield", "xml", 6_000),
        mutate: |corpus, draws| mutate(corpus, words::XML, draws),
        read: |bytes| openmm::read(Path::new("x.xml"), &text(bytes)).is_ok(),
    }
}

/// Event logs.
pub fn jsonl() -> Reader {
    Reader {
        name: "jsonl",
        seed: 7,
        corpus: || {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("events.jsonl");
            let mut log = pita_bench::record::EventLog::open(&path).unwrap();
            log.append(Kind::Started { step: 0 }).unwrap();
            let values = [("loss".to_owned(), Some(0.25)), ("ess".to_owned(), None)].into();
            log.append(Kind::Scalars { step: 1, phase: "é \"x\"".into(), values }).unwrap();
            log.append(Kind::Checkpoint { step: 1, slot: "a".into() }).unwrap();
            log.append(Kind::Failed { reason: "because".into() }).unwrap();
            log.append(Kind::Finished { step: 2, counts: Default::default(), samples: Some(3) }).unwrap();
            vec![std::fs::read(&path).unwrap(), b"\n".to_vec()]
        },
        mutate: |corpus, draws| mutate(corpus, words::JSONL, draws),
        read: |bytes| {
            let Ok((events, whole)) = events::decode(bytes, Path::new("events.jsonl")) else { return false };
            assert!(whole <= bytes.len() as u64, "more than there is");
            assert_eq!(bytes[..whole as usize].iter().filter(|b| **b == b'\n').count(), events.len());
            !events.is_empty()
        },
    }
}

/// The other files of a run folder.
pub fn record() -> Reader {
    fn seed(value: &impl serde::Serialize) -> Vec<u8> {
        serde_json::to_vec_pretty(value).unwrap()
    }
    Reader {
        name: "record",
        seed: 11,
        corpus: || {
            let sampler = SamplerSpec::Md(MdSpec::default());
            let spec = RunSpec { system: SystemSpec::named("lj13", 1.0), sampler };
            let request =
                Request { spec_digest: "0".repeat(64), seed: 3, labels: Labels::default(), spec: spec.clone() };
            let provenance = serde_json::json!({"spec_digest": "0", "code_digest": "1", "env_digest": "2", "code": {},
                "env": {"simd": ["avx2"]}, "sessions": [{"code_digest": "1", "start": "2026-01-01T00:00:00Z",
                "end": null, "wall_seconds": 1.5}]});
            let metric = serde_json::json!({"id": "energy-w1", "version": 1, "value": 0.1});
            let evaluation = serde_json::json!({"eval_digest": "e", "reference_digest": "r", "code_digest": "c",
                "metrics": [metric], "eval": EvalSpec::default()});
            let text = || "x".to_owned();
            let names = ["counts.json", "events.jsonl", "provenance.json", "samples.npz", "spec.json"];
            let line = |name: &&str| format!("{}  {name}\n", "0".repeat(64));
            vec![
                seed(&request),
                seed(&provenance),
                seed(&Counts([(Purpose::Sampling, 12)].into())),
                seed(&evaluation),
                seed(&Origin { bundle: text(), sha256: text(), run: text(), time: text() }),
                seed(&Partial { asked: 9, made: 3, reason: text() }),
                seed(&Failure { reason: text(), time: text() }),
                names.iter().map(line).collect::<String>().into_bytes(),
            ]
        },
        mutate: |corpus, draws| mutate(corpus, words::RECORD, draws),
        read: |bytes| {
            fn is<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> bool {
                atomic::parse_json::<T>(bytes, Path::new("x.json")).is_ok()
            }
            if let Ok(request) = atomic::parse_json::<Request>(bytes, Path::new("spec.json")) {
                let _ = pita_bench::identity::spec_digest(&request.spec);
                return true;
            }
            let lines = manifest::parse(bytes, Path::new(manifest::NAME));
            let inside = |name: &str| !name.contains("..") && (!name.contains('/') || evaluation::is_name(name));
            assert!(lines.iter().flatten().all(|(_, name)| inside(name)), "{lines:?}");
            let json = is::<Provenance>(bytes) || is::<Counts>(bytes) || is::<Evaluation>(bytes);
            json || is::<Origin>(bytes) || is::<Partial>(bytes) || is::<Failure>(bytes) || lines.is_ok()
        },
    }
}

/// Bundles: most cases have sound headers around mutated content.
pub fn bundle() -> Reader {
    fn entry(out: &mut Vec<u8>, name: &str, content: &[u8]) {
        if tar::write_header(out, &tar::Header { name: name.into(), size: content.len() as u64 }).is_ok() {
            out.extend(content);
            tar::write_padding(out, content.len() as u64).unwrap();
        }
    }
    /// Index and two files, as content.
    fn parts() -> [Vec<u8>; 3] {
        use pita_bench::record::atomic::sha256;
        let (one, two) = (b"{\"a\": 1}\n".to_vec(), vec![7; 700]);
        let item = |name: &str, b: &[u8]| serde_json::json!({"name": name, "size": b.len(), "sha256": sha256(b)});
        let index = serde_json::json!({"format": 1, "run": "x-s0-a1", "spec_digest": "0", "seed": 0,
            "files": [item("spec.json", &one), item("samples.npz", &two)]});
        [index.to_string().into_bytes(), one, two]
    }
    fn whole(parts: &[Vec<u8>], folder: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, content) in ["bundle.json", "spec.json", "samples.npz"].iter().zip(parts) {
            entry(&mut out, &format!("{folder}/{name}"), content);
        }
        tar::write_end(&mut out).unwrap();
        out
    }
    Reader {
        name: "bundle",
        seed: 8,
        corpus: || [vec![whole(&parts(), "x-s0-a1")], parts().to_vec()].concat(),
        mutate: |corpus, draws| {
            let (files, parts) = corpus.split_at(1);
            if draws.below(3) == 0 {
                return mutate(files, words::BUNDLE, draws);
            }
            let mut changed = parts.to_vec();
            let which = draws.below(3);
            changed[which] = mutate(&parts[which..=which], words::BUNDLE, draws);
            let folder = ["x-s0-a1", "x-s0-a1", "..", "/tmp"][draws.below(4)];
            let mut bytes = whole(&changed, folder);
            if draws.below(8) == 0 {
                bytes = mutate(&[bytes], words::BUNDLE, draws);
            }
            bytes
        },
        read: |bytes| {
            let mut opened = Vec::new();
            let done = bundle::unpack(&mut &bytes[..], |name| {
                opened.push(name.to_owned());
                Ok(std::io::sink())
            });
            assert!(
                opened.iter().all(|name| bundle::FILES.contains(&name.as_str()) || evaluation::is_name(name)),
                "{opened:?}"
            );
            done.is_ok()
        },
    }
}

/// XTC trajectories.
pub fn xtc() -> Reader {
    Reader {
        name: "xtc",
        seed: 9,
        corpus: || {
            let dir = tempfile::tempdir().unwrap();
            let write = |name: &str, atoms: usize, frames: usize| {
                let path = dir.path().join(name);
                let x: Vec<f64> = (0..frames * 3 * atoms).map(|i| (i as f64 * 0.37).sin() * 0.8).collect();
                array::write_xtc(&path, &x, atoms, 1e6).unwrap();
                std::fs::read(path).unwrap()
            };
            vec![write("a", 22, 2), write("b", 5, 2), write("c", 10, 1), write("d", 40, 1)]
        },
        mutate: |corpus, draws| mutate(corpus, &[], draws),
        read: |bytes| array::decode_xtc(bytes, Path::new("x.xtc")).is_ok(),
    }
}

/// `baseline.toml` of other people's programs.
pub fn baseline() -> Reader {
    Reader {
        name: "baseline",
        seed: 10,
        corpus: || {
            let names = ["openmm-md", "numpy-mala", "md", "pita"];
            names.iter().map(|n| std::fs::read(root().join(format!("baselines/{n}/baseline.toml"))).unwrap()).collect()
        },
        mutate: |corpus, draws| mutate(corpus, words::BASELINE, draws),
        read: |bytes| config::baseline::parse_external(Path::new("baseline.toml"), &text(bytes)).is_ok(),
    }
}
