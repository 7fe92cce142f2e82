//! All files of a report: `table.{md,csv,tex,json}`, `figures/*.{svg,png}`, `report.html`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::figures::{self, Bar, Convergence, Cost, Point, SampleSet, Samples};
use super::html::{self, Picture};
use super::missing::Coverage;
use super::runs::{RunResult, Status};
use super::table::{Row, Table, csv, latex, markdown};
use super::views::{self, Panels, Views};
use crate::array::{Arrays, get};
use crate::error::{Error, Result};
use crate::metrics::bootstrap::{Draw, subset};
use crate::metrics::{ReferenceSet, evaluate::energies, wasserstein::interatomic_distances};
use crate::systems::System;
use crate::text;

/// Most frames per ensemble whose distances and energies are drawn.
const FRAMES: usize = 10_000;
/// Most frames in maps of dihedral angles and slow components, which need more of them.
const MAP_FRAMES: usize = 100_000;

const SAMPLES: &str = "interatomic distances and reduced energies, reference against methods. Values beyond the drawn range \
    are counted in the outermost bins.";
const RAMACHANDRAN: &str = "free energy over the dihedral angles φ and ψ, minus the logarithm of the counts in 100 × 100 \
    cells. 0 is the fullest cell of each panel; free energies above 6 kT have the darkest colour; white cells hold no frame.";
const PHI: &str = "free energy along φ, from densities smoothed with a Gaussian of 0.1 rad; 0 is the lowest point of each \
    curve. Curves have gaps where no frame is near.";
const TICA: &str = "free energy over the first two slow components (TICA, fitted on the reference), minus the logarithm of \
    the counts in 100 × 100 cells over the range of the reference; white cells hold no frame.";
const ENERGIES: &str = "reduced energies of each method, the reference filled. Values beyond the drawn range are counted in \
    the outermost bins.";
const CONVERGENCE: &str = "is the reference converged? Reduced energies of its first and second half, and Energy-W1 between n \
    frames of either: along the dashed line only noise separates them.";

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
    /// What only molecules have.
    pub molecule: Option<Views>,
}

impl Pictures {
    /// From a reference and the samples of the methods (label and arrays with `positions`). Of each at most 10,000 frames,
    /// in maps 100,000, drawn at random.
    ///
    /// # Errors
    /// [`Error::Data`] or [`Error::Shape`] when samples do not fit the system.
    pub fn new(system: &System, reference: &ReferenceSet, methods: &[(String, Arrays)]) -> Result<Self> {
        let kt = system.kt(system.temperature);
        let dim = 3 * system.atoms;
        let set = |label: &str, positions: &[f64], energies: Vec<f64>| SampleSet {
            label: text::beginning(label),
            distances: interatomic_distances(positions, system.atoms),
            energies,
        };
        let reduced = |e: Vec<f64>| e.into_iter().map(|e| e / kt).collect::<Vec<f64>>();
        let structure = views::structure(system, reference)?;
        let map = |positions: &[f64]| {
            structure.as_ref().map(|s| Panels::new(Arc::clone(s), &some(positions, dim, MAP_FRAMES)))
        };
        let frames = (reference.positions.len() / dim).min(reference.energies.len());
        let (positions, energies_there) = (&reference.positions[..frames * dim], &reference.energies[..frames]);
        let truth = set("reference", &some(positions, dim, FRAMES), reduced(some(energies_there, 1, FRAMES)));
        let mut panels = vec![map(positions)];
        let mut sets = Vec::with_capacity(methods.len());
        for (label, arrays) in methods {
            let all = get(arrays, "positions", label)?.to_f64();
            if !all.len().is_multiple_of(dim) {
                return Err(Error::shape(label, format!("`positions` is not [n, {}, 3]", system.atoms)));
            }
            let positions = some(&all, dim, FRAMES);
            let energies = reduced(energies(system, &positions));
            sets.push(set(label, &positions, energies));
            panels.push(map(&all));
        }
        let samples = Samples { reference: truth, methods: sets, length_unit: system.length_unit.into() };
        let panels: Option<Vec<Panels>> = panels.into_iter().collect();
        Ok(Self {
            system: system.name.clone(),
            temperature: system.temperature,
            molecule: panels.map(|p| Views::new(&samples, &p)),
            samples,
            reference: reduced(reference.energies.clone()),
        })
    }
}

/// At most `most` frames of `dim` numbers, drawn at random (frames may alternate between walkers), in their order.
fn some(numbers: &[f64], dim: usize, most: usize) -> Vec<f64> {
    let mut kept = subset(numbers.len() / dim, most, 0, Draw::Reference);
    kept.sort_unstable();
    kept.into_iter().flat_map(|i| &numbers[i * dim..(i + 1) * dim]).copied().collect()
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
    let missing = Coverage::of(runs).sentence().map_or(String::new(), |missing| format!("**{missing}**\n\n"));
    put("table.md", &format!("# {}\n\n{missing}{}", text::markdown(title), join(markdown)))?;
    put("table.csv", &csv(tables))?;
    put("table.tex", &join(latex))?;
    let json = serde_json::to_string_pretty(tables).map_err(|e| Error::Internal(format!("table.json: {e}")))?;
    put("table.json", &(json + "\n"))?;

    let mut shown = Vec::new();
    for p in pictures {
        let place = format!("{}-T{}", p.system, p.temperature);
        let on = format!("{} at T = {}{}", p.system, p.temperature, if p.molecule.is_some() { " K" } else { "" });
        let table = tables.iter().find(|t| t.system == p.system && t.temperature == p.temperature);
        let missing = gaps(table);
        let mut show = |kind: &str, figure: &dyn Fn(&Path, &str) -> Result<String>, caption: &str| {
            let stem = format!("{kind}-{place}");
            shown.push(Picture { svg: figure(&folder, &stem)?, caption: format!("{on}: {caption}{missing}") });
            files.extend(["svg", "png"].map(|e| folder.join(format!("{stem}.{e}"))));
            Ok::<_, Error>(())
        };
        show("samples", &|f, s| figures::save(&p.samples, f, s), SAMPLES)?;
        if let Some(views) = &p.molecule {
            let frames = |caption: &str| format!("{caption} {}", views.frames);
            show("ramachandran", &|f, s| figures::save(&views.ramachandran, f, s), &frames(RAMACHANDRAN))?;
            show("phi", &|f, s| figures::save(&views.phi, f, s), &frames(PHI))?;
            if let Some(tica) = &views.tica {
                show("tica", &|f, s| figures::save(tica, f, s), &frames(TICA))?;
            }
            show("energies", &|f, s| figures::save(&views.energies, f, s), ENERGIES)?;
        }
        let convergence = Convergence { energies: p.reference.clone(), seed: 0 };
        show("reference", &|f, s| figures::save(&convergence, f, s), CONVERGENCE)?;
    }
    for table in tables {
        if let Some(cost) = cost(table, runs) {
            let stem = format!("cost-{}-T{}", table.system, table.temperature);
            shown.push(Picture {
                svg: figures::save(&cost, &folder, &stem)?,
                caption: format!(
                    "{}: quality against cost; each marker is a run, each bar the 95 % interval of a mean over seeds, as in the table.{}",
                    table.title,
                    gaps(Some(table))
                ),
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
/// What a caption says of cells that are not there.
fn gaps(table: Option<&Table>) -> String {
    let missing = table.and_then(|t| t.coverage.sentence());
    missing.map_or(String::new(), |missing| format!(" {missing}."))
}

fn cost(table: &Table, runs: &[RunResult]) -> Option<Cost> {
    let points: Vec<Point> = runs
        .iter()
        .filter(|r| r.system == table.system && r.temperature == table.temperature && r.status == Status::Complete)
        .filter_map(|r| {
            let value = r.metrics.iter().find(|m| m.id == "energy-w1")?.value?;
            let evaluations = r.counts.charged() as f64;
            (evaluations > 0.0 && value > 0.0).then(|| Point {
                label: text::beginning(&r.row_label()),
                evaluations,
                value,
            })
        })
        .collect();
    let at = table.columns.iter().position(|c| c.id == "energy-w1")?;
    let bar = |r: &Row| {
        let estimate = r.cells[at].estimate()?;
        Some(Bar { label: r.label.clone(), evaluations: r.charged? as f64, ends: (estimate.lo?, estimate.hi?) })
    };
    let bars = table.rows.iter().filter_map(bar).collect();
    let floor = table.columns[at].floor;
    (!points.is_empty()).then(|| Cost { points, bars, floor, metric: "Energy-W1 (kT)".into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::structure::Panel;
    use crate::report::table::{
        collect,
        tests::{example, value},
    };
    use crate::rng::{Purpose, Stream};

    /// Basins like those of a peptide, for two pairs of angles.
    fn dihedrals(seed: u64, frames: u64) -> Panels {
        use std::f64::consts::{PI, TAU};
        const BASINS: [(f64, f64, f64, f64); 4] =
            [(-2.5, 2.7, 0.35, 0.45), (-1.3, 2.4, 0.3, 0.75), (-1.4, -0.4, 0.35, 0.97), (1.0, 0.6, 0.2, 1.0)];
        let turned = |x: f64| (x + PI).rem_euclid(TAU) - PI;
        let panel = |k: u64| -> Vec<[f64; 2]> {
            (0..frames)
                .map(|i| {
                    let mut draws = Stream::new(seed, Purpose::Init, k).at(i as u32);
                    let pick: f64 = draws.uniform();
                    let (phi, psi, sd, _) = BASINS.into_iter().find(|b| pick < b.3).unwrap_or(BASINS[0]);
                    [turned(phi + sd * draws.normal()), turned(psi + sd * draws.normal())]
                })
                .collect()
        };
        let pair = |k: u64| Panel { x: format!("phi ALA{}", k + 2), y: format!("psi ALA{}", k + 1), points: panel(k) };
        let tica = Panel { x: "TIC 1".into(), y: "TIC 2".into(), points: panel(7) };
        Panels { ramachandran: vec![pair(0), pair(1)], tica: Some(tica) }
    }

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
        let lj = Pictures {
            system: "lj13".into(),
            temperature: 1.0,
            reference: normal(5, 20_000, -43.0, 4.0),
            samples: samples.clone(),
            molecule: None,
        };
        let panels: Vec<Panels> = (0..4).map(|k| dihedrals(40 + k, 10_000 / (k + 1))).collect();
        let peptide = Pictures {
            system: "al3".into(),
            temperature: 300.0,
            molecule: Some(Views::new(&samples, &panels)),
            ..lj.clone()
        };
        let mut runs = example();
        for (i, run) in runs.iter_mut().enumerate() {
            run.metrics.push(value("energy-w1", 0.3 * (i + 1) as f64, 0.05));
            run.counts.0.insert(crate::energy::Purpose::Training, 3_000_000 * (i as u64 + 1));
        }
        let kept = std::env::var("PITA_BENCH_FIGURES");
        let temporary = tempfile::tempdir().unwrap();
        let out = kept.as_ref().map_or(temporary.path(), Path::new);
        let files = write(out, "Table 1", &collect(&runs).unwrap(), &[lj, peptide], &runs).unwrap();
        assert_eq!(files.len(), 23);
        for file in &files {
            assert!(std::fs::metadata(file).unwrap().len() > 500, "{}", file.display());
        }
        // What is not there is said by the page, under figures too.
        let page = std::fs::read_to_string(out.join("report.html")).unwrap();
        assert_eq!(page.matches("1 of 7 cells missing: 1 failed.</figcaption>").count(), 3, "samples, reference, cost");
        let svg = std::fs::read_to_string(out.join("figures/samples-lj13-T1.svg")).unwrap();
        for text in ["interatomic distance (rₘ)", "MALA, no resampling", "reduced energy E / kT"] {
            assert!(svg.contains(text), "{text}");
        }
        let map = std::fs::read_to_string(out.join("figures/ramachandran-al3-T300.svg")).unwrap();
        for text in ["reference", "MALA, no resampling", "φ ALA3", "ψ ALA2", "free energy (kT)"] {
            assert!(map.contains(text), "{text}");
        }
        assert!(map.len() < 500_000, "{}", map.len());
        let json: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(out.join("table.json")).unwrap()).unwrap();
        assert_eq!(json[0]["rows"][0]["cells"][0]["run_ids"][0], "pita1");
    }

    /// From frames of a real molecule to its figures; a cluster has none.
    #[test]
    fn molecules_have_maps() {
        let arrays =
            crate::array::read_npz(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/physics/aldp_golden.npz")).unwrap();
        let system = crate::systems::by_name("aldp", 300.0).unwrap();
        let positions = arrays["positions"].to_f64();
        let energies = energies(&system, &positions);
        let frames = energies.len();
        let reference = ReferenceSet { digest: "a".into(), positions, energies, tica: None, precision: None, runs: 1 };
        let pictures = Pictures::new(&system, &reference, &[("MD".into(), arrays.clone())]).unwrap();
        assert_eq!(pictures.samples.length_unit, "nm");
        let views = pictures.molecule.unwrap();
        assert_eq!(views.frames, format!("Frames: reference {frames}, MD {frames}."));
        let map = &views.ramachandran;
        assert_eq!((map.labels.clone(), map.planes.len()), (vec!["reference".into(), "MD".to_owned()], 1));
        assert_eq!((map.planes[0].x.as_str(), map.planes[0].y.as_str()), ("φ ALA2", "ψ ALA2"));
        assert_eq!(map.planes[0].clouds[0], map.planes[0].clouds[1]);
        assert_eq!(views.phi.profiles[0].angles[1].len(), frames);
        assert!(views.tica.is_none());
        let cluster = crate::systems::by_name("lj13", 1.0).unwrap();
        let reference = ReferenceSet {
            digest: "b".into(),
            positions: cluster.start.clone(),
            energies: vec![-80.0],
            tica: None,
            precision: None,
            runs: 1,
        };
        assert!(Pictures::new(&cluster, &reference, &[]).unwrap().molecule.is_none());
    }
}
