"""Compares exact optimal transport of `pita-bench ot` with POT's network simplex, in value and in CPU time.

    pip install numpy pot
    cargo build --release
    python3 scripts/ot_vs_pot.py                # 5,000 points; --n, --seed, --only NAME for others
    python3 scripts/ot_vs_pot.py --n 30000 --skip-pot   # POT's cost matrix alone would take 7 GB

POT's time is that of `ot.emd2` alone, without its cost matrix, on one thread; ours is that of the whole process on one
thread, reading the points and proving the result included. Fails when a value differs by more than 1e-9 of itself.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
import numpy as np  # noqa: E402 (threads are read on import)

BINARY = pathlib.Path(__file__).parent.parent / "target" / "release" / "pita-bench"
TAU = 2 * np.pi
MIDDLES = np.array([[-1.4, 2.7], [-1.3, -0.3], [-2.6, 2.9], [1.0, 0.8], [1.1, -1.2]])
WEIGHTS = [0.45, 0.3, 0.2, 0.04, 0.01]
EVEN = [0.2] * 5


def basins(rng, n, pairs, weights):
    """Dihedral angles [n, 2 pairs]: each pair in one of five basins, as on a Ramachandran plot."""
    middles = MIDDLES[rng.choice(5, size=(n, pairs), p=weights)]
    x = middles + 0.3 * rng.normal(size=middles.shape)
    return (x - TAU * np.round(x / TAU)).reshape(n, 2 * pairs)


def resampled(rng, x):
    """As many points, drawn with replacement from a tenth of them."""
    return x[rng.integers(len(x) // 10, size=len(x))]


def cases(rng, n):
    """(name, metric, order, points, points)."""
    def plane():
        return rng.normal(size=(n, 2))

    def plot(weights=WEIGHTS, pairs=1):
        return basins(rng, n, pairs, weights)

    yield "torus 2-D", "torus", 2, plot(), plot()
    yield "torus 2-D, W1", "torus", 1, plot(), plot()
    yield "torus 2-D, wrong weights", "torus", 2, plot(), plot(EVEN)
    yield "torus 2-D, wrong weights, W1", "torus", 1, plot(), plot(EVEN)
    yield "torus 4-D", "torus", 2, plot(pairs=2), plot(pairs=2)
    yield "torus 4-D, wrong weights", "torus", 2, plot(pairs=2), plot(EVEN, pairs=2)
    yield "resampled particles", "torus", 2, resampled(rng, plot()), plot()
    yield "plane", "euclidean", 2, plane(), plane()
    yield "plane, W1", "euclidean", 1, plane(), plane()
    yield "plane, far apart", "euclidean", 2, plane(), plane() + 10
    yield "plane, wider", "euclidean", 2, plane(), 3 * plane()


def pot(metric, order, a, b):
    """W of POT, and its CPU time."""
    import ot

    d = np.zeros((len(a), len(b)))
    for k in range(a.shape[1]):
        x = np.abs(a[:, k, None] - b[None, :, k])
        if metric == "torus":
            np.minimum(x, TAU - x, out=x)
        d += x**2
    if order == 1:
        np.sqrt(d, out=d)
    start = time.process_time()
    value = ot.emd2([], [], d, numItermax=1_000_000_000, numThreads=1)
    return value ** (1 / order), time.process_time() - start


def ours(metric, order, a, b):
    """W of pita-bench and its CPU time."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/a.npz", f"{folder}/b.npz"]
        for path, points in zip(paths, (a, b)):
            np.savez(path, points=points)
        command = [BINARY, "ot", "--a", paths[0], "--b", paths[1], "--metric", metric, "-p", str(order), "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"RAYON_NUM_THREADS": "1"})
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit("pita-bench failed")
        return json.loads(output)["distance"], usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="part of a case's name")
    parser.add_argument("--skip-pot", action="store_true")
    args = parser.parse_args()
    if not BINARY.exists():
        sys.exit(f"{BINARY} is missing: cargo build --release")
    failed = False
    print(f"{'n = ' + format(args.n, ','):30} {'W':>20} {'ours, CPU s':>12} {'POT, CPU s':>11} {'difference':>11}")
    for name, metric, order, a, b in cases(np.random.default_rng(args.seed), args.n):
        if args.only and args.only not in name:
            continue
        value, cpu = ours(metric, order, a, b)
        line = f"{name:30} {value:20.15f} {cpu:12.2f}"
        if not args.skip_pot:
            expected, pot_cpu = pot(metric, order, a, b)
            difference = abs(value - expected) / expected
            failed |= not difference <= 1e-9
            line += f" {pot_cpu:11.2f} {difference:11.1e}"
        print(line, flush=True)
    if failed:
        sys.exit("a value differs by more than 1e-9")


if __name__ == "__main__":
    main()
