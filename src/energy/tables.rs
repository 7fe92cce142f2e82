//! Parameters of a potential, laid out as the kernels of `src/kernels` read them.

use super::forcefield::params::{ForceField, GeneralizedBorn};

/// Integers before the lists: see `forcefield.cuh`.
const HEADER: usize = 12;
/// Reals before the atoms of the solvation.
const SCALARS: usize = 12;
/// Most threads of a block.
pub const THREADS: usize = 256;
/// Shared memory of a block that every card gives without being asked, bytes.
const SHARED: usize = 48 * 1024;

/// A potential for the device, in f64; an [`crate::device::Engine`] rounds the reals to what it computes in.
#[derive(Debug, Clone, PartialEq)]
pub struct Tables {
    /// Prefix of its kernels' names.
    pub kernel: &'static str,
    /// Atoms per frame.
    pub atoms: usize,
    /// Terms per frame.
    pub terms: usize,
    /// Header and lists; entries 1 and 2 are those of a [`Shape`].
    pub ints: Vec<i32>,
    /// Parameters.
    pub reals: Vec<f64>,
    /// Reals of shared memory that a frame needs.
    pub shared: usize,
    /// Floating-point operations of an evaluation, as the CPU's engine counts them.
    pub flops: u64,
}

/// How frames are dealt out to blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Frames per block.
    pub frames: usize,
    /// Threads per block.
    pub threads: usize,
    /// Bytes of shared memory per block.
    pub shared: usize,
}

impl Tables {
    /// A Lennard-Jones cluster.
    pub(super) fn cluster(atoms: usize, flops: u64) -> Self {
        let ints = vec![atoms as i32, 0, 0];
        Self { kernel: "cluster", atoms, terms: 2, ints, reals: vec![0.0], shared: shared(atoms, 0), flops }
    }

    /// A force field.
    pub(super) fn forcefield(ff: &ForceField, flops: u64) -> Self {
        let n = ff.atoms();
        let bonded = Bonded::new(ff);
        let rounds = bonded.kinds.len();
        let mut ints = vec![0; HEADER];
        ints[0] = n as i32;
        ints[3] = rounds as i32;
        ints[4] = bonded.periods as i32;
        let cutoff = ff.nonbonded.as_ref().and_then(|nb| nb.cutoff);
        let engulfed = ff.gb.as_ref().is_some_and(|gb| gb.engulfed);
        ints[5] = i32::from(ff.gb.is_some()) + 2 * i32::from(engulfed) + 4 * i32::from(cutoff.is_some());
        ints[6] = HEADER as i32;
        ints.extend(&bonded.kinds);
        ints.extend(&bonded.atoms);
        ints[7] = ints.len() as i32;
        ints.extend(&bonded.starts);
        ints[8] = ints.len() as i32;
        ints.extend(&bonded.slots);

        let mut reals = bonded.parameters;
        // Every pointer into the table points at something.
        if reals.is_empty() {
            reals.push(0.0);
        }
        ints[10] = reals.len() as i32;
        reals.extend(pairs(ff));
        ints[11] = reals.len() as i32;
        let (krf, crf) = cutoff.map_or((0.0, 0.0), |c| c.reaction_field());
        reals.extend(solvation(ff.gb.as_ref()));
        reals.extend([cutoff.map_or(f64::INFINITY, |c| c.distance), krf, crf]);
        if let Some(gb) = &ff.gb {
            reals.extend(gb.charges.iter().chain(&gb.offset_radius).chain(&gb.scaled_radius));
        }
        let inner = if ff.gb.is_some() { n * n } else { 0 };
        Self { kernel: "forcefield", atoms: n, terms: 5, ints, reals, shared: shared(n, inner.max(12 * n)), flops }
    }

    /// How frames are dealt out, for reals of `size` bytes on a device that gives a block `limit` bytes of shared memory.
    /// `None` when a single frame is too large.
    #[must_use]
    pub fn shape(&self, size: usize, limit: usize) -> Option<Shape> {
        let bytes = self.shared * size;
        if self.atoms == 0 || self.atoms > THREADS || bytes > limit {
            return None;
        }
        let frames = (SHARED.min(limit) / bytes).min(THREADS / self.atoms).max(1);
        Some(Shape { frames, threads: (frames * self.atoms).next_multiple_of(32), shared: frames * bytes })
    }
}

/// Reals of shared memory per frame: positions, radii and sums, then whatever passes leave for one another: forces of bonded
/// terms or derivatives by pair (`passes`), noise, terms of the energy.
fn shared(atoms: usize, passes: usize) -> usize {
    let noise = (3 * atoms).next_multiple_of(4);
    6 * atoms + passes.max(noise)
}

/// The scalars of the solvation, without the cutoff of pairs.
fn solvation(gb: Option<&GeneralizedBorn>) -> [f64; SCALARS - 3] {
    let Some(gb) = gb else { return [0.0; SCALARS - 3] };
    // All atoms have the same: see `GeneralizedBorn::is_obc`.
    let [alpha, beta, gamma] = gb.tanh.as_ref().and_then(|tanh| tanh.first()).copied().unwrap_or_default();
    let tau = gb.coulomb * (1.0 / gb.solute - 1.0 / gb.solvent);
    let (cutoff, shift) = (gb.cutoff.unwrap_or(f64::INFINITY), gb.cutoff.map_or(0.0, f64::recip));
    [alpha, beta, gamma, gb.offset, tau, gb.surface, gb.probe, cutoff, shift]
}

/// `(a, b, qq, plain)` of every ordered pair, `[atoms - 1, atoms]`: row `k` holds the pairs (i, i + k + 1 modulo atoms). The
/// cutoff holds for plain ones (1, or 0).
fn pairs(ff: &ForceField) -> Vec<f64> {
    let n = ff.atoms();
    let Some(nb) = &ff.nonbonded else { return vec![0.0; 4 * n * n.saturating_sub(1)] };
    let own = nb.exceptions_by_pair();
    let mut out = Vec::with_capacity(4 * n * n);
    for k in 1..n {
        for i in 0..n {
            let j = (i + k) % n;
            let [i, j] = [i.min(j), i.max(j)];
            let own = own.get(&[i, j]);
            out.extend(nb.pair(own, i, j).coefficients());
            out.push(if own.is_some() { 0.0 } else { 1.0 });
        }
    }
    out
}

/// One bonded term.
struct Term {
    atoms: Vec<usize>,
    parameters: Vec<f64>,
}

/// Bonded terms in rounds: at most one term per thread, all of one kind.
struct Bonded {
    /// Kind by round: 0 bond, 1 angle, 2 torsion.
    kinds: Vec<i32>,
    /// Members of the terms `[round, 4, thread]`; -1 where a thread has none.
    atoms: Vec<i32>,
    /// `[round, 1 + 2 periods, thread]`.
    parameters: Vec<f64>,
    /// Where each atom's list of a round begins `[round, atom]`, and the end of the last.
    starts: Vec<i32>,
    /// Lists of places of forces: `3 member atoms + thread`.
    slots: Vec<i32>,
    /// Periodicities of a torsion.
    periods: usize,
}

impl Bonded {
    fn new(ff: &ForceField) -> Self {
        let n = ff.atoms();
        let terms = terms(ff);
        let periods = terms.iter().flatten().map(|t| t.parameters.len() / 2).max().unwrap_or(0).max(1);
        let width = 1 + 2 * periods;
        let mut out = Self { kinds: vec![], atoms: vec![], parameters: vec![], starts: vec![], slots: vec![], periods };
        for (kind, these) in terms.iter().enumerate() {
            for round in these.chunks(n.max(1)) {
                out.kinds.push(kind as i32);
                let mut members = vec![-1; 4 * n];
                let mut parameters = vec![0.0; width * n];
                let mut lists: Vec<Vec<i32>> = vec![Vec::new(); n];
                for (thread, term) in round.iter().enumerate() {
                    for (k, &atom) in term.atoms.iter().enumerate() {
                        members[k * n + thread] = atom as i32;
                        lists[atom].push((3 * k * n + thread) as i32);
                    }
                    for (k, &p) in term.parameters.iter().enumerate() {
                        parameters[k * n + thread] = p;
                    }
                }
                out.atoms.extend(members);
                out.parameters.extend(parameters);
                for list in lists {
                    out.starts.push(out.slots.len() as i32);
                    out.slots.extend(list);
                }
            }
        }
        out.starts.push(out.slots.len() as i32);
        out
    }
}

/// Bonds, angles and torsions.
fn terms(ff: &ForceField) -> [Vec<Term>; 3] {
    let bonds = ff.bonds.iter().map(|b| Term { atoms: b.atoms.to_vec(), parameters: vec![b.k, b.r0] });
    let angles = ff.angles.iter().map(|a| Term { atoms: a.atoms.to_vec(), parameters: vec![a.k, a.theta0] });
    let torsions = ff.series().into_iter().map(|series| {
        let amplitudes = series.terms.iter().flat_map(|&(c, s)| [c, s]);
        let parameters = std::iter::once(series.constant).chain(amplitudes).collect();
        Term { atoms: series.atoms.to_vec(), parameters }
    });
    [bonds.collect(), angles.collect(), torsions.collect()]
}
