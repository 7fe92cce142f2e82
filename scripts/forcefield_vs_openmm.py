"""Energies, forces and Langevin steps of our engine beside OpenMM's CPU platform: per CPU-second, in one run.

    pip install openmm numpy
    cargo build --release && cargo bench --bench forcefield --no-run
    python3 scripts/forcefield_vs_openmm.py [--bench target/release/deps/forcefield-<hash>]
    python3 scripts/forcefield_vs_openmm.py --large [--program target/release/pita-bench]

Both evaluate the same System (src/systems/molecules) on one thread; CPU seconds are those of the process. OpenMM is timed
twice: one molecule per Context in a Python loop (what the paper's code does), and 32 copies, far apart, in one Context.
Ours are the criterion benchmarks `forcefield/*`, run with the measuring time given here. Rounds are interleaved.

--large: chignolin (138 atoms, experiments/molecules) and capped Ala35 (362 atoms, made here). Steps of Langevin dynamics
through the program's `sweep` (each is an evaluation with forces, and a little more), and frames through its `energy`, which
also reads and packs them; less what a short run takes.
"""

import argparse
import glob
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import openmm
from openmm import unit

ROOT = pathlib.Path(__file__).resolve().parent.parent
MOLECULES = ROOT / "src" / "systems" / "molecules"
COPIES = 32


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def system_of(name):
    return openmm.XmlSerializer.deserialize((MOLECULES / f"{name}.xml").read_text())


def start_of(name):
    """The golden frame 0: the minimised structure, nm."""
    return np.load(ROOT / "tests" / "physics" / f"{name}_golden.npz")["positions"][0]


def copies_of(system, n):
    """n copies of a System in one; the caller puts them beyond the cutoff of one another."""
    many = openmm.System()
    atoms = system.getNumParticles()
    for _ in range(n):
        for a in range(atoms):
            many.addParticle(system.getParticleMass(a))
    for force in system.getForces():
        if isinstance(force, openmm.CMMotionRemover):
            continue
        new = openmm.XmlSerializer.clone(force)
        for c in range(1, n):
            o = c * atoms
            if isinstance(force, openmm.HarmonicBondForce):
                for k in range(force.getNumBonds()):
                    i, j, *p = force.getBondParameters(k)
                    new.addBond(i + o, j + o, *p)
            elif isinstance(force, openmm.HarmonicAngleForce):
                for k in range(force.getNumAngles()):
                    i, j, l, *p = force.getAngleParameters(k)
                    new.addAngle(i + o, j + o, l + o, *p)
            elif isinstance(force, openmm.PeriodicTorsionForce):
                for k in range(force.getNumTorsions()):
                    i, j, l, m, *p = force.getTorsionParameters(k)
                    new.addTorsion(i + o, j + o, l + o, m + o, *p)
            elif isinstance(force, openmm.NonbondedForce):
                for k in range(force.getNumParticles()):
                    new.addParticle(*force.getParticleParameters(k))
                for k in range(force.getNumExceptions()):
                    i, j, *p = force.getExceptionParameters(k)
                    new.addException(i + o, j + o, *p)
            elif isinstance(force, openmm.CustomGBForce):
                for k in range(force.getNumParticles()):
                    new.addParticle(force.getParticleParameters(k))
            else:
                raise SystemExit(f"{type(force).__name__}: not copied")
        many.addForce(new)
    return many


def context(system, x):
    integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 0.3 / unit.picosecond, 0.001 * unit.picoseconds)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"), {"Threads": "1"})
    context.setPositions(x)
    context.setVelocitiesToTemperature(300 * unit.kelvin, 1)
    return context, integrator


def rate(work, count):
    begin = cpu()
    work()
    return count / (cpu() - begin)


def openmm_rates(name):
    system, x = system_of(name), start_of(name)
    one, integrator = context(system, x)
    frames = [x + 0.003 * np.random.default_rng(k).normal(size=x.shape) for k in range(500)]

    def loop():
        for frame in frames:
            one.setPositions(frame)
            state = one.getState(getEnergy=True, getForces=True)
            state.getPotentialEnergy(), state.getForces(asNumpy=True)

    # On a grid 10 nm apart: far beyond the cutoff of 2 nm.
    shifts = 10.0 * np.array([[c % 4, c // 4 % 4, c // 16] for c in range(COPIES)], dtype=float)
    far = (x[None] + shifts[:, None]).reshape(-1, 3)
    many, many_integrator = context(copies_of(system, COPIES), far)
    one.setPositions(x)
    integrator.step(200)
    many_integrator.step(20)
    return {
        "OpenMM loop": rate(loop, len(frames)),
        "OpenMM MD": rate(lambda: integrator.step(3_000), 3_000),
        f"OpenMM MD x {COPIES}": rate(lambda: many_integrator.step(300), 300 * COPIES),
    }


def large_molecules(folder):
    """Name, XML, PDB and positions [atoms, 3] (nm) of the larger molecules."""
    import openmm.app as app
    import peptides

    chignolin = ROOT / "experiments" / "molecules" / "chignolin.pdb"
    pdb = app.PDBFile(str(chignolin))
    yield "chignolin", chignolin.with_suffix(".xml"), chignolin, pdb.getPositions(asNumpy=True)._value
    raw = peptides.as_pdb(peptides.extended(35))
    modeller = app.Modeller(raw.topology, raw.positions)
    modeller.addHydrogens(peptides.field(), platform=openmm.Platform.getPlatformByName("CPU"))
    system = peptides.system(modeller.topology)
    one, _ = context(system, modeller.positions)
    openmm.LocalEnergyMinimizer.minimize(one, 10.0, 200)
    positions = one.getState(getPositions=True).getPositions(asNumpy=True)
    xml, path = folder / "ala35.xml", folder / "ala35.pdb"
    xml.write_text(openmm.XmlSerializer.serialize(system))
    with open(path, "w") as file:
        app.PDBFile.writeFile(modeller.topology, positions, file)
    yield "ala35", xml, path, positions._value


def noisy(x, n):
    return np.array([x + 0.003 * np.random.default_rng(k).normal(size=x.shape) for k in range(n)])


def loop_rate(xml, x, n):
    """Energies with forces per CPU second, one molecule in a Context."""
    one, _ = context(openmm.XmlSerializer.deserialize(xml.read_text()), x)
    frames = noisy(x, n)

    def loop():
        for frame in frames:
            one.setPositions(frame)
            state = one.getState(getEnergy=True, getForces=True)
            state.getPotentialEnergy(), state.getForces(asNumpy=True)

    loop()
    return rate(loop, n)


def seconds_of(command):
    """CPU seconds of our program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = dict(os.environ, RAYON_NUM_THREADS="1")
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def frames_rate(program, xml, pdb, x, n, precision, folder):
    """Frames per CPU second through `energy`, less what 16 of them (one block) take."""

    def seconds(frames):
        np.savez(folder / "x.npz", positions=noisy(x, frames))
        command = [program, "--quiet", "energy", "--xml", xml, "--pdb", pdb, "--in", folder / "x.npz"]
        return seconds_of([*command, "--out", folder / "e.npz", "--precision", precision])

    return (n - 16) / (seconds(n) - seconds(16))


EXPERIMENT = """
name = "rate"
seeds = [1]
[systems.rate]
temperature = 300.0
xml = "{xml}"
pdb = "{pdb}"
reference = {{ ladder = [600.0], copies = 1, equilibration = 10, stride = 2, samples = 40, trajectory = {{ walkers = 2, frames = 60, stride = 1, lag = 5 }} }}
[samplers.md]
kind = "md"
step = 0.0005
precision = "{precision}"
walkers = 16
equilibration = 10
stride = {steps}
samples = 16
[metrics]
ids = ["mean-energy"]
bootstrap = 0
"""


def steps_rate(program, xml, pdb, n, precision, folder):
    """Walker-steps of Langevin dynamics per CPU second, less what a tenth of them takes."""

    def seconds(steps):
        file = folder / "rate.toml"
        file.write_text(EXPERIMENT.format(xml=xml, pdb=pdb, precision=precision, steps=steps))
        shutil.rmtree(folder / "results", ignore_errors=True)
        return seconds_of([program, "--results", folder / "results", "--quiet", "sweep", file])

    short = max(n // 10, 1)
    return 16 * (n - short) / (seconds(n) - seconds(short))


def large(program, rounds):
    sys.path.insert(0, str(ROOT / "scripts"))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, xml, pdb, x in large_molecules(folder):
            found = {"OpenMM loop": []}
            for _ in range(rounds):
                found["OpenMM loop"].append(loop_rate(xml, x, 100))
                steps = steps_rate(program, xml, pdb, 60_000_000 // len(x) ** 2, "f32", folder)
                found.setdefault("ours MD f32", []).append(steps)
                for precision in ["f64", "f32"]:
                    frames = frames_rate(program, xml, pdb, x, 1_000_000 // len(x), precision, folder)
                    found.setdefault(f"ours energy {precision}", []).append(frames)
            base = statistics.median(found["OpenMM loop"])
            for label, values in found.items():
                middle = statistics.median(values)
                print(f"{name} ({len(x)} atoms) {label:15} {middle:10,.0f}   ({min(values):,.0f} to {max(values):,.0f})"
                      f"   {middle / base:5.1f} x the loop", flush=True)


def our_rates(bench, name, seconds):
    """Elements per CPU second of the criterion benchmarks of one molecule."""
    rates = {}
    # Criterion's own directory is kept out of the way.
    home = ROOT / "target" / "criterion-openmm"
    for what, label in [("f32", "ours f32"), ("f64", "ours f64"), ("md_f32", "ours MD f32")]:
        options = ["--bench", "--noplot", "--warm-up-time", "0.5", "--measurement-time", str(seconds), f"/{name}_{what}$"]
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        env = dict(os.environ, CRITERION_HOME=str(home), RAYON_NUM_THREADS="1")
        subprocess.run([bench, *options], env=env, check=True, capture_output=True, cwd=ROOT)
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begin
        # Criterion measures wall time; the process had this share of a core.
        share = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / wall
        folder = home / "forcefield" / f"{name}_{what}" / "new"
        sample = json.loads((folder / "sample.json").read_text())
        elements = json.loads((folder / "benchmark.json").read_text())["throughput"]["Elements"]
        rates[label] = elements * sum(sample["iters"]) / (sum(sample["times"]) * 1e-9 * share)
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", help="the built criterion benchmark (default: the newest)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="measuring time of each of our benchmarks")
    parser.add_argument("--large", action="store_true", help="138 and 362 atoms, through the program")
    parser.add_argument("--program", default=str(ROOT / "target" / "release" / "pita-bench"))
    args = parser.parse_args()
    if args.large:
        print(f"OpenMM {openmm.version.full_version}; medians of {args.rounds} rounds, one thread, per CPU second")
        return large(args.program, args.rounds)
    built = [f for f in glob.glob(str(ROOT / "target/release/deps/forcefield-*")) if not f.endswith(".d")]
    if not args.bench and not built:
        sys.exit("build the benchmark first, see --help")
    bench = args.bench or max(built, key=os.path.getmtime)
    print(f"OpenMM {openmm.version.full_version}; medians of {args.rounds} rounds, one thread, per CPU second")
    for name in ["aldp", "al3"]:
        rounds = []
        for _ in range(args.rounds):
            rounds.append(openmm_rates(name) | our_rates(bench, name, args.seconds))
        for label in rounds[0]:
            values = [r[label] for r in rounds]
            print(f"{name:5} {label:18} {statistics.median(values):12,.0f}   ({min(values):,.0f} to {max(values):,.0f})")


if __name__ == "__main__":
    main()
