"""Checks tests/physics/lj13_golden.npz against a plain NumPy evaluator written from the formula alone.

    python3 scripts/lj_golden.py          # needs numpy

E = sum_{i != j} [r^-12 - 2 r^-6] + 1/2 sum_i |x_i - mean(x)|^2, ordered pairs; forces are its negative gradient.
`--write OUT` writes a new file with the same positions and this evaluator's energies and forces.
"""

import argparse
import pathlib

import numpy as np

GOLDEN = pathlib.Path(__file__).parent.parent / "tests" / "physics" / "lj13_golden.npz"


def evaluate(x):
    """Pair energy, well energy and forces of one configuration [n, 3]."""
    d = x[:, None, :] - x[None, :, :]
    r2 = (d**2).sum(-1)
    np.fill_diagonal(r2, np.inf)
    inv6 = r2**-3
    centred = x - x.mean(0)
    pair = (inv6**2 - 2 * inv6).sum()
    force = 24 * ((inv6**2 - inv6) / r2)[:, :, None] * d
    return pair, 0.5 * (centred**2).sum(), force.sum(1) - centred


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", metavar="OUT")
    args = parser.parse_args()
    golden = np.load(GOLDEN)
    results = [evaluate(x) for x in golden["positions"]]
    terms = np.array([[p, w] for p, w, _ in results])
    forces = np.array([f for _, _, f in results])
    scale = np.maximum(1, np.abs(terms).max(1))
    print("energy, worst relative:", np.max(np.abs(terms.sum(1) - golden["energy"]) / scale))
    largest = np.maximum(1, np.abs(golden["forces"]).max((1, 2)))
    print("forces, worst relative:", np.max(np.abs(forces - golden["forces"]).max((1, 2)) / largest))
    if args.write:
        new = {k: golden[k] for k in golden.files}
        new.update(energy=terms.sum(1), per_term=terms, forces=forces)
        np.savez_compressed(args.write, **new)


if __name__ == "__main__":
    main()
