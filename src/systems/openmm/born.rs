//! Generalised Born found by what expressions give, not by how they are written: HCT, OBC1, OBC2, GBn and GBn2, with or
//! without surface and salt, in the wording of any version of OpenMM or of one's own.
//!
//! Constants are solved for, one after the other, from values of the expressions at chosen points; where such a number
//! stands in the file (or in a column of the parameters) it is taken from there. In the end the closed forms of
//! `energy::forcefield::solvation` have to give what the expressions give at points spread over their range.

use super::custom_gb::CustomGb;
use super::element::Element;
use crate::energy::forcefield::params::{GeneralizedBorn, Neck};
use crate::energy::forcefield::solvation::{descreening, neck_shape};
use crate::error::Result;

/// Differences below this share are rounding.
const SAME: f64 = 1e-9;
/// Coefficients are solved for to this share.
const SOLVED: f64 = 1e-6;
/// Points at which the closed forms are compared.
const POINTS: usize = 128;
/// Born radii at which energies are looked at, nm; so small that `f = r` exactly at the distances below.
const SMALL: f64 = 0.01;

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME * a.abs().max(b.abs())
}

fn about(a: f64, b: f64) -> bool {
    (a - b).abs() <= SOLVED * b.abs().max(1.0)
}

/// The number of `pool` that `x` is, or `x` itself.
fn written(x: f64, pool: &[f64]) -> f64 {
    pool.iter().chain(&[0.0]).copied().find(|&w| about(x, w)).unwrap_or(x)
}

/// Reads the force.
pub(super) fn read(force: Element<'_>, atoms: usize) -> Result<GeneralizedBorn> {
    recognise(&CustomGb::new(force, atoms)?)
}

/// The constants of a force.
///
/// # Errors
/// [`Error::Data`](crate::error::Error::Data) that names the term which is none of the known ones.
fn recognise(force: &CustomGb<'_>) -> Result<GeneralizedBorn> {
    let mut out = GeneralizedBorn {
        charges: Vec::new(),
        offset_radius: Vec::new(),
        scaled_radius: Vec::new(),
        offset: 0.0,
        tanh: None,
        neck: None,
        coulomb: 0.0,
        solute: 1.0,
        solvent: 1.0,
        kappa: 0.0,
        surface: 0.0,
        probe: 0.0,
        cutoff: force.cutoff,
        engulfed: false,
    };
    let pool = force.numbers();
    radii(force, &pool, &mut out)?;
    let charge = pairs(force, &pool, &mut out)?;
    surface(force, charge, &pool, &mut out)?;
    integral(force, charge, &pool, &mut out)?;
    compare(force, &out)?;
    Ok(out)
}

/// Offset radii, offset and coefficients, from the Born radius as a function of the integral.
fn radii(force: &CustomGb<'_>, pool: &[f64], out: &mut GeneralizedBorn) -> Result<()> {
    let element = force.radius.0.element;
    let unknown = || force.unknown(element, "the Born radius of HCT, OBC or GBn");
    let rows = &force.parameters;
    let free: Option<Vec<f64>> = rows.iter().map(|p| force.radius(p, 0.0)).collect();
    let free = free.ok_or_else(unknown)?;
    if let Some(i) = free.iter().position(|o| !(*o > 0.0 && o.is_finite())) {
        return Err(force.particles[i].error(format!("has a radius of {} nm, expected above 0", free[i])));
    }
    let as_column = |values: &[f64]| {
        let alike = |column: &Vec<f64>| column.iter().zip(values).all(|(a, b)| same(*a, *b));
        (0..rows[0].len()).map(|c| force.column(c)).find(alike)
    };
    let o = as_column(&free).unwrap_or(free);
    // 1/o - 1/B
    let taken = |i: usize, integral: f64| force.radius(&rows[i], integral).map(|b| 1.0 / o[i] - 1.0 / b);
    let each =
        |f: &dyn Fn(usize) -> Option<f64>| (0..rows.len()).map(f).collect::<Option<Vec<f64>>>().ok_or_else(unknown);
    let bare = |i: usize| [0.2, 0.5, 0.8].iter().all(|u| taken(i, u / o[i]).is_some_and(|y| same(y, u / o[i])));
    if !(0..rows.len()).all(bare) {
        // A large integral leaves 1/rho.
        let rho = each(&|i| taken(i, 100.0 / o[i]).map(f64::recip))?;
        let offset = |c: &f64| rho.iter().zip(&o).all(|(rho, o)| (rho - o - c).abs() <= SAME);
        out.offset = pool.iter().chain(&[0.0]).copied().find(offset).ok_or_else(unknown)?;
        // atanh of what is taken, over psi, is alpha - beta psi + gamma psi^2: through three points.
        let curve = |i: usize| -> Option<[f64; 3]> {
            let psi = [0.3, 0.6, 0.9];
            let [a, b, c] = psi.map(|psi| taken(i, psi / o[i]).map(|y| (y * (o[i] + out.offset)).atanh() / psi));
            let (a, b, c) = (a?, b?, c?);
            let (ab, bc) = ((b - a) / 0.3, (c - b) / 0.3);
            let gamma = (bc - ab) / 0.6;
            Some([a - psi[0] * ab + gamma * psi[0] * psi[1], gamma * (psi[0] + psi[1]) - ab, gamma])
        };
        let curves: Vec<[f64; 3]> = (0..rows.len()).map(curve).collect::<Option<_>>().ok_or_else(unknown)?;
        let mut tanh = curves.clone();
        for k in 0..3 {
            let constant = curves.iter().all(|c| about(c[k], curves[0][k]));
            let fits = |column: &Vec<f64>| column.iter().zip(&curves).all(|(a, c)| about(c[k], *a));
            let column = (0..rows[0].len()).map(|c| force.column(c)).find(fits);
            for (i, row) in tanh.iter_mut().enumerate() {
                row[k] = match &column {
                    _ if constant => written(curves[0][k], pool),
                    Some(column) => column[i],
                    None => row[k],
                };
            }
        }
        out.tanh = Some(tanh);
    }
    out.offset_radius = o;
    Ok(())
}

/// Charges, dielectrics and salt, from the energy of pairs; returns the column of the charges. `None` where pairs have no energy
/// (a solvent that is no other dielectric): nothing is charged then.
fn pairs(force: &CustomGb<'_>, pool: &[f64], out: &mut GeneralizedBorn) -> Result<Option<usize>> {
    let element = force.pairs.first().map_or(force.force, |term| term.element);
    let unknown = || force.unknown(element, "the energy of pairs of generalised Born");
    let mut p = force.parameters[0].clone();
    let mut q = p.clone();
    // Energies are proportional to the charge, and to nothing else.
    let charge = (0..p.len()).find(|&c| {
        let mut with = |x: f64| {
            (p[c], q[c]) = (x, 1.0);
            let energy = force.pair(&p, &q, 0.7, [SMALL; 2]);
            (p[c], q[c]) = (force.parameters[0][c], force.parameters[0][c]);
            energy
        };
        let [none, one, two] = [0.0, 1.0, 2.0].map(&mut with);
        none == Some(0.0) && one != Some(0.0) && one.zip(two).is_some_and(|(one, two)| same(2.0 * one, two))
    });
    let Some(charge) = charge else {
        let rows = &force.parameters;
        let nothing = |p: &Vec<f64>| rows.iter().all(|q| force.pair(p, q, 0.7, [SMALL; 2]) == Some(0.0));
        out.charges = vec![0.0; rows.len()];
        return if rows.iter().all(nothing) { Ok(None) } else { Err(unknown()) };
    };
    (p[charge], q[charge]) = (1.0, 1.0);
    let shift = force.cutoff.map_or(0.0, f64::recip);
    // tau(f) at three distances with equal steps.
    let tau = |f: f64| force.pair(&p, &q, f, [SMALL; 2]).map(|e| -e / (1.0 / f - shift));
    let far = [0.613, 1.217, 1.821];
    let [a, b, c] = far.map(tau);
    let (Some(a), Some(b), Some(c)) = (a, b, c) else { return Err(unknown()) };
    let positive = || pool.iter().copied().filter(|x| *x > 0.0);
    let salt = !(same(a, b) && same(b, c));
    // tau = inside - outside exp(-kappa f)
    let (inside, outside) = if salt {
        out.kappa = written(((b - a) / (c - b)).ln() / (far[1] - far[0]), pool);
        let outside = (b - a) / ((-out.kappa * far[0]).exp() - (-out.kappa * far[1]).exp());
        (a + outside * (-out.kappa * far[0]).exp(), outside)
    } else {
        (a, 0.0)
    };
    let known = positive().flat_map(|coulomb| positive().map(move |solute| (coulomb, solute)));
    let mut known = known.flat_map(|(coulomb, solute)| positive().map(move |solvent| [coulomb, solute, solvent]));
    let fits = |&[coulomb, solute, solvent]: &[f64; 3]| {
        if salt {
            same(coulomb / solute, inside) && about(coulomb / solvent, outside)
        } else {
            (coulomb * (1.0 / solute - 1.0 / solvent) - inside).abs() <= 1e-12 * inside.abs()
        }
    };
    let other = if salt { [inside, 1.0, inside / outside] } else { [inside, 1.0, f64::INFINITY] };
    [out.coulomb, out.solute, out.solvent] = known.find(fits).unwrap_or(other);
    // Three points fit any curve: two more.
    let more = |&f: &f64| tau(f).is_some_and(|tau| (tau - out.tau(f)).abs() <= SAME * inside.abs());
    if ![0.917, 1.511].iter().all(more) {
        return Err(unknown());
    }
    out.charges = force.column(charge);
    Ok(Some(charge))
}

/// The surface term, from the energy of particles without charge.
fn surface(force: &CustomGb<'_>, charge: Option<usize>, pool: &[f64], out: &mut GeneralizedBorn) -> Result<()> {
    let element = force.own.first().map_or(force.force, |term| term.element);
    let b = 0.2;
    let uncharged = |row: &Vec<f64>| {
        let mut p = row.clone();
        if let Some(charge) = charge {
            p[charge] = 0.0;
        }
        force.own(&p, b)
    };
    let energies: Option<Vec<f64>> = force.parameters.iter().map(uncharged).collect();
    let energies =
        energies.ok_or_else(|| force.unknown(element, "the energy of single particles of generalised Born"))?;
    if energies.iter().all(|e| *e == 0.0) {
        return Ok(());
    }
    // The offset of HCT's radii stands here only.
    let offsets = if out.tanh.is_some() { vec![out.offset] } else { pool.iter().copied().chain([0.0]).collect() };
    let both = offsets.into_iter().flat_map(|offset| pool.iter().map(move |&probe| (offset, probe)));
    for (offset, probe) in both {
        let factor = |(e, o): (&f64, &f64)| e / ((o + offset + probe).powi(2) * ((o + offset) / b).powi(6));
        let mut factors = energies.iter().zip(&out.offset_radius).map(factor);
        let first = factors.next().unwrap_or(0.0);
        let number = pool.iter().copied().find(|&w| same(w, first));
        // With one radius only, any probe would do: then the factor has to be written somewhere.
        let distinct = out.offset_radius.iter().any(|o| *o != out.offset_radius[0]);
        if factors.all(|f| same(f, first)) && (distinct || number.is_some()) {
            (out.surface, out.probe, out.offset) = (number.unwrap_or(first), probe, offset);
            return Ok(());
        }
    }
    let element = force.own.last().map_or(force.force, |term| term.element);
    Err(force.unknown(element, "the surface energy of generalised Born"))
}

/// Scaled radii and necks, from the integral over pairs.
fn integral(force: &CustomGb<'_>, charge: Option<usize>, pool: &[f64], out: &mut GeneralizedBorn) -> Result<()> {
    let unknown = || force.unknown(force.integral.0.element, "the descreening integral of HCT, OBC or GBn");
    let (rows, o) = (&force.parameters, &out.offset_radius);
    let n = rows.len();
    let rho: Vec<f64> = o.iter().map(|o| o + out.offset).collect();
    // So far out that necks are over.
    let matches = |s: &[f64]| {
        (0..n).all(|j| {
            let i = (j + 1) % n;
            [1.3, 2.1].iter().all(|&r| {
                let (value, expected) = (force.integral(&rows[i], &rows[j], r), descreening(o[i], s[j], r));
                value.is_some_and(|v| (v - expected).abs() <= 1e-7 * expected.abs() + 1e-12)
            })
        })
    };
    let times = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
    let columns = (0..rows[0].len()).filter(|&c| Some(c) != charge).map(|c| force.column(c));
    let candidates = columns.flat_map(|column| [times(&column, o), times(&column, &rho), column]);
    let scaled = candidates.into_iter().find(|s| matches(s)).ok_or_else(unknown)?;
    out.scaled_radius = scaled;
    out.neck = neck(force, pool, out, &rho)?;
    let inside =
        (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).find(|&(i, j)| out.scaled_radius[j] > out.offset_radius[i]);
    if let Some((i, j)) = inside {
        let r = 0.5 * (out.scaled_radius[j] - out.offset_radius[i]);
        let value = force.integral(&rows[i], &rows[j], r).ok_or_else(unknown)?;
        out.engulfed = !same(out.integral(i, j, r), value);
    }
    Ok(())
}

/// What is left of the integral without the spheres, if anything is.
fn neck(force: &CustomGb<'_>, pool: &[f64], gb: &GeneralizedBorn, rho: &[f64]) -> Result<Option<Neck>> {
    let unknown = || force.unknown(force.integral.0.element, "the descreening integral of HCT, OBC or GBn");
    let rows = &force.parameters;
    let left = |i: usize, j: usize, r: f64| {
        force.integral(&rows[i], &rows[j], r).map(|v| v - descreening(gb.offset_radius[i], gb.scaled_radius[j], r))
    };
    let n = rows.len();
    let nothing = |i: usize| [0.3, 0.45, 0.6].iter().all(|&r| left(i, (i + 1) % n, r).is_some_and(|v| v.abs() < 1e-10));
    if (0..n).all(nothing) {
        return Ok(None);
    }
    // Necks go by the radii.
    let mut members: Vec<usize> = Vec::new();
    let kind = rho.iter().enumerate().map(|(i, r)| {
        members.iter().position(|&m| rho[m] == *r).unwrap_or_else(|| {
            members.push(i);
            members.len() - 1
        })
    });
    let kind: Vec<usize> = kind.collect();
    let pairs: Vec<(usize, usize)> = members.iter().flat_map(|&i| members.iter().map(move |&j| (i, j))).collect();
    let tables: Vec<_> = pairs.iter().map(|&(i, j)| force.tabulated(&rows[i], &rows[j], 0.45)).collect();
    let names: Vec<&String> = tables[0].keys().collect();
    for centres in &names {
        // The depth is what is left at the centre.
        let depths: Option<Vec<f64>> =
            pairs.iter().zip(&tables).map(|(&(i, j), table)| left(i, j, *table.get(*centres)?)).collect();
        let Some(depths) = depths else { continue };
        let fits = pairs.iter().zip(&tables).zip(&depths).all(|((&(i, j), table), depth)| {
            [0.25, 0.33, 0.45]
                .iter()
                .all(|r| left(i, j, *r).is_some_and(|v| (v - depth * neck_shape(r - table[*centres])).abs() < 1e-9))
        });
        if !fits {
            continue;
        }
        // As written: a number times the other table.
        let other = names.iter().find(|name| *name != centres);
        let scale = other.map(|name| written(depths[0] / tables[0][*name], pool));
        let depth = |k: usize| {
            let exact = other.zip(scale).map(|(name, scale)| scale * tables[k][*name]);
            exact.filter(|exact| same(*exact, depths[k])).unwrap_or(depths[k])
        };
        let by_kind = (0..pairs.len()).map(|k| (depth(k), tables[k][*centres])).collect();
        // They end somewhere.
        let ends = |reach: &f64| {
            pairs.iter().all(|&(i, j)| {
                let at = |x: f64| left(i, j, rho[i] + rho[j] + reach + x).unwrap_or(f64::NAN).abs();
                at(-1e-7) > 1e-9 && at(1e-7) < 1e-9
            })
        };
        let reach = pool.iter().copied().find(ends).ok_or_else(unknown)?;
        return Ok(Some(Neck { kind, pairs: by_kind, reach }));
    }
    Err(unknown())
}

/// The closed forms against the expressions, at points that fill their range.
fn compare(force: &CustomGb<'_>, out: &GeneralizedBorn) -> Result<()> {
    let n = force.parameters.len();
    // A sequence of low discrepancy.
    let spread = |k: usize, step: f64| (k as f64 * step).fract();
    let close = |found: Option<f64>, expected: f64, unit: f64| {
        found.is_some_and(|found| (found - expected).abs() <= 1e-10 * (found.abs() + unit))
    };
    for k in 1..=POINTS {
        let (i, j) = ((k * 7) % n, (k * 13 + 1) % n);
        let (p, q) = (&force.parameters[i], &force.parameters[j]);
        let r = 0.02 + 1.6 * spread(k, 0.618_033_988_749_895).powi(2);
        let own = out.offset_radius[i];
        let value = 0.85 / own * spread(k, 0.754_877_666_246_693);
        let [bi, bj] = [spread(k, 0.569_840_290_998_053), spread(k, 0.324_717_957_244_746)].map(|u| 0.08 + u);
        let integral = &force.integral.0;
        if !close(force.integral(p, q, r), out.integral(i, j, r), 1.0) {
            return Err(force.unknown(integral.element, "the descreening integral of HCT, OBC or GBn"));
        }
        if !close(force.radius(p, value), out.radius(i, value), 0.1) {
            return Err(force.unknown(force.radius.0.element, "the Born radius of HCT, OBC or GBn"));
        }
        if !close(force.own(p, bi), out.own(i, bi), 1.0) {
            let element = force.own.first().map_or(force.force, |term| term.element);
            return Err(force.unknown(element, "the energy of single particles of generalised Born"));
        }
        if !close(force.pair(p, q, r, [bi, bj]), out.pair([i, j], r, [bi, bj]), 1.0) {
            let element = force.pairs.first().map_or(force.force, |term| term.element);
            return Err(force.unknown(element, "the energy of pairs of generalised Born"));
        }
    }
    Ok(())
}
