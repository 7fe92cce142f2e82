"""Makes and checks the molecules of src/systems/molecules and the fixtures of tests/physics and tests/forcefield.

    pip install openmm==8.6.1 numpy
    python3 scripts/physics_fixtures.py            # checks everything, about a minute
    python3 scripts/physics_fixtures.py --write    # writes the System XML and tests/forcefield/good again

Checked, for aldp and al3:
- the System that OpenMM makes from the PDB file (amber14-all.xml + implicit/obc1.xml, CutoffNonPeriodic 2 nm, no
  constraints) serialises to the embedded XML, byte for byte;
- its energies per term and forces on OpenMM's Reference platform (double precision) are those of the 400 golden
  frames within 1e-9 relative;
- tests/physics/*.toml hold the parameters that OpenMM's Python API gives, number by number;
- the start structure is frame 0 of the golden frames, to the last bit, and the PDB file is its rounding to 0.001 A.

tests/forcefield/good holds single forces of aldp (other solvents, cutoffs, GBSAOBCForce, CMAP) as XML, energies.npz with
OpenMM's Reference energies of each on the golden frames listed as `frames`, and forces.npz with the forces of CMAP.
"""

import argparse
import pathlib

import tomllib

import numpy as np
import openmm as mm
import openmm.app as app
import openmm.unit as unit

ROOT = pathlib.Path(__file__).parent.parent
MOLECULES = ROOT / "src" / "systems" / "molecules"
PHYSICS = ROOT / "tests" / "physics"
GOOD = ROOT / "tests" / "forcefield" / "good"
# The order of `per_term` in the golden files; forces without energy are left out.
TERMS = ["HarmonicBondForce", "HarmonicAngleForce", "PeriodicTorsionForce", "NonbondedForce", "CustomGBForce"]
# Minimum, thermal, noisy, overlapping and stretched frames.
FRAMES = [0, 1, 60, 101, 150, 201, 260, 320, 369, 372, 376, 384, 385, 386, 390, 391, 394, 399]


def system(name, solvent="obc1", method=app.CutoffNonPeriodic, field="amber14-all.xml", **options):
    """The System of a molecule from its PDB file."""
    pdb = app.PDBFile(str(MOLECULES / f"{name}.pdb"))
    files = [field] + ([f"implicit/{solvent}.xml"] if solvent else [])
    return app.ForceField(*files).createSystem(
        pdb.topology, nonbondedMethod=method, nonbondedCutoff=2.0 * unit.nanometer, constraints=None, rigidWater=False,
        **options)


def context(system):
    integrator = mm.VerletIntegrator(0.001)
    return mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))


def energies(system, positions):
    """Total energies [n] and forces [n, atoms, 3] on the Reference platform."""
    ctx = context(system)
    energy, forces = [], []
    for x in positions:
        ctx.setPositions(x)
        state = ctx.getState(getEnergy=True, getForces=True)
        energy.append(state.getPotentialEnergy()._value)
        forces.append(state.getForces(asNumpy=True)._value)
    return np.array(energy), np.array(forces)


def per_term(system, positions):
    """Energies [n, 5] by force group, forces [n, atoms, 3]."""
    for force in system.getForces():
        kind = type(force).__name__
        force.setForceGroup(TERMS.index(kind) if kind in TERMS else 31)
    ctx = context(system)
    terms, forces = [], []
    for x in positions:
        ctx.setPositions(x)
        terms.append([ctx.getState(getEnergy=True, groups=1 << g).getPotentialEnergy()._value for g in range(5)])
        forces.append(ctx.getState(getForces=True).getForces(asNumpy=True)._value)
    return np.array(terms), np.array(forces)


def check_parameters(name, system):
    """The TOML file against the System object."""
    toml = tomllib.loads((PHYSICS / f"{name}.toml").read_text())
    bonds, angles, torsions, nonbonded, gb = (next(f for f in system.getForces() if type(f).__name__ == t) for t in TERMS)
    plain = lambda row: tuple(getattr(x, "_value", x) for x in row)
    columns = lambda table, keys: [tuple(row[k] for k in keys.split()) for row in toml[table]]
    rows = lambda count, get: [plain(get(i)) for i in range(count)]
    assert columns("bonds", "i j r0_nm k_kj_mol_nm2") == rows(bonds.getNumBonds(), bonds.getBondParameters)
    assert columns("angles", "i j k theta0_rad k_kj_mol_rad2") == rows(angles.getNumAngles(), angles.getAngleParameters)
    assert columns("torsions", "i j k l periodicity phase_rad k_kj_mol") == rows(
        torsions.getNumTorsions(), torsions.getTorsionParameters)
    assert columns("exceptions", "i j charge_product_e2 sigma_nm epsilon_kj_mol") == rows(
        nonbonded.getNumExceptions(), nonbonded.getExceptionParameters)
    n = system.getNumParticles()
    assert columns("atoms", "charge_e sigma_nm epsilon_kj_mol") == rows(n, nonbonded.getParticleParameters)
    assert columns("atoms", "charge_e gb_offset_radius_nm gb_scaled_offset_radius_nm") == rows(
        n, gb.getParticleParameters)
    assert columns("atoms", "mass_amu") == [(system.getParticleMass(i)._value,) for i in range(n)]


def check(name, write):
    path = MOLECULES / f"{name}.xml"
    made = system(name)
    text = mm.XmlSerializer.serialize(made)
    if write:
        path.write_text(text)
    check_parameters(name, made)
    golden = np.load(PHYSICS / f"{name}_golden.npz")
    x = golden["positions"]
    start = np.loadtxt(MOLECULES / f"{name}.start.txt")
    rounded = np.array(app.PDBFile(str(MOLECULES / f"{name}.pdb")).getPositions(asNumpy=True)._value)
    terms, forces = per_term(made, x)
    scale = np.maximum(1.0, np.abs(golden["per_term"]))
    largest = np.abs(golden["forces"]).max(axis=(1, 2), keepdims=True)
    errors = np.abs(terms - golden["per_term"]) / scale, np.abs(forces - golden["forces"]) / largest
    print(f"{name}: energies per term {errors[0].max():.1e}, forces {errors[1].max():.1e} (relative, {len(x)} frames)")
    assert text == path.read_text(), f"{path} is not what OpenMM {mm.__version__} makes"
    assert (start == x[0]).all(), "start is not frame 0"
    assert np.abs(rounded - start).max() < 0.000051, "the PDB file is not the start"
    assert errors[0].max() < 1e-9 and errors[1].max() < 1e-9


def only(system, kind):
    """The System with one force."""
    for i in reversed(range(system.getNumForces())):
        if type(system.getForce(i)).__name__ != kind:
            system.removeForce(i)
    return system


def gbsa(method):
    """GBSAOBCForce with the radii of obc1.xml, descreening scaled up so that overlapping atoms swallow each other."""
    made = only(system("aldp", "obc1"), "CustomGBForce")
    force = mm.GBSAOBCForce()
    for i in range(made.getNumParticles()):
        charge, offset, scaled = made.getForce(0).getParticleParameters(i)
        force.addParticle(charge, offset + 0.009, 1.5 * scaled / offset)
    force.setNonbondedMethod(method)
    force.setCutoffDistance(0.7)
    force.setSoluteDielectric(1.5)
    force.setSurfaceAreaEnergy(3.0)
    made.removeForce(0)
    made.addForce(force)
    return made


def reaction_field():
    made = only(system("aldp", None), "NonbondedForce")
    made.getForce(0).setCutoffDistance(0.5)
    made.getForce(0).setReactionFieldDielectric(78.3)
    return made


def two_bond_forces():
    """The bonds twice, in two forces: they add up."""
    made = only(system("aldp", None), "HarmonicBondForce")
    made.addForce(mm.XmlSerializer.deserialize(mm.XmlSerializer.serialize(made.getForce(0))))
    return made


def cmap():
    """The map of alanine in ff19SB, without those of other residues."""
    made = only(system("aldp", None, field="amber19/protein.ff19SB.xml"), "CMAPTorsionForce")
    whole, force = made.getForce(0), mm.CMAPTorsionForce()
    used = sorted({whole.getTorsionParameters(k)[0] for k in range(whole.getNumTorsions())})
    for m in used:
        force.addMap(*whole.getMapParameters(m))
    for k in range(whole.getNumTorsions()):
        m, *atoms = whole.getTorsionParameters(k)
        force.addTorsion(used.index(m), *atoms)
    made.removeForce(0)
    made.addForce(force)
    return made


def cmap_grids():
    """Maps of any size and any dihedrals, twice on some, one of them acting nowhere."""
    made = only(system("aldp", None, field="amber19/protein.ff19SB.xml"), "CMAPTorsionForce")
    made.removeForce(0)
    random = np.random.default_rng(3)
    # Some digits less: the file is smaller, and what is written is what is computed with.
    for sizes in [(2, 7, 3), (5,)]:
        force = mm.CMAPTorsionForce()
        for size in sizes:
            force.addMap(size, [round(e, 3) for e in 10 * random.normal(size=size * size)])
        for k in range(8 if len(sizes) > 1 else 2):
            first = [int(i) for i in random.choice(22, 4, replace=False)]
            second = first[::-1] if k == 0 else [int(i) for i in random.choice(22, 4, replace=False)]
            force.addTorsion(k % 2 if len(sizes) > 1 else 0, *first, *second)
        made.addForce(force)
    return made


def good(write):
    x = np.load(PHYSICS / "aldp_golden.npz")["positions"][FRAMES]
    gb = lambda *a, **k: only(system("aldp", *a, **k), "CustomGBForce")
    systems = {
        "obc1": gb("obc1", app.NoCutoff),
        "obc2": gb("obc2", app.NoCutoff),
        "obc2_cutoff": gb("obc2"),
        "obc1_dielectrics": gb("obc1", soluteDielectric=2.0, solventDielectric=60.0),
        "obc1_no_surface": gb("obc1", sasaMethod=None),
        "gbsaobc": gbsa(mm.GBSAOBCForce.NoCutoff),
        "gbsaobc_cutoff": gbsa(mm.GBSAOBCForce.CutoffNonPeriodic),
        "nonbonded": only(system("aldp", None, app.NoCutoff), "NonbondedForce"),
        "reaction_field": reaction_field(),
        "two_bond_forces": two_bond_forces(),
        "cmap": cmap(),
        "cmap_grids": cmap_grids(),
    }
    made = {"frames": np.array(FRAMES)}
    forces = {}
    for name, s in systems.items():
        made[name], f = energies(s, x)
        if name.startswith("cmap"):
            forces[name] = f
        text = mm.XmlSerializer.serialize(s)
        if write:
            (GOOD / f"{name}.xml").write_text(text)
        assert text == (GOOD / f"{name}.xml").read_text(), name
    if write:
        np.savez(GOOD / "energies.npz", **made)
        np.savez_compressed(GOOD / "forces.npz", **forces)
    for file, arrays in [("energies", made), ("forces", forces)]:
        recorded = np.load(GOOD / f"{file}.npz")
        for name, e in arrays.items():
            error = (np.abs(e - recorded[name]) / np.maximum(1.0, np.abs(recorded[name]))).max()
            assert error < 1e-12, (name, error)
    print(f"tests/forcefield/good: {len(systems)} systems on {len(FRAMES)} frames agree")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    for name in ["aldp", "al3"]:
        check(name, write)
    good(write)


if __name__ == "__main__":
    main()
