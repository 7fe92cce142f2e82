//! Device against CPU: the same random words, energies, forces and trajectories; the same bits every time; and how fast.
//!
//! Limits are those that the project promises: in f32 energies to 1e-5 of their largest term and forces to 1e-4 of the
//! largest component; in f64 what rounding leaves.

pub mod networks;

use std::sync::Arc;

use serde::Serialize;

use super::engine::Engine;
use super::launch::{Arg, Call, Launch};
use crate::energy::{Dynamics, Exchange, Potential, Walkers};
use crate::error::Result;
use crate::real::Precision;
use crate::rng::{Purpose, Stream};
use crate::systems::{self, System};

/// One number that device and CPU must agree on.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// What was compared.
    pub what: String,
    /// Largest difference.
    pub worst: f64,
    /// Largest allowed.
    pub allowed: f64,
}

impl Comparison {
    /// Whether it is within its limit (NaN is not).
    #[must_use]
    pub fn passed(&self) -> bool {
        self.worst <= self.allowed
    }
}

/// One rate.
#[derive(Debug, Clone, Serialize)]
pub struct Rate {
    /// Of what.
    pub what: String,
    /// Frames or walkers of one launch.
    pub batch: usize,
    /// Per second, of the kernel alone.
    pub per_second: f64,
    /// Seconds of one launch (energies) or one step of all walkers (dynamics).
    pub seconds: f64,
    /// The seconds below which it cannot be: operations of the energy over the device's peak, or bytes over its bandwidth.
    pub floor: Option<f64>,
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| f64::max(m, v.abs()))
}

/// Energies and forces of `potential`, in f64 whatever the precision.
fn evaluate(potential: &dyn Potential, precision: Precision, x: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
    let n = x.len() / (3 * potential.atoms());
    let out = match precision {
        Precision::F64 => {
            let (mut e, mut f) = (vec![0.0; n], vec![0.0; x.len()]);
            potential.energy_forces(x, &mut e, &mut f);
            (e, f)
        }
        Precision::F32 => {
            let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
            let (mut e, mut f) = (vec![0.0_f32; n], vec![0.0_f32; x.len()]);
            potential.energy_forces_f32(&x, &mut e, &mut f);
            let wide = |v: Vec<f32>| v.into_iter().map(f64::from).collect();
            (wide(e), wide(f))
        }
    };
    potential.fault().map_or(Ok(out), Err)
}

/// Compares energies and forces of frames with the CPU's f64.
///
/// # Errors
/// When the device fails.
pub fn frames(what: &str, device: &Engine, cpu: &dyn Potential, x: &[f64]) -> Result<Vec<Comparison>> {
    let (dim, names) = (3 * cpu.atoms(), cpu.term_names().len());
    let mut out = Vec::new();
    for (precision, name, energy, force) in [(Precision::F32, "f32", 1e-5, 1e-4), (Precision::F64, "f64", 1e-10, 1e-9)]
    {
        // In f32 the positions are rounded before anybody sees them: the CPU gets the same ones.
        let x: Vec<f64> = match precision {
            Precision::F32 => x.iter().map(|&x| f64::from(x as f32)).collect(),
            Precision::F64 => x.to_vec(),
        };
        let mut terms = vec![0.0; x.len() / dim * names];
        cpu.per_term(&x, &mut terms);
        let (there, here) = (evaluate(device, precision, &x)?, evaluate(cpu, Precision::F64, &x)?);
        // Of its largest term, and of its largest component.
        let each = there.0.iter().zip(&here.0).zip(terms.chunks_exact(names));
        let energies = each.map(|((a, b), terms)| (a - b).abs() / largest(terms).max(1.0));
        let each = there.1.chunks_exact(dim).zip(here.1.chunks_exact(dim));
        let forces = each.map(|(a, b)| apart(a, b) / largest(b).max(1.0));
        let compared = |of, worst, allowed| Comparison { what: format!("{what}: {of} in {name}"), worst, allowed };
        out.push(compared("energies", energies.fold(0.0, worse), energy));
        out.push(compared("forces", forces.fold(0.0, worse), force));
    }
    Ok(out)
}

/// The larger one; NaN wins.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// The start structure `n` times, with normal noise of this width.
#[must_use]
pub fn jittered(system: &System, n: usize, width: f64) -> Vec<f64> {
    let stream = Stream::new(1, Purpose::Init, 0);
    let frame = |i: usize| {
        let mut draws = stream.at(i as u32);
        system.start.iter().map(move |x| x + width * draws.normal()).collect::<Vec<f64>>()
    };
    (0..n).flat_map(frame).collect()
}

/// Steps of a trajectory that is compared: few, since rounding grows.
const STEPS: usize = 20;

/// Levels of the ladders that swap.
const LEVELS: usize = 7;

/// Walkers of a system after [`STEPS`] steps: positions, velocities, energies; then which of them swapped with the next one, if
/// there is replica exchange.
fn trajectory(
    potential: &dyn Potential,
    system: &System,
    precision: Precision,
    friction: f64,
    exchanging: bool,
) -> Result<(Vec<f64>, Vec<i32>)> {
    let walkers = 3 * LEVELS;
    let molecule = system.topology.is_some();
    let dt = if molecule { 1e-3 } else { 5e-3 };
    let dynamics = Dynamics { dt, friction, masses: &system.masses, precision, seed: 7, first_step: (3 << 40) + 5 };
    // Ladders fall by halves of the lowest temperature; energies so far apart that some neighbours swap and some do not.
    let hotter = |i: usize| if exchanging { 0.5 * (LEVELS - i % LEVELS) as f64 } else { 0.1 * i as f64 };
    let kt: Vec<f64> = (0..walkers).map(|i| system.kt(system.temperature) * (1.0 + hotter(i))).collect();
    let width = if !exchanging {
        1e-3 * system.scale
    } else if molecule {
        0.005
    } else {
        0.03
    };
    let mut x = jittered(system, walkers, width);
    let (mut v, mut f, mut e) = (vec![0.0; x.len()], vec![0.0; x.len()], vec![0.0; walkers]);
    potential.energy_forces(&x, &mut e, &mut f);
    let w = Walkers { kt: &kt, positions: &mut x, velocities: &mut v, forces: &mut f, energies: &mut e };
    let mut accepted = Vec::new();
    if exchanging {
        // Rounds 2 to 6, after steps 4, 8, ..., 20: the last step is followed by one.
        accepted.resize(5 * walkers, 0);
        let mut exchange = Exchange { levels: LEVELS, every: 4, done: 4, accepted: &mut accepted };
        potential.exchange(w, &dynamics, STEPS, &mut exchange);
    } else {
        potential.langevin(w, &dynamics, STEPS);
    }
    potential.fault().map_or(Ok(()), Err)?;
    let unit = |values: Vec<f64>, unit: f64| values.into_iter().map(move |v| v / unit);
    // In units of their own size: kT, and thermal velocities.
    let thermal = (kt[0] / system.masses.iter().copied().fold(f64::INFINITY, f64::min)).sqrt();
    Ok((unit(x, system.scale).chain(unit(v, thermal)).chain(unit(e, kt[0])).collect(), accepted))
}

/// The largest difference of two equally long lists.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, worse)
}

/// Random words bit for bit, normals to rounding.
fn random(launcher: &dyn Launch) -> Result<Vec<Comparison>> {
    let (n, seed, step, blocks) = (50_usize, 0x0123_4567_89ab_cdef, 0x12_3456_789a, 3);
    let stream = Stream::new(seed, Purpose::Dynamics, step);
    let mut worst = [0.0_f64; 3];
    for block in 0..blocks {
        let (mut words, mut single, mut twice) = (vec![0_u32; 4 * n], vec![0_f32; 4 * n], vec![0_f64; 4 * n]);
        let call = Call {
            kernel: "random_numbers".into(),
            blocks: n.div_ceil(32) as u32,
            threads: 32,
            shared: 0,
            args: vec![
                Arg::Int(n as i32),
                Arg::Int(Purpose::Dynamics as i32),
                Arg::Int(block),
                Arg::Long(seed),
                Arg::Long(step),
                Arg::Out(bytemuck::cast_slice_mut(&mut words)),
                Arg::Out(bytemuck::cast_slice_mut(&mut single)),
                Arg::Out(bytemuck::cast_slice_mut(&mut twice)),
            ],
        };
        launcher.run(call.into())?;
        for i in 0..n {
            let mut draws = stream.at(i as u32);
            let bits: Vec<u32> = (0..4 * (block + 1)).map(|_| draws.bits()).collect();
            let (mut s, mut d) = ([[0_f32; 1]; 4], [[0_f64; 1]; 4]);
            stream.normals(i as u32, block as u32, &mut s);
            stream.normals(i as u32, block as u32, &mut d);
            for k in 0..4 {
                let at = 4 * i + k;
                worst[0] = worse(worst[0], f64::from(u8::from(words[at] != bits[4 * block as usize + k])));
                worst[1] = worse(worst[1], f64::from((single[at] - s[k][0]).abs()));
                worst[2] = worse(worst[2], (twice[at] - d[k][0]).abs());
            }
        }
    }
    let rows = [("words", 0.0), ("normals in f32", 5e-6), ("normals in f64", 1e-13)];
    let named =
        |(worst, (name, allowed)): (f64, (&str, f64))| Comparison { what: format!("random {name}"), worst, allowed };
    Ok(worst.into_iter().zip(rows).map(named).collect())
}

/// Everything that a device must get right, for every built-in system.
///
/// # Errors
/// When the device fails; disagreement is no error, see [`Comparison::passed`].
pub fn compare(launcher: &Arc<dyn Launch>) -> Result<Vec<Comparison>> {
    let mut out = random(&**launcher)?;
    for (name, temperature, width) in
        [("lj13", 1.0, 0.02), ("lj55", 1.0, 0.02), ("aldp", 300.0, 0.005), ("al3", 300.0, 0.005)]
    {
        let system = systems::by_name(name, temperature)?;
        let cpu = system.potential();
        let device = Engine::new(Arc::clone(launcher), Arc::clone(&cpu))?;
        let x = jittered(&system, 53, width);
        out.extend(frames(name, &device, &*cpu, &x)?);

        let (again, dim) = (evaluate(&device, Precision::F32, &x)?, 3 * system.atoms);
        let repeated = apart(&evaluate(&device, Precision::F32, &x)?.1, &again.1);
        let alone = apart(&evaluate(&device, Precision::F32, &x[7 * dim..12 * dim])?.1, &again.1[7 * dim..12 * dim]);
        for (what, worst) in [("a second time", repeated), ("in another batch", alone)] {
            out.push(Comparison { what: format!("{name}: forces {what}"), worst, allowed: 0.0 });
        }
        for (precision, friction, exchanging, what, allowed) in [
            (Precision::F32, 1.0, false, "Langevin steps in f32", 1e-2),
            (Precision::F64, 1.0, false, "Langevin steps in f64", 1e-9),
            (Precision::F64, 0.0, false, "Verlet steps in f64", 1e-9),
            (Precision::F64, 1.0, true, "steps with exchanges in f64", 1e-9),
        ] {
            let (here, swaps) = trajectory(&*cpu, &system, precision, friction, exchanging)?;
            let (there, theirs) = trajectory(&device, &system, precision, friction, exchanging)?;
            if exchanging {
                let differ = swaps.iter().zip(&theirs).filter(|(a, b)| a != b).count() as f64;
                // Some, not all: otherwise nothing was compared.
                let some = swaps.contains(&1) && swaps.iter().sum::<i32>() < 3 * 3 * 5;
                let worst = if some { differ } else { f64::NAN };
                out.push(Comparison { what: format!("{name}: replica exchanges"), worst, allowed: 0.0 });
            }
            out.push(Comparison { what: format!("{name}: {STEPS} {what}"), worst: apart(&here, &there), allowed });
        }
    }
    Ok(out)
}

/// Rates of energies with forces, and of Langevin steps, in f32.
///
/// # Errors
/// When the device fails.
pub fn rates(launcher: &Arc<dyn Launch>, batch: usize) -> Result<Vec<Rate>> {
    let mut out = Vec::new();
    for (name, temperature, dt) in [("lj13", 1.0, 5e-3), ("aldp", 300.0, 1e-3), ("al3", 300.0, 1e-3)] {
        let system = systems::by_name(name, temperature)?;
        let cpu = system.potential();
        let device = Engine::new(Arc::clone(launcher), Arc::clone(&cpu))?;
        let x: Vec<f32> = system.start.iter().map(|&x| x as f32).collect::<Vec<_>>().repeat(batch);
        let dynamics =
            Dynamics { dt, friction: 1.0, masses: &system.masses, precision: Precision::F32, seed: 1, first_step: 0 };
        let (energy, step) = device.time(&x, system.kt(temperature), &dynamics)?;
        let flops = cpu.tables().map_or(0, |t| t.flops) as f64 * batch as f64;
        // Positions in, forces and energies out; walkers stay where they are between the steps of a launch.
        let bytes = ((6 * system.atoms + 1) * 4 * batch) as f64;
        for (what, seconds, bytes) in [("energies and forces", energy, bytes), ("Langevin walker-steps", step, 0.0)] {
            let floor = launcher.peak().map(|p| f64::max(flops / p.flops, bytes / p.bytes));
            let per_second = batch as f64 / seconds;
            out.push(Rate { what: format!("{name}: {what}"), batch, per_second, seconds, floor });
        }
    }
    Ok(out)
}
