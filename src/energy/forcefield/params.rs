//! Parameters of a molecular force field. Units: nm, kJ/mol, rad, e, amu. Atoms are numbered from 0.
//!
//! The terms are those that OpenMM evaluates for Amber force fields; [`crate::systems`] reads them from its System XML.

use std::collections::HashMap;

/// Coulomb constant of `NonbondedForce`, kJ nm / (mol e^2).
pub const COULOMB: f64 = 138.935_457_644_381_98;

/// All parameters of one molecule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForceField {
    /// Masses `[atoms]`, amu.
    pub masses: Vec<f64>,
    /// `k/2 (r - r0)^2`.
    pub bonds: Vec<Bond>,
    /// `k/2 (theta - theta0)^2`.
    pub angles: Vec<Angle>,
    /// `k (1 + cos(n phi - phase))`, proper and improper alike.
    pub torsions: Vec<Torsion>,
    /// Energies of two dihedrals at once (CMAP).
    pub cmaps: Vec<Cmap>,
    /// Lennard-Jones and Coulomb.
    pub nonbonded: Option<Nonbonded>,
    /// Generalised Born solvation.
    pub gb: Option<GeneralizedBorn>,
}

impl ForceField {
    /// Number of atoms.
    #[must_use]
    pub fn atoms(&self) -> usize {
        self.masses.len()
    }

    /// The torsions; those on the same atoms, in the same order, are merged.
    pub(in crate::energy) fn series(&self) -> Vec<Series> {
        let mut merged: Vec<Series> = Vec::new();
        let mut places = HashMap::new();
        for torsion in &self.torsions {
            let place = *places.entry(torsion.atoms).or_insert(merged.len());
            if place == merged.len() {
                merged.push(Series { atoms: torsion.atoms, constant: 0.0, terms: Vec::new() });
            }
            let Series { constant, terms, .. } = &mut merged[place];
            let (sin, cos) = torsion.phase.sin_cos();
            let n = torsion.periodicity as usize;
            if n == 0 {
                *constant += torsion.k * (1.0 + cos);
                continue;
            }
            *constant += torsion.k;
            terms.resize(terms.len().max(n), (0.0, 0.0));
            terms[n - 1].0 += torsion.k * cos;
            terms[n - 1].1 += torsion.k * sin;
        }
        merged
    }
}

/// A harmonic bond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bond<T = f64> {
    /// Its atoms.
    pub atoms: [usize; 2],
    /// Force constant, kJ/mol/nm^2.
    pub k: T,
    /// Length at rest, nm.
    pub r0: T,
}

/// A harmonic angle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Angle<T = f64> {
    /// Its atoms; the vertex is in the middle.
    pub atoms: [usize; 3],
    /// Force constant, kJ/mol/rad^2.
    pub k: T,
    /// Angle at rest, rad.
    pub theta0: T,
}

/// One Fourier term of a torsion. Several may share the same atoms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Torsion {
    /// Its atoms, in order; the dihedral is 0 when cis, IUPAC sign.
    pub atoms: [usize; 4],
    /// Periodicity `n`.
    pub periodicity: u32,
    /// Phase, rad.
    pub phase: f64,
    /// Amplitude, kJ/mol.
    pub k: f64,
}

/// All Fourier terms on the same four atoms: `constant + sum_n (c_n cos n phi + s_n sin n phi)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Series<T = f64> {
    /// The atoms, in order.
    pub atoms: [usize; 4],
    /// kJ/mol.
    pub constant: T,
    /// `(c_n, s_n)` for n = 1, 2, ...
    pub terms: Vec<(T, T)>,
}

/// An energy map of two dihedrals and where it acts: the bicubic spline, periodic in both, through a grid over the circle
/// (`CMAPTorsionForce` of OpenMM; MacKerell, Feig and Brooks 2004). Grid point `i` lies at `2 pi i / size`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cmap {
    /// Grid points in either direction, 2 or more.
    pub size: usize,
    /// Energies `[second dihedral, first dihedral]`, kJ/mol.
    pub energies: Vec<f64>,
    /// Atoms of the first and of the second dihedral of every place.
    pub places: Vec<[[usize; 4]; 2]>,
}

/// Lennard-Jones and Coulomb between all pairs that are not exceptions, cut plainly at `cutoff`:
/// `4 eps [(s/r)^12 - (s/r)^6] + COULOMB q q (1/r + krf r^2 - crf)`, `s` the mean of the sigmas, `eps` the geometric mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Nonbonded {
    /// Charges `[atoms]`, e.
    pub charges: Vec<f64>,
    /// Lennard-Jones sigma `[atoms]`, nm.
    pub sigma: Vec<f64>,
    /// Lennard-Jones epsilon `[atoms]`, kJ/mol.
    pub epsilon: Vec<f64>,
    /// Pairs with parameters of their own; all zero for excluded pairs.
    pub exceptions: Vec<Exception>,
    /// Cutoff, nm; `None` for none.
    pub cutoff: Option<Cutoff>,
}

impl Nonbonded {
    /// The exceptions by pair, smaller atom first.
    pub(in crate::energy) fn exceptions_by_pair(&self) -> HashMap<[usize; 2], Exception> {
        // Of several for one pair the first counts.
        self.exceptions.iter().rev().map(|e| ([e.atoms[0].min(e.atoms[1]), e.atoms[0].max(e.atoms[1])], *e)).collect()
    }

    /// A pair as an exception has it: `own` where it has parameters of its own, or else by the rules of Lorentz and Berthelot.
    pub(in crate::energy) fn pair(&self, own: Option<&Exception>, i: usize, j: usize) -> Exception {
        own.copied().unwrap_or_else(|| Exception {
            atoms: [i, j],
            charge_product: self.charges[i] * self.charges[j],
            sigma: f64::midpoint(self.sigma[i], self.sigma[j]),
            epsilon: (self.epsilon[i] * self.epsilon[j]).sqrt(),
        })
    }
}

/// A plain cutoff with a reaction field (OpenMM's `CutoffNonPeriodic`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cutoff {
    /// Distance, nm.
    pub distance: f64,
    /// Dielectric beyond it; 1 gives `1/r - 1/rc`.
    pub dielectric: f64,
}

impl Cutoff {
    /// `krf` and `crf` of the reaction field.
    #[must_use]
    pub fn reaction_field(&self) -> (f64, f64) {
        let (e, rc) = (self.dielectric, self.distance);
        ((e - 1.0) / (2.0 * e + 1.0) / rc.powi(3), 3.0 * e / (2.0 * e + 1.0) / rc)
    }
}

/// A pair outside the rules: `COULOMB c/r + 4 eps [(s/r)^12 - (s/r)^6]` at any distance, neither cut nor shifted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exception {
    /// The pair.
    pub atoms: [usize; 2],
    /// Product of charges, e^2.
    pub charge_product: f64,
    /// Lennard-Jones sigma, nm.
    pub sigma: f64,
    /// Lennard-Jones epsilon, kJ/mol.
    pub epsilon: f64,
}

impl Exception {
    /// `a = 4 epsilon sigma^12`, `b = 4 epsilon sigma^6` and `qq` of `a/r^12 - b/r^6 + qq/r`.
    pub(in crate::energy) fn coefficients(&self) -> [f64; 3] {
        let s6 = self.sigma.powi(6);
        [4.0 * self.epsilon * s6 * s6, 4.0 * self.epsilon * s6, COULOMB * self.charge_product]
    }
}

/// Generalised Born with a surface term (Hawkins, Cramer and Truhlar 1996; Onufriev, Bashford and Case 2004; Mongan et al.
/// 2007; Nguyen, Roe and Simmerling 2013), as OpenMM evaluates it; [`super::solvation`] has the formulas.
///
/// `I_i` by pairwise descreening, with necks where there are some. `psi = I o`, `rho = o + offset`,
/// `B = 1 / (1/o - tanh(alpha psi - beta psi^2 + gamma psi^3) / rho)`, or `1 / (1/o - I)` without coefficients. With
/// `tau(f) = coulomb (1/solute - exp(-kappa f)/solvent)`: self `-tau(B)/2 q^2/B`; surface
/// `surface (rho + probe)^2 (rho/B)^6`; pairs `-tau(f) q q (1/f - shift)`, `f^2 = r^2 + B B exp(-r^2 / 4 B B)`,
/// `shift = 1/cutoff` where there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneralizedBorn {
    /// Charges `[atoms]`, e.
    pub charges: Vec<f64>,
    /// Intrinsic radii less the offset, `o [atoms]`, nm.
    pub offset_radius: Vec<f64>,
    /// `o` times the descreening scale, `s [atoms]`, nm.
    pub scaled_radius: Vec<f64>,
    /// Offset of the radii, nm (0.009; GBn2 has 0.0195141).
    pub offset: f64,
    /// Coefficients of the tanh `[atoms]`: OBC1 is (0.8, 0, 2.909125), OBC2 (1, 0.8, 4.85) for all; `None` is HCT.
    pub tanh: Option<Vec<[f64; 3]>>,
    /// What the gap between two spheres adds to the integrals: GBn and GBn2.
    pub neck: Option<Neck>,
    /// Coulomb constant, kJ nm / (mol e^2).
    pub coulomb: f64,
    /// Dielectric of the solute.
    pub solute: f64,
    /// Dielectric of the solvent.
    pub solvent: f64,
    /// Inverse Debye length of the salt, 1/nm; 0 for none.
    pub kappa: f64,
    /// Surface coefficient, kJ/mol/nm^2 (28.3919551 is 4 pi times 2.25936); 0 for no surface term.
    pub surface: f64,
    /// Probe radius of the surface term, nm (0.14).
    pub probe: f64,
    /// Cutoff of descreening and pairs, nm; `None` for none.
    pub cutoff: Option<f64>,
    /// Whether an atom swallowed by its neighbour (`o_i < s_j - r`) adds `1/o_i - 1/(s_j - r)` to `I_i`
    /// (`GBSAOBCForce` does, `CustomGBForce` of `implicit/obc1.xml` does not).
    pub engulfed: bool,
}

/// Necks: `I_i` gains `depth / (1 + 100 (r - centre)^2 + 3e5 (r - centre)^6)` from atom j where `r < rho_i + rho_j + reach`,
/// `depth` and `centre` by the kinds of i and j.
#[derive(Debug, Clone, PartialEq)]
pub struct Neck<T = f64> {
    /// Kind of every atom.
    pub kind: Vec<usize>,
    /// `(depth (1/nm), centre (nm))` `[kinds, kinds]`.
    pub pairs: Vec<(T, T)>,
    /// nm (0.68).
    pub reach: T,
}

impl Neck {
    /// `(depth, centre)` for what atom `i` gains from atom `j`.
    pub(super) fn of(&self, i: usize, j: usize) -> (f64, f64) {
        let kinds = self.pairs.len().isqrt();
        self.pairs[self.kind[i] * kinds + self.kind[j]]
    }
}
