"""Numbers for tests/it/structure/joint.rs: Rama-JSD, populations of states and Torsion-MMD from their definitions, in NumPy.

    pip install numpy
    python3 scripts/structure_vs_numpy.py

Every second one of the first 200 golden frames of tests/physics against the others, without and with weights.
"""

import pathlib

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
# phi, then psi; for each residue with both, their places.
MOLECULES = {
    "aldp": ([(4, 6, 8, 14), (6, 8, 14, 16)], [(0, 1)]),
    "al3": ([(10, 12, 14, 20), (20, 22, 24, 30), (0, 4, 10, 12), (12, 14, 20, 22)], [(0, 3)]),
}


def dihedrals(x, atoms):
    a, b, c, d = (x[:, i] for i in atoms)
    u, v, w = b - a, c - b, d - c
    left, right = np.cross(u, v), np.cross(v, w)
    length = np.linalg.norm(v, axis=1)
    return np.arctan2(np.einsum("ij,ij->i", u, right) * length, np.einsum("ij,ij->i", left, right))


def jsd(p, q):
    m = (p + q) / 2
    kl = lambda a: np.sum(a[a > 0] * np.log(a[a > 0] / m[a > 0]))
    return (kl(p) + kl(q)) / 2


def histogram(phi, psi, w=None):
    h = np.histogram2d(phi, psi, bins=100, range=[[-np.pi, np.pi]] * 2, weights=w)[0]
    return h / h.sum()


def populations(phi, psi, w=None):
    w = np.ones(len(phi)) if w is None else w
    psi = np.degrees(psi)
    right, left = (psi >= -120) & (psi < 50), (psi >= -50) & (psi < 120)
    regions = [(phi < 0) & right, (phi < 0) & ~right, (phi >= 0) & left, (phi >= 0) & ~left]
    return np.array([w[r].sum() for r in regions]) / w.sum()


def mmd(a, b, w=None):
    w = np.ones(len(a)) / len(a) if w is None else w / w.sum()
    x, z = np.concatenate([a, b]), np.concatenate([w, -np.ones(len(b)) / len(b)])
    s = np.mean(np.cos(x[:, None] - x[None]) - 1, axis=2)
    return np.sqrt(z @ np.mean([np.exp(c * s) for c in (8, 32)], axis=0) @ z)


def show(name, ours, theirs, w=None):
    atoms, pairs = MOLECULES[name]
    a, b = (np.stack([dihedrals(x, four) for four in atoms], axis=1) for x in (ours, theirs))
    print(f"{name}{' reweighted' if w is not None else ''}:")
    print("  rama-jsd", repr(np.mean([jsd(histogram(a[:, i], a[:, j], w), histogram(b[:, i], b[:, j])) for i, j in pairs])))
    errors = [np.abs(populations(a[:, i], a[:, j], w) - populations(b[:, i], b[:, j])).max() for i, j in pairs]
    print("  state-population-error", repr(max(errors)), [populations(a[:, i], a[:, j], w) for i, j in pairs])
    print("  torsion-mmd", repr(mmd(a, b, w)))


def main():
    for name in MOLECULES:
        golden = np.load(ROOT / "tests" / "physics" / f"{name}_golden.npz")["positions"][:200]
        show(name, golden[1::2], golden[0::2])
        show(name, golden[1::2], golden[0::2], np.exp(np.sin(np.arange(100))))


if __name__ == "__main__":
    main()
