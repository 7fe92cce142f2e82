//! A potential whose batches run as kernels.
//!
//! Frames go to the device in batches; when one does not fit its memory, the batch is halved, for good, and a note says so.
//! What else goes wrong is kept until somebody asks for [`Potential::fault`], as [`crate::energy::Metered`] does after every
//! call.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::launch::{Arg, Call, Launch, Program};
use crate::energy::tables::{Shape, THREADS, Tables};
use crate::energy::{Dynamics, Exchange, Potential, Walkers, exchange};
use crate::error::{Error, Result};
use crate::real::Precision;

/// Frames of the first batch.
const BATCH: usize = 1 << 18;
/// A batch is not halved below this.
const LEAST_BATCH: usize = 256;

/// Parameters in one precision.
struct Prepared {
    suffix: &'static str,
    shape: Shape,
    ints: Vec<i32>,
    reals: Vec<u8>,
}

/// Energies, forces and dynamics on a device; terms by name, for diagnostics, come from the CPU.
pub struct Engine {
    launcher: Arc<dyn Launch>,
    cpu: Arc<dyn Potential>,
    tables: Tables,
    single: Prepared,
    double: Prepared,
    batch: AtomicUsize,
    fault: Mutex<Option<Error>>,
}

/// How names of kernels end, and the bytes of a number.
pub(super) fn format_of(precision: Precision) -> (&'static str, usize) {
    match precision {
        Precision::F32 => ("f32", 4),
        Precision::F64 => ("f64", 8),
    }
}

/// Numbers of a type as bytes, rounded from f64.
pub(super) fn bytes_of(precision: Precision, values: &[f64]) -> Vec<u8> {
    match precision {
        Precision::F32 => {
            // Written in place: weights are millions of numbers, converted for every pass.
            let mut bytes = vec![0; 4 * values.len()];
            bytes.as_chunks_mut().0.iter_mut().zip(values).for_each(|(b, &x)| *b = (x as f32).to_le_bytes());
            bytes
        }
        Precision::F64 => bytemuck::cast_slice(values).to_vec(),
    }
}

/// Numbers from bytes, as a buffer of this precision holds them.
pub(super) fn reals_of(precision: Precision, bytes: &[u8]) -> Vec<f64> {
    match precision {
        Precision::F32 => bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        Precision::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
    }
}

impl Engine {
    /// The device's version of a potential.
    ///
    /// # Errors
    /// [`Error::NoDevice`] when there is no kernel for it, or its frames are too large.
    pub fn new(launcher: Arc<dyn Launch>, cpu: Arc<dyn Potential>) -> Result<Self> {
        let Some(tables) = cpu.tables() else {
            let message = "this energy has no kernel for a GPU (of force fields: generalised Born other than OBC, and CMAP); \
                           use --device cpu or --device auto";
            return Err(Error::NoDevice(message.into()));
        };
        let limit = launcher.shared_limit();
        let prepare = |precision: Precision| {
            let (suffix, size) = format_of(precision);
            let Some(shape) = tables.shape(size, limit) else {
                return Err(Error::NoDevice(format!(
                    "{} atoms are too many for the GPU's kernels: at most {THREADS}, and {} bytes of shared memory, \
                     where {limit} are there; use --device cpu",
                    tables.atoms,
                    tables.shared * size
                )));
            };
            let mut ints = tables.ints.clone();
            ints[1] = shape.frames as i32;
            ints[2] = tables.shared as i32;
            Ok(Prepared { suffix, shape, ints, reals: bytes_of(precision, &tables.reals) })
        };
        let (single, double) = (prepare(Precision::F32)?, prepare(Precision::F64)?);
        let (batch, fault) = (AtomicUsize::new(BATCH), Mutex::new(None));
        Ok(Self { single, double, launcher, cpu, tables, batch, fault })
    }

    /// A call of a kernel of this potential for `n` frames.
    fn call<'a>(&self, kernel: &str, with: &Prepared, n: usize, args: Vec<Arg<'a>>) -> Call<'a> {
        let kernel = format!("{}_{kernel}_{}", self.tables.kernel, with.suffix);
        let Shape { frames, threads, shared } = with.shape;
        Call { kernel, blocks: n.div_ceil(frames) as u32, threads: threads as u32, shared: shared as u32, args }
    }

    /// Energies and forces of the frames `x [n, dim]`.
    fn energies<'a, T: bytemuck::Pod>(
        &self,
        with: &'a Prepared,
        x: &'a [T],
        e: &'a mut [T],
        f: &'a mut [T],
    ) -> Program<'a> {
        let n = e.len();
        let args = vec![
            Arg::In(bytemuck::cast_slice(&with.ints)),
            Arg::In(&with.reals),
            Arg::Int(n as i32),
            Arg::In(bytemuck::cast_slice(x)),
            Arg::Out(bytemuck::cast_slice_mut(e)),
            Arg::Out(bytemuck::cast_slice_mut(f)),
        ];
        self.call("energy_forces", with, n, args).into()
    }

    /// Calls `run` with ranges of frames that cover `0..n`, smaller ones once the memory does not suffice; each but the last
    /// holds a multiple of `unit` frames.
    fn batches(&self, n: usize, unit: usize, mut run: impl FnMut(Range<usize>) -> Result<()>) {
        let mut done = 0;
        while done < n {
            let batch = self.batch.load(Ordering::Relaxed);
            let end = n.min(done + (batch / unit).max(1) * unit);
            match run(done..end) {
                Ok(()) => done = end,
                Err(Error::DeviceMemory) if batch > LEAST_BATCH => {
                    let half = batch.min(n).div_ceil(2).max(LEAST_BATCH);
                    self.batch.store(half, Ordering::Relaxed);
                    super::notes::note(format!("device memory is short: batches of {half} frames from here on"));
                }
                Err(error) => {
                    let error = match error {
                        Error::DeviceMemory => {
                            Error::Device(format!("out of device memory at a batch of {LEAST_BATCH} frames"))
                        }
                        other => other,
                    };
                    self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    return;
                }
            }
        }
    }

    fn evaluate<T: bytemuck::Pod>(&self, with: &Prepared, x: &[T], e: &mut [T], f: &mut [T]) {
        let dim = 3 * self.tables.atoms;
        self.batches(e.len(), 1, |r| {
            let rows = r.start * dim..r.end * dim;
            self.launcher.run(self.energies(with, &x[rows.clone()], &mut e[r], &mut f[rows]))
        });
    }

    /// Moves walkers batch by batch: whole ladders of them, if they exchange.
    fn start(
        &self,
        mut walkers: Walkers<'_>,
        dynamics: &Dynamics<'_>,
        steps: usize,
        mut exchange: Option<&mut Exchange<'_>>,
    ) {
        if steps == 0 {
            return;
        }
        let with = match dynamics.precision {
            Precision::F32 => &self.single,
            Precision::F64 => &self.double,
        };
        let constants = constants(dynamics);
        let unit = exchange.as_ref().map_or(1, |e| e.levels);
        self.batches(walkers.kt.len(), unit, |r| {
            let some = exchange.as_mut().map(|e| {
                let rounds = e.rounds(steps).len();
                Exchange { accepted: &mut e.accepted[r.start * rounds..r.end * rounds], ..**e }
            });
            let walkers = walkers.part(r.clone());
            self.launcher.run(self.motion(with, &constants, walkers, dynamics, (r.start, steps), some))
        });
    }

    /// Steps of walkers of which the first has number `first`, and the rounds of exchange between them.
    fn motion<'a>(
        &'a self,
        with: &'a Prepared,
        constants: &'a [u8],
        walkers: Walkers<'a>,
        dynamics: &Dynamics<'_>,
        (first, steps): (usize, usize),
        exchange: Option<Exchange<'a>>,
    ) -> Program<'a> {
        let Walkers { kt, positions, velocities, forces, energies } = walkers;
        let (n, dim) = (energies.len(), 3 * self.tables.atoms);
        let mut buffers = vec![
            Arg::In(bytemuck::cast_slice(&with.ints)),
            Arg::In(&with.reals),
            Arg::In(constants),
            Arg::In(bytemuck::cast_slice(kt)),
            Arg::InOut(bytemuck::cast_slice_mut(positions)),
            Arg::InOut(bytemuck::cast_slice_mut(velocities)),
            Arg::InOut(bytemuck::cast_slice_mut(forces)),
            Arg::InOut(bytemuck::cast_slice_mut(energies)),
        ];
        let (mut rounds, mut levels, mut every, mut done) = (0..0, 0, 0, 0);
        if let Some(exchange) = exchange {
            rounds = exchange.rounds(steps);
            (levels, every, done) = (exchange.levels, exchange.every, exchange.done);
            buffers.push(Arg::InOut(bytemuck::cast_slice_mut(exchange.accepted)));
        }
        let part = |buffer| Arg::Part { buffer, byte: 0 };
        let int = |value: usize| Arg::Int(value as i32);
        let mut calls = Vec::new();
        let mut made = 0;
        for round in rounds.clone().map(Some).chain([None]) {
            let next = round.map_or(steps, |round| round * every - done);
            if next > made {
                let mut args = vec![part(0), part(1), part(2), int(n), int(first), int(next - made)];
                args.extend([Arg::Long(dynamics.seed), Arg::Long(dynamics.first_step + made as u64)]);
                args.extend((3..8).map(part));
                calls.push(self.call("langevin", with, n, args));
            }
            made = next;
            let Some(round) = round else { continue };
            let pairs = exchange::pairs(round, levels).count();
            if pairs > 0 {
                let place = round - rounds.start;
                let mut args = vec![int(levels), int(dim), int(first / levels), int(rounds.len()), int(place)];
                args.extend([Arg::Long(dynamics.seed), Arg::Long(round as u64)]);
                args.extend((3..9).map(part));
                let blocks = (n / levels * pairs) as u32;
                calls.push(Call { kernel: "replica_exchange".into(), blocks, threads: 64, shared: 0, args });
            }
        }
        Program { buffers, calls }
    }

    /// Seconds of the kernel alone for energies and forces of `x [n, dim]` in f32, and for a step of dynamics.
    ///
    /// # Errors
    /// When the device refuses.
    pub fn time(&self, x: &[f32], kt: f64, dynamics: &Dynamics<'_>) -> Result<(f64, f64)> {
        let (steps, repeats) = (100, 5);
        let n = x.len() / (3 * self.tables.atoms);
        let (mut e, mut f) = (vec![0.0; n], vec![0.0; x.len()]);
        let energy = self.launcher.time(self.energies(&self.single, x, &mut e, &mut f), repeats)?;
        let mut start: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let (mut v, mut f, mut e) = (vec![0.0; x.len()], vec![0.0; x.len()], vec![0.0; n]);
        let kt = vec![kt; n];
        let walkers = Walkers { kt: &kt, positions: &mut start, velocities: &mut v, forces: &mut f, energies: &mut e };
        let constants = constants(dynamics);
        let motion = self.motion(&self.single, &constants, walkers, dynamics, (0, steps), None);
        let motion = self.launcher.time(motion, repeats)?;
        Ok((energy, motion / steps as f64))
    }
}

/// `dt/2, exp(-friction dt), noise?`, then by atom `dt/m`, `sqrt((1 - keep^2)/m)`, share of the mass; as bytes.
fn constants(d: &Dynamics<'_>) -> Vec<u8> {
    let keep = (-d.friction * d.dt).exp();
    let mass: f64 = d.masses.iter().sum();
    let mut out = vec![0.5 * d.dt, keep, if d.friction > 0.0 { 1.0 } else { 0.0 }];
    out.extend(d.masses.iter().map(|m| d.dt / m));
    out.extend(d.masses.iter().map(|m| ((1.0 - keep * keep) / m).sqrt()));
    out.extend(d.masses.iter().map(|m| m / mass));
    bytes_of(d.precision, &out)
}

impl Potential for Engine {
    fn atoms(&self) -> usize {
        self.tables.atoms
    }

    fn energy_forces(&self, positions: &[f64], energies: &mut [f64], forces: &mut [f64]) {
        self.evaluate(&self.double, positions, energies, forces);
    }

    fn energy_forces_f32(&self, positions: &[f32], energies: &mut [f32], forces: &mut [f32]) {
        self.evaluate(&self.single, positions, energies, forces);
    }

    fn langevin(&self, walkers: Walkers<'_>, dynamics: &Dynamics<'_>, steps: usize) {
        self.start(walkers, dynamics, steps, None);
    }

    fn exchange(&self, walkers: Walkers<'_>, dynamics: &Dynamics<'_>, steps: usize, exchange: &mut Exchange<'_>) {
        let swaps = !exchange.rounds(steps).is_empty();
        self.start(walkers, dynamics, steps, swaps.then_some(exchange));
    }

    fn term_names(&self) -> &'static [&'static str] {
        self.cpu.term_names()
    }

    fn per_term(&self, positions: &[f64], terms: &mut [f64]) {
        self.cpu.per_term(positions, terms);
    }

    fn fault(&self) -> Option<Error> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
