"""What `*_vs_pytorch.py` share: our bench and what it printed, their CPU seconds, gradients side by side."""

import argparse
import json
import math
import os
import pathlib
import subprocess
import tempfile
import time

import torch

ROOT = pathlib.Path(__file__).parent.parent


def bench(name, doc):
    """The folder that `cargo bench --bench <name>` wrote (built and run now, or that of `--folder`), and the lines it printed."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, help=f"what `cargo bench --bench {name}` wrote, and times.jsonl")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    if folder is None:
        folder = pathlib.Path(tempfile.mkdtemp())
        env = os.environ | {f"PITA_BENCH_{name.upper()}": str(folder), "RAYON_NUM_THREADS": "1"}
        done = subprocess.run(["cargo", "bench", "--bench", name], cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True)
        (folder / "times.jsonl").write_bytes(done.stdout)
    lines = (folder / "times.jsonl").read_text().splitlines()
    return folder, [json.loads(line) for line in lines if line.startswith("{")]


def best(f, repeats=5):
    """CPU seconds of a call, the best of several after a first."""
    f()
    least = math.inf
    for _ in range(repeats):
        start = time.process_time()
        f()
        least = min(least, time.process_time() - start)
    return least


def gradient_error(w, f):
    """How far the gradients of `w` are from `gradient.*` of ours, of the norm of the whole."""
    squares = [(((v.grad - f[f"gradient.{k}"]) ** 2).sum(), (f[f"gradient.{k}"] ** 2).sum()) for k, v in w.items()]
    return math.sqrt(sum(d for d, _ in squares) / sum(g for _, g in squares))
