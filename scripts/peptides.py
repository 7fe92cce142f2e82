"""Makes the molecules of experiments/beyond.toml: capped Ala4 and Ala6, chignolin (GYDPETGTWG).

    pip install openmm==8.6.1 numpy
    python3 scripts/peptides.py            # checks that the files are what OpenMM makes, half a minute
    python3 scripts/peptides.py --write    # writes experiments/molecules again

All have amber14-all with implicit/obc1.xml, CutoffNonPeriodic at 2 nm, no constraints, as the built-in alanines. Alanines
are built extended from ideal bonds and angles, given hydrogens, and minimised; chignolin is the structure of
tests/molecules/05-every-verb-relaxes-the-structure.
"""

import argparse
import io
import pathlib

import numpy as np
import openmm as mm
import openmm.app as app
import openmm.unit as unit

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "experiments" / "molecules"
CHIGNOLIN = ROOT / "tests" / "molecules" / "05-every-verb-relaxes-the-structure" / "mol.pdb"


def place(a, b, c, length, angle, torsion):
    """The point at `length` (A) from c, with its angle b-c and torsion a-b-c, degrees."""
    angle, torsion = np.radians([angle, torsion])
    bc = (c - b) / np.linalg.norm(c - b)
    n = np.cross(b - a, bc)
    n /= np.linalg.norm(n)
    local = length * np.array([-np.cos(angle), np.sin(angle) * np.cos(torsion), np.sin(angle) * np.sin(torsion)])
    return c + local @ np.array([bc, np.cross(n, bc), n])


def extended(n):
    """Heavy atoms of ACE-(ALA)n-NME with phi = -120, psi = 140, as (residue name, number, atom name, position)."""
    ch3 = np.zeros(3)
    c = np.array([1.52, 0.0, 0.0])
    o = place(np.array([0.0, 1.0, 0.0]), ch3, c, 1.23, 120.5, 0.0)
    atoms = [("ACE", 1, "CH3", ch3), ("ACE", 1, "C", c), ("ACE", 1, "O", o)]
    before, ca, last, turn = None, ch3, c, None
    for k in range(n):
        nitrogen = place(o, ca, last, 1.335, 116.6, 180.0) if turn is None else place(before, ca, last, 1.335, 116.6, turn)
        alpha = place(ca, last, nitrogen, 1.449, 121.9, 180.0)
        carbon = place(last, nitrogen, alpha, 1.522, 110.1, -120.0)
        beta = place(carbon, nitrogen, alpha, 1.526, 109.7, -122.0)
        turn = 140.0
        oxygen = place(nitrogen, alpha, carbon, 1.229, 120.4, turn - 180.0)
        atoms += [("ALA", k + 2, name, x) for name, x in
                  [("N", nitrogen), ("CA", alpha), ("C", carbon), ("O", oxygen), ("CB", beta)]]
        before, ca, last = nitrogen, alpha, carbon
    nitrogen = place(before, ca, last, 1.335, 116.6, turn)
    methyl = place(ca, last, nitrogen, 1.449, 121.9, 180.0)
    return atoms + [("NME", n + 2, "N", nitrogen), ("NME", n + 2, "C", methyl)]


def as_pdb(atoms):
    line = "ATOM  {:>5}  {:<3} {:>3} A{:>4}    {:8.3f}{:8.3f}{:8.3f}  1.00  0.00           {}\n"
    rows = [line.format(i + 1, name, residue, number, *x, name[0]) for i, (residue, number, name, x) in enumerate(atoms)]
    return app.PDBFile(io.StringIO("".join(rows) + "TER\nEND\n"))


def field():
    return app.ForceField("amber14-all.xml", "implicit/obc1.xml")


def system(topology):
    return field().createSystem(topology, nonbondedMethod=app.CutoffNonPeriodic, nonbondedCutoff=2.0 * unit.nanometer,
                                constraints=None, rigidWater=False)


def alanines(n):
    """Topology and minimised positions of ACE-(ALA)n-NME."""
    pdb = as_pdb(extended(n))
    modeller = app.Modeller(pdb.topology, pdb.positions)
    platform = mm.Platform.getPlatformByName("Reference")
    modeller.addHydrogens(field(), platform=platform)
    context = mm.Context(system(modeller.topology), mm.VerletIntegrator(0.001), platform)
    context.setPositions(modeller.positions)
    mm.LocalEnergyMinimizer.minimize(context, 1.0)
    return modeller.topology, context.getState(getPositions=True).getPositions()


def left_handed(topology, positions):
    """CA atoms whose N, C and CB stand as in D residues."""
    x = positions.value_in_unit(unit.nanometer)
    wrong = []
    for residue in topology.residues():
        at = {a.name: np.array(x[a.index]) for a in residue.atoms()}
        if {"N", "C", "CB", "CA"} <= at.keys():
            n, c, cb = (at[k] - at["CA"] for k in ("N", "C", "CB"))
            if np.dot(np.cross(n, c), cb) < 0:
                wrong.append(residue)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    OUT.mkdir(exist_ok=True)
    for name, residues in [("ala4", 4), ("ala6", 6), ("chignolin", None)]:
        path = OUT / f"{name}.pdb"
        if write:
            if residues:
                topology, positions = alanines(residues)
            else:
                topology, positions = (lambda pdb: (pdb.topology, pdb.positions))(app.PDBFile(str(CHIGNOLIN)))
            text = io.StringIO()
            app.PDBFile.writeFile(topology, positions, text)
            # The first line holds the date.
            path.write_text("".join(l for l in text.getvalue().splitlines(True) if not l.startswith("REMARK")))
        pdb = app.PDBFile(str(path))
        assert not left_handed(pdb.topology, pdb.positions), name
        text = mm.XmlSerializer.serialize(system(pdb.topology))
        if write:
            path.with_suffix(".xml").write_text(text)
        assert text == path.with_suffix(".xml").read_text(), f"{name}.xml is not what OpenMM {mm.__version__} makes"
        print(f"{name}: {pdb.topology.getNumAtoms()} atoms")


if __name__ == "__main__":
    main()
