"""TA-BG's flow beside PyTorch: same weights, same inputs, CPU seconds side by side, one thread each.

    python3 scripts/tabg_vs_pytorch.py             # needs torch, numpy, safetensors; builds and runs `cargo bench --bench flow`
    python3 scripts/tabg_vs_pytorch.py --folder F  # with what `cargo bench --bench flow` wrote to F (its lines in F/times.jsonl)

The PyTorch side is written from the formulas alone (spline couplings, conditioners, prior) for eager mode in f32: whole
tensors, no loops over samples or coordinates. A training step is loss, backward pass and Adam on 2,048 rows; sampling is the
way from latent points to the unit cube with log-determinants. `draw` is ours alone: prior, flow, decoding to atoms, density.
"""

import math

import torch
from safetensors.torch import load_file

from beside_pytorch import bench, best, gradient_error

BINS, MIN = 8, 1e-3
TOLERANCE = 2e-4  # of the largest entry, f32 against f32
# Of the norm of the whole gradient. Single entries say little: where rounding moves one row across the kink of a ReLU, a weight's
# gradient jumps by a percent (PyTorch's in f32 does so against its own in f64). Exact values are checked in tests/it/golden_flow.rs.
GRADIENT_TOLERANCE = 1e-3


def knots(raw):
    """Positions [.., 9] of bins with the given raw shares [.., 8]."""
    share = MIN + (1 - MIN * BINS) * raw.softmax(-1)
    inner = share.cumsum(-1)[..., :-1]
    return torch.cat([torch.zeros_like(inner[..., :1]), inner, torch.ones_like(inner[..., :1])], -1)


def spline(raw, straight, x, inverse):
    """Rational-quadratic spline of x [B, n]; raw [B, 24 n + straight]; the last n - straight coordinates are circular."""
    b, n = x.shape
    widths, heights, slopes, ends = raw.split([BINS * n, BINS * n, BINS * n, straight], -1)
    shape = (b, n, BINS)
    xs, ys, slopes = knots(widths.view(shape)), knots(heights.view(shape)), slopes.view(shape)
    ends = torch.cat([ends, slopes[:, straight:, 0]], -1)[..., None]
    slopes = MIN + torch.nn.functional.softplus(torch.cat([slopes, ends], -1))
    at = x.clamp(0, 1)[..., None]
    bin = ((ys if inverse else xs)[..., 1:-1] <= at).sum(-1, keepdim=True)
    pick = lambda v, k: v.gather(-1, bin + k)[..., 0]
    x0, y0, d0, d1 = pick(xs, 0), pick(ys, 0), pick(slopes, 0), pick(slopes, 1)
    w, h = pick(xs, 1) - x0, pick(ys, 1) - y0
    s, at = h / w, at[..., 0]
    curve = d0 + d1 - 2 * s
    if inverse:
        y = at - y0
        p, q, r = y * curve + h * (s - d0), h * d0 - y * curve, -s * y
        t = 2 * r / (-q - (q * q - 4 * p * r).clamp(min=0).sqrt())
    else:
        t = (at - x0) / w
    rest = t * (1 - t)
    denominator = s + curve * rest
    log = 2 * s.log() + (d1 * t * t + 2 * s * rest + d0 * (1 - t) ** 2).log() - 2 * denominator.log()
    if inverse:
        return x0 + w * t, -log.sum(-1)
    return y0 + h * (s * t * t + d0 * rest) / denominator, log.sum(-1)


def couple(w, name, f, x, inverse):
    moved, circular, straight = (f[f"{name}.{k}"] for k in ("transformed", "circular_inputs", "straight_inputs"))
    angle = 2 * math.pi * x[:, circular]
    h = torch.cat([angle.cos(), angle.sin(), x[:, straight]], -1)
    for i in range(6):
        h = torch.nn.functional.linear(h, w[f"{name}.lin{i}.weight"], w[f"{name}.lin{i}.bias"])
        if 1 <= i <= 4:
            h = h.relu()
    y, log = spline(h, h.shape[-1] - 3 * BINS * len(moved), x[:, moved], inverse)
    return x.index_copy(-1, moved, y), log


def turn(f, x, by):
    """Adds to the torsions that are shifted, modulo 1."""
    return x.index_copy(-1, f["shifted"], (x[:, f["shifted"]] + by) % 1)


def flow(w, f, x, inverse):
    """Latent points to the unit cube (inverse splines) or back; with log-determinants."""
    total = 0
    blocks = range(len(f["shifts"]))
    for block in blocks if inverse else reversed(blocks):
        shift = f["shifts"][block].float()
        if not inverse:
            x = turn(f, x, -shift)
        for half in "ab" if inverse else "ba":
            x, log = couple(w, f"block{block}.{half}", f, x, inverse)
            total = total + log
        if inverse:
            x = turn(f, x, shift)
    return x, total


def negative_log_likelihood(w, f, rows, torsions):
    z, log = flow(w, f, rows, False)
    normal = z[:, :torsions]
    constant = torsions * (math.log(0.1 * math.sqrt(2 * math.pi)) + math.log1p(-5.733031437583866e-7))
    return (((normal - 0.5) ** 2).sum(-1) / 0.02 + constant - log).mean()


def worst(got, want):
    return ((got - want).abs().max() / want.abs().max()).item()


def main():
    folder, lines = bench("flow", __doc__)
    times = {line["case"]: line for line in lines}
    f = load_file(folder / "flow.safetensors")
    w = {k[2:]: v.float().requires_grad_() for k, v in f.items() if k.startswith("w.")}
    torsions = f["rows"].shape[-1] - int((f["block0.a.circular_inputs"].numel() + f["block0.b.circular_inputs"].numel()))

    with torch.no_grad():
        u, log = flow(w, f, f["z"], True)
        sampling = best(lambda: flow(w, f, f["z"], True))
    # Torsions are compared on the circle.
    difference = (u - f["u"]).abs()
    difference = torch.minimum(difference, 1 - difference)
    print(f"unit cube: {difference.max():.1e}, log-determinants: {worst(log, f['log_det'].float()):.1e}")
    assert difference.max() < TOLERANCE and worst(log, f["log_det"].float()) < TOLERANCE

    loss = negative_log_likelihood(w, f, f["rows"], torsions)
    loss.backward()
    error = gradient_error(w, f)
    print(f"loss: {loss.item():.5f} and {f['loss'].item():.5f}, gradient: {error:.1e}")
    assert abs(loss.item() - f["loss"].item()) < TOLERANCE * abs(loss.item()) and error < GRADIENT_TOLERANCE

    adam = torch.optim.Adam(w.values(), lr=5e-6)

    def step():
        adam.zero_grad()
        negative_log_likelihood(w, f, f["rows"], torsions).backward()
        adam.step()

    theirs = {"train": best(step), "sample": sampling}
    print(f"{times['train']['parameters']:,} parameters; CPU seconds of one thread")
    for case, ours in times.items():
        line = f"{case:7} {ours['rows']:5} rows  ours {ours['seconds']:.3f} s ({ours['rows'] / ours['seconds']:,.0f}/s)"
        if case in theirs:
            line += f"  PyTorch {theirs[case]:.3f} s  ratio {ours['seconds'] / theirs[case]:.2f}"
        print(line)


if __name__ == "__main__":
    main()
