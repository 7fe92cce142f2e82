//! A potential whose batches run as kernels.
//!
//! Frames go to the device in batches; when one does not fit its memory, the batch is halved, for good, and a note says so.
//! What else goes wrong is kept until somebody asks for [`Potential::fault`], as [`crate::energy::Metered`] does after every
//! call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::launch::{Arg, Call, Failure, Launch};
use super::tables::{Shape, THREADS, Tables};
use crate::energy::{Dynamics, Potential, Precision, Walkers};
use crate::error::{Error, Result};

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
            return Err(Error::NoDevice("this energy has no kernel for a GPU; use --device cpu".into()));
        };
        let limit = launcher.shared_limit();
        let prepare = |precision: Precision, suffix, size| {
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
        let (single, double) = (prepare(Precision::F32, "f32", 4)?, prepare(Precision::F64, "f64", 8)?);
        let (batch, fault) = (AtomicUsize::new(BATCH), Mutex::new(None));
        Ok(Self { single, double, launcher, cpu, tables, batch, fault })
    }

    /// A call for `n` frames; `args` follow the tables.
    fn call<'a>(&self, kernel: &'a str, with: &'a Prepared, n: usize, args: Vec<Arg<'a>>) -> Call<'a> {
        let mut all = vec![Arg::In(bytemuck::cast_slice(&with.ints)), Arg::In(&with.reals)];
        all.extend(args);
        let Shape { frames, threads, shared } = with.shape;
        Call {
            kernel: kernel.into(),
            blocks: n.div_ceil(frames) as u32,
            threads: threads as u32,
            shared: shared as u32,
            args: all,
        }
    }

    /// Calls `run` with ranges of frames that cover `0..n`, smaller ones once the memory does not suffice.
    fn batches(&self, n: usize, mut run: impl FnMut(std::ops::Range<usize>) -> Result<(), Failure>) {
        let mut done = 0;
        while done < n {
            let batch = self.batch.load(Ordering::Relaxed);
            match run(done..n.min(done + batch)) {
                Ok(()) => done = n.min(done + batch),
                Err(Failure::OutOfMemory) if batch > LEAST_BATCH => {
                    let half = batch.min(n).div_ceil(2);
                    let half = half.max(LEAST_BATCH);
                    self.batch.store(half, Ordering::Relaxed);
                    super::choice::note(format!("device memory is short: batches of {half} frames from here on"));
                }
                Err(failure) => {
                    let error = Error::Device(match failure {
                        Failure::OutOfMemory => format!("out of device memory at a batch of {LEAST_BATCH} frames"),
                        Failure::Other(message) => message,
                    });
                    self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    return;
                }
            }
        }
    }

    fn evaluate<T: bytemuck::Pod>(&self, with: &Prepared, x: &[T], e: &mut [T], f: &mut [T]) {
        let dim = 3 * self.tables.atoms;
        let kernel = format!("{}_energy_forces_{}", self.tables.kernel, with.suffix);
        self.batches(e.len(), |r| {
            let (x, f) = (&x[r.start * dim..r.end * dim], &mut f[r.start * dim..r.end * dim]);
            let n = r.len();
            let args = vec![
                Arg::Int(n as i32),
                Arg::In(bytemuck::cast_slice(x)),
                Arg::Out(bytemuck::cast_slice_mut(&mut e[r])),
                Arg::Out(bytemuck::cast_slice_mut(f)),
            ];
            self.launcher.launch(self.call(&kernel, with, n, args))
        });
    }

    /// Seconds of the kernel alone for energies and forces of `x [n, dim]` in f32, and for one of `steps` steps of dynamics.
    ///
    /// # Errors
    /// When the device refuses.
    pub fn time(
        &self,
        x: &[f32],
        kt: f64,
        dynamics: &Dynamics<'_>,
        steps: usize,
        repeats: usize,
    ) -> Result<(f64, f64), Failure> {
        let dim = 3 * self.tables.atoms;
        let n = x.len() / dim;
        let (mut e, mut f) = (vec![0.0_f32; n], vec![0.0_f32; x.len()]);
        let kernel = format!("{}_energy_forces_f32", self.tables.kernel);
        let args = vec![
            Arg::Int(n as i32),
            Arg::In(bytemuck::cast_slice(x)),
            Arg::Out(bytemuck::cast_slice_mut(&mut e)),
            Arg::Out(bytemuck::cast_slice_mut(&mut f)),
        ];
        let energy = self.launcher.time(self.call(&kernel, &self.single, n, args).into(), repeats)?;
        let mut start: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let (mut v, mut f, mut e) = (vec![0.0; x.len()], vec![0.0; x.len()], vec![0.0; n]);
        let kt = vec![kt; n];
        let walkers = Walkers { kt: &kt, positions: &mut start, velocities: &mut v, forces: &mut f, energies: &mut e };
        let constants = constants(dynamics);
        let kernel = format!("{}_langevin_f32", self.tables.kernel);
        let args = langevin_args(walkers, &constants, dynamics, 0, steps);
        let motion = self.launcher.time(self.call(&kernel, &self.single, n, args).into(), repeats)?;
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

fn langevin_args<'a>(
    walkers: Walkers<'a>,
    constants: &'a [u8],
    d: &Dynamics<'_>,
    first: usize,
    steps: usize,
) -> Vec<Arg<'a>> {
    let Walkers { kt, positions, velocities, forces, energies } = walkers;
    vec![
        Arg::In(constants),
        Arg::Int(energies.len() as i32),
        Arg::Int(first as i32),
        Arg::Int(steps as i32),
        Arg::Long(d.seed),
        Arg::Long(d.first_step),
        Arg::In(bytemuck::cast_slice(kt)),
        Arg::InOut(bytemuck::cast_slice_mut(positions)),
        Arg::InOut(bytemuck::cast_slice_mut(velocities)),
        Arg::InOut(bytemuck::cast_slice_mut(forces)),
        Arg::InOut(bytemuck::cast_slice_mut(energies)),
    ]
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
        if steps == 0 {
            return;
        }
        let with = match dynamics.precision {
            Precision::F32 => &self.single,
            Precision::F64 => &self.double,
        };
        let kernel = format!("{}_langevin_{}", self.tables.kernel, with.suffix);
        let constants = constants(dynamics);
        let dim = 3 * self.tables.atoms;
        let Walkers { kt, positions, velocities, forces, energies } = walkers;
        self.batches(kt.len(), |r| {
            let rows = r.start * dim..r.end * dim;
            let some = Walkers {
                kt: &kt[r.clone()],
                positions: &mut positions[rows.clone()],
                velocities: &mut velocities[rows.clone()],
                forces: &mut forces[rows],
                energies: &mut energies[r.clone()],
            };
            let args = langevin_args(some, &constants, dynamics, r.start, steps);
            self.launcher.launch(self.call(&kernel, with, r.len(), args))
        });
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
