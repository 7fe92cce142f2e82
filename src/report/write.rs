//! All files of a report: `table.{md,csv,tex,json}`, `curves.csv`, `figures/*.{svg,png,pdf}`, `report.html`.

use std::path::{Path, PathBuf};

use super::course::Course;
use super::curves;
use super::figures::{self, Convergence, Cost, FORMATS, Figure, Quality, SamplesFigure, Shown, Words};
use super::missing::Coverage;
use super::page::{self, Material, Picture};
use super::pictures::Pictures;
use super::runs::RunResult;
use super::table::{Table, csv, grouped, latex, markdown};
use crate::error::{Error, Result};
use crate::text;

/// Folder of the figures.
const FIGURES: &str = "figures";

const SEEDS: &str = "Thin lines are seeds, the thick line their mean, the band its 95 % t interval.";
const SAMPLES: &str = "interatomic distances and reduced energies of each method, the reference filled. Densities are fractions \
    of all values; what lies beyond the drawn range is not drawn, and its share is written in the panel.";
const RAMACHANDRAN: &str = "free energy over the dihedral angles φ and ψ, minus the logarithm of the fraction of frames in 100 × \
    100 cells, seeds together. One scale for all panels: 0 is the fullest cell of the reference; values beyond the scale have \
    the colour of its end; white cells hold no frame.";
const PHI: &str = "free energy along φ, from densities smoothed with a Gaussian of 0.1 rad; 0 is the lowest point of each \
    curve. The thick line is all seeds together, with the 95 % t interval of the seeds where each of them was. Nothing is drawn \
    where no frame is near.";
const TICA: &str = "free energy over the first two slow components (TICA, fitted on the reference), minus the logarithm of \
    the fraction of frames in 100 × 100 cells over the range of the reference, seeds together. One scale for all panels: 0 is \
    the fullest cell of the reference; values beyond the scale have the colour of its end; white cells hold no frame.";
const ENERGIES: &str = "reduced energies of each method, the reference filled. What lies beyond the drawn range is not drawn, and \
    its share is written in the panel.";
const CONVERGENCE: &str = "is the reference converged? Reduced energies of its first and second half, and Energy-W1 between n \
    frames of either: along the dashed line only noise separates them.";
const LADDER: &str = "the ladder at a glance, from hot to cold, as the runs recorded it: median of E / kT at the end of each rung, \
    lowest effective sample size on it, and how many particles of its beginning (annealed SMC: of the ladder's beginning) have \
    descendants then.";
const TRAINING: &str =
    "losses over training, one rung after the other; where the axis is logarithmic, the mean is one of logarithms.";
const COST: &str = "quality against cost. Large markers are means over seeds with the 95 % interval of the table, small ones \
    seeds. Lines join budgets of one method. Curves are the metric on the way, a mean of logarithms over seeds, and end where the table's \
    value is: of a chain that of its first frames, of a ladder that of up to 512 particles at each temperature, reweighted to the \
    target. What costs the same is moved a little aside.";

/// A report as it is written.
struct Album<'a> {
    out: &'a Path,
    runs: &'a [RunResult],
    shown: Vec<Picture>,
    files: Vec<PathBuf>,
}

impl Album<'_> {
    /// Writes a text.
    fn write(&mut self, name: &str, text: &str) -> Result<()> {
        let path = self.out.join(name);
        std::fs::write(&path, text).map_err(Error::io(&path))?;
        self.files.push(path);
        Ok(())
    }

    /// Writes a figure.
    fn put(&mut self, kind: &str, place: &Place, figure: &impl Figure, caption: &str) -> Result<()> {
        let stem = format!("{kind}-{}", place.stem);
        let caption = format!("{}: {caption}{}", place.on, place.missing);
        let words = Words { title: format!("{}: {kind}", place.on), description: caption.clone() };
        let folder = self.out.join(FIGURES);
        let svg = figures::save(figure, &words, &folder, &stem)?;
        self.files.extend(FORMATS.map(|format| folder.join(format!("{stem}.{format}"))));
        self.shown.push(Picture { name: stem, place: place.title.clone(), svg, caption });
        Ok(())
    }

    /// Those that need samples.
    fn put_samples(&mut self, place: &Place, p: &Pictures) -> Result<()> {
        let seeds = |caption: &str| format!("{caption} {SEEDS}");
        let samples = |shown| SamplesFigure { samples: &p.samples, shown };
        self.put("samples", place, &samples(Shown::Both), &seeds(SAMPLES))?;
        if let Some(views) = &p.molecule {
            let frames = |caption: &str| format!("{caption} {}", views.frames);
            self.put("ramachandran", place, &views.ramachandran, &frames(RAMACHANDRAN))?;
            self.put("phi", place, &views.phi, &frames(PHI))?;
            if let Some(tica) = &views.tica {
                self.put("tica", place, tica, &frames(TICA))?;
            }
            self.put("energies", place, &samples(Shown::Energies), &seeds(ENERGIES))?;
        }
        let convergence = Convergence { energies: p.reference.clone() };
        self.put("reference", place, &convergence, CONVERGENCE)
    }

    /// Those that need none.
    fn put_curves(&mut self, place: &Place, table: &Table, courses: &[Course], p: Option<&Pictures>) -> Result<()> {
        let seeds = |caption: &str| format!("{caption} {SEEDS}");
        if let Some(ladder) = curves::ladder(table, self.runs, courses, p) {
            self.put("ladder", place, &ladder, &seeds(LADDER))?;
        }
        if let Some(training) = curves::training(table, self.runs, courses) {
            self.put("training", place, &training, &seeds(TRAINING))?;
        }
        if let Some(cost) = curves::cost(table, self.runs) {
            self.put("cost", place, &cost, &format!("{COST}{}", areas(&cost)))?;
        }
        Ok(())
    }
}

/// The areas under the curves of a figure, as sentences.
fn areas(cost: &Cost) -> String {
    let of = |quality: &Quality| {
        let (areas, ends) = quality.areas()?;
        let areas: Vec<String> =
            areas.iter().map(|(label, area)| format!("{} {area:.3}", label.replace('\n', ", "))).collect();
        let [first, last] = ends.map(|n| grouped(n as u64));
        Some(format!(" {}, from {first} to {last} evaluations: {}.", quality.metric, areas.join("; ")))
    };
    let all: String = cost.panels.iter().filter_map(of).collect();
    if all.is_empty() {
        return all;
    }
    format!(
        " Area under each curve (its mean over the logarithm of the evaluations; beyond its ends a curve keeps its value).{all}"
    )
}

/// Where a figure belongs: under which table, in file names, in words, and what it lacks.
struct Place {
    title: String,
    stem: String,
    on: String,
    missing: String,
}

impl Place {
    fn new(system: &str, temperature: f64, kelvin: bool, table: Option<&Table>) -> Self {
        let missing = table.and_then(|t| t.coverage.sentence());
        Self {
            title: format!("{system} at T = {temperature}"),
            stem: format!("{system}-T{temperature}"),
            on: format!("{system} at T = {temperature}{}", if kelvin { " K" } else { "" }),
            missing: missing.map_or(String::new(), |missing| format!(" {missing}.")),
        }
    }
}

/// Writes the report into `out` (created if needed) and returns the files written.
///
/// # Errors
/// [`Error::Io`] when a file cannot be written, [`Error::Internal`] when a figure cannot be drawn.
pub fn write(
    out: &Path,
    material: &Material,
    tables: &[Table],
    (pictures, courses): (&[Pictures], &[Course]),
    runs: &[RunResult],
) -> Result<Vec<PathBuf>> {
    let folder = out.join(FIGURES);
    std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let mut album = Album { out, runs, shown: Vec::new(), files: Vec::new() };
    let join = |format: fn(&Table) -> String| tables.iter().map(format).collect::<Vec<_>>().join("\n");
    let missing = Coverage::of(runs).sentence().map_or(String::new(), |missing| format!("**{missing}**\n\n"));
    album.write("table.md", &format!("# {}\n\n{missing}{}", text::markdown(&material.title), join(markdown)))?;
    album.write("table.csv", &csv(tables))?;
    album.write("table.tex", &join(latex))?;
    album.write("curves.csv", &curves::csv(runs))?;
    let json = serde_json::to_string_pretty(tables).map_err(|e| Error::Internal(format!("table.json: {e}")))?;
    album.write("table.json", &(json + "\n"))?;

    for p in pictures {
        let table = tables.iter().find(|t| t.system == p.system && t.temperature == p.temperature);
        album.put_samples(&Place::new(&p.system, p.temperature, p.molecule.is_some(), table), p)?;
    }
    for table in tables {
        let p = pictures.iter().find(|p| table.system == p.system && table.temperature == p.temperature);
        let kelvin = p.is_some_and(|p| p.molecule.is_some());
        let place = Place::new(&table.system, table.temperature, kelvin, Some(table));
        album.put_curves(&place, table, courses, p)?;
    }
    album.write("report.html", &page::page(material, tables, &album.shown, runs))?;
    Ok(album.files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Arrays;
    use crate::metrics::structure::Panel;
    use crate::metrics::{ReferenceSet, evaluate::energies};
    use crate::record::evaluation::Point;
    use crate::report::course::Rung;
    use crate::report::figures::{SampleSet, Samples};
    use crate::report::pictures::Gallery;
    use crate::report::table::{
        collect,
        tests::{example, value},
    };
    use crate::report::views::{Panels, Views};
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
        let set = |label: &str, first: u64, seeds: u64, (shift, wide): (f64, f64)| {
            let seeds = || (0..seeds).map(move |k| (first + 1000 * k, shift + 0.3 * k as f64));
            SampleSet {
                label: label.into(),
                distances: seeds()
                    .map(|(seed, shift)| {
                        let second = normal(seed + 9, 20_000, 1.75 + shift / 40.0, 0.18 * wide);
                        [normal(seed, 20_000, 1.05, 0.1 * wide), second].concat()
                    })
                    .collect(),
                energies: seeds().map(|(seed, shift)| normal(seed + 20, 3_000, -43.0 + shift, 4.0 * wide)).collect(),
            }
        };
        let samples = Samples {
            reference: set("reference", 1, 1, (0.0, 1.0)),
            methods: vec![
                set("PITA", 2, 3, (2.0, 1.1)),
                set("MD", 3, 3, (0.3, 1.0)),
                set("MALA, no resampling", 4, 3, (9.0, 1.4)),
            ],
            length_unit: "r_m".into(),
        };
        let lj = Pictures {
            system: "lj13".into(),
            temperature: 1.0,
            reference: normal(5, 20_000, -43.0, 4.0),
            samples: samples.clone(),
            molecule: None,
        };
        let panels: Vec<Vec<Panels>> =
            (0..3).map(|k| (0..3).map(|s| dihedrals(40 + 10 * s + k, 5_000 / (k + 1))).collect()).collect();
        let peptide = Pictures {
            system: "al3".into(),
            temperature: 300.0,
            molecule: Some(Views::new(&samples, &dihedrals(40, 10_000), &panels)),
            ..lj.clone()
        };
        let course = |seed: u64| {
            let rungs = [3.0, 2.0, 1.5, 1.0].map(|t| Rung {
                temperature: t,
                energy: Some(-40.0 / t + seed as f64),
                ess: Some(0.05 * t + 0.01 * seed as f64),
                parents: Some((300.0 * t).round()),
            });
            let loss = (0..60).map(|i| (f64::from(i), 100.0 / (1.0 + f64::from(i)) + seed as f64)).collect();
            Course {
                label: "PITA".into(),
                system: "lj13".into(),
                temperature: 1.0,
                rungs: rungs.to_vec(),
                losses: [("score".to_owned(), loss)].into(),
                borders: vec![30.0],
            }
        };
        let courses: Vec<Course> = (0..3).map(course).collect();
        let mut runs = example();
        for (i, run) in runs.iter_mut().enumerate() {
            run.metrics.push(value("energy-w1", 0.3 * (i + 1) as f64, 0.05));
            run.counts.0.insert(crate::energy::Purpose::Training, 3_000_000 * (i as u64 + 1));
            let point = |evaluations: f64| Point { evaluations, metrics: [("energy-w1".to_owned(), 2.0)].into() };
            run.curve = [1e4, 1e5, 5e5].map(point).to_vec();
        }
        let kept = std::env::var("PITA_BENCH_FIGURES");
        let temporary = tempfile::tempdir().unwrap();
        let out = kept.as_ref().map_or(temporary.path(), Path::new);
        let all = collect(&runs).unwrap();
        let material = Material { title: "Table 1".into(), ..Material::default() };
        let files = write(out, &material, &all, (&[lj, peptide], &courses), &runs).unwrap();
        // 6 pages and tables; LJ-13: samples, reference, ladder, training, cost; AL3: samples, three maps, energies, reference.
        assert_eq!(files.len(), 6 + 3 * 11);
        for file in &files {
            assert!(std::fs::metadata(file).unwrap().len() > 500, "{}", file.display());
        }
        // What is not there is said by the page, under figures too.
        let page = std::fs::read_to_string(out.join("report.html")).unwrap();
        assert_eq!(page.matches("1 of 7 cells missing: 1 failed.</figcaption>").count(), 5, "all of LJ-13");
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
        let pictures = |arrays: &Arrays| {
            let mut gallery = Gallery::new(&system, &reference).unwrap();
            for _ in 0..2 {
                gallery.add(("MD (step = 1)", "step = 1"), 2, arrays).unwrap();
            }
            gallery.finish()
        };
        let pictures = pictures(&arrays);
        assert_eq!((pictures.samples.length_unit.as_str(), pictures.samples.methods.len()), ("nm", 1));
        assert_eq!(pictures.samples.methods[0].energies.len(), 2);
        let views = pictures.molecule.unwrap();
        assert_eq!(views.frames, format!("Frames: reference {frames}, step = 1 {}.", 2 * frames));
        let map = &views.ramachandran;
        assert_eq!((map.labels.clone(), map.planes.len()), (vec!["reference".into(), "step = 1".to_owned()], 1));
        assert_eq!((map.planes[0].x.as_str(), map.planes[0].y.as_str()), ("φ ALA2", "ψ ALA2"));
        assert_eq!(map.planes[0].clouds[0], map.planes[0].clouds[1][..frames]);
        assert_eq!(views.phi.profiles[0].methods[0].iter().map(Vec::len).collect::<Vec<_>>(), [frames; 2]);
        assert!(views.tica.is_none());
        let cluster = crate::systems::by_name("lj13", 1.0).unwrap();
        let reference = ReferenceSet { positions: cluster.start.clone(), energies: vec![-80.0], ..reference };
        assert!(Gallery::new(&cluster, &reference).unwrap().finish().molecule.is_none());
    }
}
