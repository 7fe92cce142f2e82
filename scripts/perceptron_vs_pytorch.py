"""The score network of `pita-ic` beside PyTorch: same weights, same inputs, seconds side by side, one thread each.

    python3 scripts/perceptron_vs_pytorch.py             # needs torch, numpy, safetensors; builds and runs `cargo bench --bench perceptron`
    python3 scripts/perceptron_vs_pytorch.py --folder F  # with what `cargo bench --bench perceptron` wrote to F (its lines in F/times.jsonl)

Alanine dipeptide: 51 whitened coordinates and 9 circles, 256 features, 3 residual blocks. The PyTorch side is written from the
formulas alone, for eager mode in f32. A training step is loss, backward pass, clipping and Adam on 512 rows; an evaluation is 512
rows at one noise level. Seconds of wall, the best of eight rounds of twenty.
"""

import math
import time

import torch
from safetensors.torch import load_file

from beside_pytorch import bench, gradient_error

NARROW, SCALE, HARMONICS, KNOTS_PER_LN = 51, 0.6, 4, 2.0  # a standard deviation on a circle is 0.6 rad
SIGMA_MIN = 0.02
TOLERANCE = 1e-4  # of the norm of the whole gradient, f32 against f32


def features(y, h):
    """Inputs [B, 51 + 8 * 9] of rows [B, 60] at variances [B]."""
    narrow, circles = y[:, :NARROW], y[:, NARROW:]
    k = torch.arange(1, HARMONICS + 1, dtype=y.dtype)
    damp = torch.exp(-0.5 * h[:, None] * (SCALE * k) ** 2)[:, None]
    angle = SCALE * circles[..., None] * k
    waves = torch.stack([angle.cos() * damp, angle.sin() * damp], -1)
    return torch.cat([narrow / torch.sqrt(1 + h)[:, None], waves.flatten(1)], -1)


def network(w, y, h):
    blocks = sum(name.endswith(".a.weight") for name in w)
    place = (0.5 * h.log() - math.log(SIGMA_MIN)) * KNOTS_PER_LN
    knot = place.floor().clamp(0, w["film"].shape[0] - 2)
    part, knot = (place - knot)[:, None], knot.long()
    film = torch.lerp(w["film"][knot], w["film"][knot + 1], part.to(y.dtype)).unflatten(-1, (blocks + 1, 2, -1))

    def linear(name, x):
        return torch.nn.functional.linear(x, w[name + ".weight"], w[name + ".bias"])

    def activate(x, stage):
        return torch.nn.functional.silu((1 + film[:, stage, 0]) * x + film[:, stage, 1])

    x = linear("input", features(y, h.to(y.dtype)))
    for b in range(blocks):
        x = x + linear(f"block{b}.b", activate(linear(f"block{b}.a", x), b))
    return linear("output", activate(x, blocks))


def best(f, calls=20, rounds=8):
    least = math.inf
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(calls):
            f()
        least = min(least, (time.perf_counter() - began) / calls)
    return least


def main():
    folder, lines = bench("perceptron", __doc__)
    times = {line["case"]: line for line in lines}
    f = load_file(folder / "perceptron.safetensors")
    w = {k[2:]: v.float().requires_grad_() for k, v in f.items() if k.startswith("w.")}
    rows, targets, h = f["rows"], f["targets"], f["h"]

    def loss():
        return ((network(w, rows, h) - targets) ** 2).mean()

    value = loss()
    value.backward()
    error = gradient_error(w, f)
    print(f"loss: {value.item():.6f} and {f['loss'].item():.6f}, gradient: {error:.1e}")
    assert abs(value.item() - f["loss"].item()) < 1e-5 * abs(value.item()) and error < TOLERANCE

    adam = torch.optim.Adam(w.values(), lr=1e-3)

    def step():
        adam.zero_grad()
        loss().backward()
        torch.nn.utils.clip_grad_norm_(w.values(), 1.0)
        adam.step()

    def evaluate():
        with torch.no_grad():
            network(w, rows, h[:1].expand(len(rows)))

    theirs = {"evaluate": best(evaluate), "train": best(step)}
    print(f"{times['train']['parameters']:,} parameters; PyTorch {torch.__version__}; one thread")
    for case, ours in times.items():
        print(f"{case:9} {ours['rows']} rows  ours {1e3 * ours['seconds']:.2f} ms  PyTorch {1e3 * theirs[case]:.2f} ms  "
              f"ratio {ours['seconds'] / theirs[case]:.2f}")


if __name__ == "__main__":
    main()
