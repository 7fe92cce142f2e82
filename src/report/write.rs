//! All files of a report: `table.{md,csv,tex,json}`, `figures/*.{svg,png}`, `report.html`.

use std::path::{Path, PathBuf};

use super::figures::{self, Convergence, Cost, Point, SampleSet, Samples};
use super::html::{self, Picture};
use super::runs::{RunResult, Status};
use super::table::{Table, csv, latex, markdown};
use crate::array::{Arrays, get};
use crate::error::{Error, Result};
use crate::metrics::{ReferenceSet, evaluate::energies, wasserstein::interatomic_distances};
use crate::systems::System;

/// Frames drawn per ensemble.
const FRAMES: usize = 10_000;

/// What the figures of one system at one temperature need.
#[derive(Debug, Clone, PartialEq)]
pub struct Pictures {
    /// System name.
    pub system: String,
    /// Temperature.
    pub temperature: f64,
    /// Reference against methods.
    pub samples: Samples,
    /// Reduced energies of the reference, in the order of sampling.
    pub reference: Vec<f64>,
}

impl Pictures {
    /// From a reference and the samples of the methods (label and arrays with `positions`; the first 10,000 frames).
    ///
    /// # Errors
    /// [`Error::Data`] or [`Error::Shape`] when samples do not fit the system.
    pub fn new(system: &System, reference: &ReferenceSet, methods: &[(String, Arrays)]) -> Result<Self> {
        let kt = system.kt(system.temperature);
        let dim = 3 * system.atoms;
        let set = |label: &str, positions: &[f64], energies: Vec<f64>| SampleSet {
            label: label.to_owned(),
            distances: interatomic_distances(positions, system.atoms),
            energies,
        };
        let reduced = |e: Vec<f64>| e.into_iter().map(|e| e / kt).collect::<Vec<f64>>();
        let head = |positions: &[f64]| positions[..positions.len().min(FRAMES * dim)].to_vec();
        let positions = head(&reference.positions);
        let frames = (positions.len() / dim).min(reference.energies.len());
        let truth = set("reference", &positions, reduced(reference.energies[..frames].to_vec()));
        let methods = methods
            .iter()
            .map(|(label, arrays)| {
                let all = get(arrays, "positions", label)?.to_f64();
                if !all.len().is_multiple_of(dim) {
                    return Err(Error::shape(label, format!("`positions` is not [n, {}, 3]", system.atoms)));
                }
                let positions = head(&all);
                let energies = reduced(energies(system, &positions));
                Ok(set(label, &positions, energies))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            system: system.name.clone(),
            temperature: system.temperature,
            samples: Samples { reference: truth, methods, length_unit: system.length_unit.into() },
            reference: reduced(reference.energies.clone()),
        })
    }
}

/// Writes the report into `out` (created if needed) and returns the files written.
///
/// # Errors
/// [`Error::Io`] when a file cannot be written, [`Error::Internal`] when a figure cannot be drawn.
pub fn write(
    out: &Path,
    title: &str,
    tables: &[Table],
    pictures: &[Pictures],
    runs: &[RunResult],
) -> Result<Vec<PathBuf>> {
    let folder = out.join("figures");
    std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let mut files = Vec::new();
    let mut put = |name: &str, text: &str| {
        let path = out.join(name);
        std::fs::write(&path, text).map_err(Error::io(&path))?;
        files.push(path);
        Ok::<_, Error>(())
    };
    let join = |format: fn(&Table) -> String| tables.iter().map(format).collect::<Vec<_>>().join("\n");
    put("table.md", &format!("# {title}\n\n{}", join(markdown)))?;
    put("table.csv", &csv(tables))?;
    put("table.tex", &join(latex))?;
    let json = serde_json::to_string_pretty(tables).map_err(|e| Error::Internal(format!("table.json: {e}")))?;
    put("table.json", &(json + "\n"))?;

    let mut shown = Vec::new();
    for p in pictures {
        let place = format!("{}-T{}", p.system, p.temperature);
        let on = format!("{} at T = {}", p.system, p.temperature);
        let stem = format!("samples-{place}");
        shown.push(Picture {
            svg: figures::save(&p.samples, &folder, &stem)?,
            caption: format!(
                "{on}: interatomic distances and reduced energies, reference against methods. Values beyond the drawn \
                 range are counted in the outermost bins."
            ),
        });
        let stem_convergence = format!("reference-{place}");
        shown.push(Picture {
            svg: figures::save(&Convergence { energies: p.reference.clone(), seed: 0 }, &folder, &stem_convergence)?,
            caption: format!(
                "{on}: is the reference converged? Reduced energies of its first and second half, and Energy-W1 between \
                 n frames of either: along the dashed line only noise separates them."
            ),
        });
        files.extend(
            [stem, stem_convergence].iter().flat_map(|s| ["svg", "png"].map(|e| folder.join(format!("{s}.{e}")))),
        );
    }
    for table in tables {
        if let Some(cost) = cost(table, runs) {
            let stem = format!("cost-{}-T{}", table.system, table.temperature);
            shown.push(Picture {
                svg: figures::save(&cost, &folder, &stem)?,
                caption: format!("{}: quality against cost; each marker is a run.", table.title),
            });
            files.extend(["svg", "png"].map(|e| folder.join(format!("{stem}.{e}"))));
        }
    }
    let path = out.join("report.html");
    std::fs::write(&path, html::page(title, tables, &shown, runs)).map_err(Error::io(&path))?;
    files.push(path);
    Ok(files)
}

/// Energy-W1 of every complete run over its charged evaluations; `None` when no run has both.
fn cost(table: &Table, runs: &[RunResult]) -> Option<Cost> {
    let points: Vec<Point> = runs
        .iter()
        .filter(|r| r.system == table.system && r.temperature == table.temperature && r.status == Status::Complete)
        .filter_map(|r| {
            let value = r.metrics.iter().find(|m| m.id == "energy-w1")?.value?;
            let evaluations = r.counts.charged() as f64;
            (evaluations > 0.0 && value > 0.0).then(|| Point { label: r.row_label(), evaluations, value })
        })
        .collect();
    let floor = table.columns.iter().find(|c| c.id == "energy-w1").and_then(|c| c.floor);
    (!points.is_empty()).then(|| Cost { points, floor, metric: "Energy-W1 (kT)".into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::{
        collect,
        tests::{example, value},
    };
    use crate::rng::{Purpose, Stream};

    /// Synthetic ensembles; `PITA_BENCH_FIGURES` names a folder to keep the report in, for looking at it.
    #[test]
    fn writes_everything() {
        let normal = |seed, n: u32, mean: f64, sd: f64| -> Vec<f64> {
            (0..n).map(|i| mean + sd * Stream::new(seed, Purpose::Init, 0).at(i).normal()).collect()
        };
        let set = |label: &str, seed, shift: f64, wide: f64| SampleSet {
            label: label.into(),
            distances: [
                normal(seed, 40_000, 1.05, 0.1 * wide),
                normal(seed + 9, 40_000, 1.75 + shift / 40.0, 0.18 * wide),
            ]
            .concat(),
            energies: normal(seed + 20, 5_000, -43.0 + shift, 4.0 * wide),
        };
        let samples = Samples {
            reference: set("reference", 1, 0.0, 1.0),
            methods: vec![set("PITA", 2, 2.0, 1.1), set("MD", 3, 0.3, 1.0), set("MALA, no resampling", 4, 9.0, 1.4)],
            length_unit: "r_m".into(),
        };
        let pictures =
            Pictures { system: "lj13".into(), temperature: 1.0, reference: normal(5, 20_000, -43.0, 4.0), samples };
        let mut runs = example();
        for (i, run) in runs.iter_mut().enumerate() {
            run.metrics.push(value("energy-w1", 0.3 * (i + 1) as f64, 0.05));
            run.counts.0.insert(crate::energy::Purpose::Training, 3_000_000 * (i as u64 + 1));
        }
        let kept = std::env::var("PITA_BENCH_FIGURES");
        let temporary = tempfile::tempdir().unwrap();
        let out = kept.as_ref().map_or(temporary.path(), Path::new);
        let files = write(out, "Table 1", &collect(&runs).unwrap(), &[pictures], &runs).unwrap();
        assert_eq!(files.len(), 11);
        for file in &files {
            assert!(std::fs::metadata(file).unwrap().len() > 500, "{}", file.display());
        }
        let svg = std::fs::read_to_string(out.join("figures/samples-lj13-T1.svg")).unwrap();
        for text in ["interatomic distance (rₘ)", "MALA, no resampling", "reduced energy E / kT"] {
            assert!(svg.contains(text), "{text}");
        }
        let json: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(out.join("table.json")).unwrap()).unwrap();
        assert_eq!(json[0]["rows"][0]["cells"][0]["run_ids"][0], "pita1");
    }
}
