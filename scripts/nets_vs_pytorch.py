"""Our CPU networks beside PyTorch's: same weights, same losses, seconds side by side, one thread each.

    python3 scripts/nets_vs_pytorch.py             # needs torch, numpy, safetensors; builds and runs `cargo bench --bench nets`
    python3 scripts/nets_vs_pytorch.py --folder F  # with what `cargo bench --bench nets` wrote to F (and the lines it printed in F/times.jsonl)

The PyTorch side is written from the formulas alone (both networks, both heads of EDM preconditioning, the losses): eager
mode, f32, gradient of a gradient through autograd, divergence by forward mode over all directions.
"""

import math

import torch
from safetensors.torch import load_file

from beside_pytorch import bench, best

TOLERANCE = 2e-4  # of the largest entry, f32 against f32


def linear(w, name, x):
    return torch.nn.functional.linear(x, w[name + ".weight"], w.get(name + ".bias"))


def embedding_mlp(w, name, t):
    k = torch.arange(128, dtype=t.dtype)
    angle = t[:, None] * torch.exp(-math.log(10_000) * k / 128)
    features = torch.cat([angle.cos(), angle.sin()], -1)
    return linear(w, name + ".mlp.2", torch.nn.functional.silu(linear(w, name + ".mlp.0", features)))


def dit(w, c_noise, x, beta, heads=6):
    """Diffusion transformer, x [B, n, 3]."""
    b, n, _ = x.shape
    c = torch.nn.functional.silu(embedding_mlp(w, "sigma_map", c_noise) + embedding_mlp(w, "sigma_map_temp", beta))
    x = linear(w, "vocab_embed", x)
    hidden = x.shape[-1]
    head = hidden // heads
    angle = torch.arange(n, dtype=x.dtype)[:, None] * 10_000 ** (-2 * (torch.arange(head) // 2) / head)
    cos, sin = angle.cos()[None, :, None], angle.sin()[None, :, None]

    def norm(x, weight):
        return torch.nn.functional.layer_norm(x, (hidden,), weight)

    def rotate(x):
        even, odd = x[..., ::2], x[..., 1::2]
        return x * cos + torch.stack([-odd, even], -1).flatten(-2) * sin

    def modulations(name, count):
        return linear(w, name + ".adaLN_modulation", c)[:, None].chunk(count, -1)

    block = 0
    while f"blocks.{block}.norm1.weight" in w:
        p = f"blocks.{block}."
        shift1, scale1, gate1, shift2, scale2, gate2 = modulations(p[:-1], 6)
        u = norm(x, w[p + "norm1.weight"]) * (1 + scale1) + shift1
        q, k, v = linear(w, p + "attn_qkv", u).view(b, n, 3, heads, head).unbind(2)
        s = torch.einsum("bihd,bjhd->bhij", rotate(q), rotate(k)) / math.sqrt(head)
        o = torch.einsum("bhij,bjhd->bihd", s.softmax(-1), v).reshape(b, n, hidden)
        x = x + gate1 * linear(w, p + "attn_out", o)
        u = norm(x, w[p + "norm2.weight"]) * (1 + scale2) + shift2
        e = torch.nn.functional.gelu(linear(w, p + "mlp.0", u), approximate="tanh")
        x = x + gate2 * linear(w, p + "mlp.2", e)
        block += 1
    shift, scale = modulations("output_layer", 2)
    return linear(w, "output_layer.linear", norm(x, w["output_layer.norm_final.weight"]) * (1 + scale) + shift)


def egnn(w, c_noise, x0, beta):
    """Equivariant graph network on all pairs, x0 [B, n, 3]."""
    b, n, _ = x0.shape
    other = 1 - torch.eye(n, dtype=x0.dtype)[None, :, :, None]
    silu = torch.nn.functional.silu
    layers = sum(name.endswith("coord_mlp.2.weight") for name in w)

    def pairs(x):
        d = x[:, :, None] - x[:, None]
        return d, (d * d).sum(-1, keepdim=True)

    h = linear(w, "egnn.embedding", torch.stack([c_noise, beta], -1)[:, None].expand(b, n, 2))
    x, first = x0, pairs(x0)[1]
    for layer in range(layers):
        p = f"egnn.gcl_{layer}."
        d, r2 = pairs(x)
        hi, hj = h[:, :, None].expand(b, n, n, -1), h[:, None].expand(b, n, n, -1)
        m = silu(linear(w, p + "edge_mlp.2", silu(linear(w, p + "edge_mlp.0", torch.cat([hi, hj, r2, first], -1)))))
        m = m * torch.sigmoid(linear(w, p + "att_mlp.0", m)) * other
        push = torch.tanh(linear(w, p + "coord_mlp.2", silu(linear(w, p + "coord_mlp.0", m)))) * (15 / layers)
        x = x + (d / ((r2 + 1e-8).sqrt() + 1) * push).sum(2)
        update = silu(linear(w, p + "node_mlp.0", torch.cat([h, m.sum(2)], -1)))
        h = h + linear(w, p + "node_mlp.2", update)
    moved = x - x0
    return moved - moved.mean(1, keepdim=True)


def backbone(net, w, h, x, beta):
    """F at variance h [B], and the scaled coordinates y [B, dim]."""
    y = x / (1 + h).sqrt()[:, None]
    return net(w, h.log() / 8, y.view(len(y), -1, 3), beta).flatten(1), y


def denoise(net, w, h, x, beta):
    f, _ = backbone(net, w, h, x, beta)
    return x / (1 + h)[:, None] + (h / (1 + h)).sqrt()[:, None] * f


def energy(net, w, h, x, beta):
    f, y = backbone(net, w, h, x, beta)
    return (x * x).sum(-1) / (2 * (1 + h)) - (f * y).sum(-1) / h.sqrt()


def centred(x):
    p = x.view(len(x), -1, 3)
    return (p - p.mean(1, keepdim=True)).flatten(1)


def training(net, score, energy_net, g):
    """Total loss and gradients, as `samplers::pita::loss` has them."""
    x0, h, beta = centred(g["x0"]), g["h"], g["beta"]
    x = x0 + h.sqrt()[:, None] * centred(g["z"])
    weight, h_min = (1 + h) / h, g["sigma_min"].double().square().to(h.dtype)
    d = denoise(net, score, h, x, beta)
    score_loss = (weight * (h >= h_min) * (d - x0).square().sum(-1)).mean()
    x.requires_grad_()
    u = energy(net, energy_net, h, x, beta)
    (grad,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    distil = (weight * (x - h[:, None] * grad - d.detach()).square().sum(-1)).mean()
    at_zero = energy(net, energy_net, h_min.expand_as(h), x0, beta)
    total = score_loss + distil + (at_zero - g["energy"]).square().mean()
    weights = [*score.values(), *energy_net.values()]
    return total, torch.autograd.grad(total, weights, allow_unused=True)


def annealing(net, score, energy_net, g):
    """U, grad U, dU/dh; D and the exact divergence of the score."""
    h = g["anneal.h"]
    x, beta = g["x0"][: len(h)], g["beta"][: len(h)]
    xs, hs = x.clone().requires_grad_(), h.clone().requires_grad_()
    u = energy(net, energy_net, hs, xs, beta)
    grad, dh = torch.autograd.grad(u.sum(), (xs, hs))
    with torch.no_grad():
        along = lambda v: torch.func.jvp(lambda x: denoise(net, score, h, x, beta), (x,), (v.expand_as(x),))
        d, columns = torch.func.vmap(along, out_dims=(None, 0))(torch.eye(x.shape[-1]))
        div = (torch.einsum("kbk->b", columns) - x.shape[-1]) / h
    return u, grad, dh, d, div


@torch.no_grad()
def kernel_ratio(net, score, energy_net, g):
    """U at the denoised points: what a step with kernel-ratio weights asks for."""
    h = g["anneal.h"]
    x, beta = g["x0"][: len(h)], g["beta"][: len(h)]
    return energy(net, energy_net, h, denoise(net, score, h, x, beta), beta)


def close(what, got, want, size=None):
    size = float(want.abs().max()) if size is None else size
    error = float((got.detach() - want).abs().max()) / size
    print(f"  {what:12} differs by {error:.1e} of the largest entry")
    assert error < TOLERANCE, what


def compare(name, net, folder, ours):
    g = {k: v.float() for k, v in load_file(folder / f"{name}.safetensors").items()}
    part = lambda prefix: {k[len(prefix) :]: v for k, v in g.items() if k.startswith(prefix)}
    score, energy_net = part("score_net."), part("energy_net.")
    print(name)
    for w in (*score.values(), *energy_net.values()):
        w.requires_grad_()
    total, grads = training(net, score, energy_net, g)
    want = [*part("grad.score_net.").values(), *part("grad.energy_net.").values()]
    close("loss", total, g["loss"][0])
    flat = lambda tensors: torch.cat([t.flatten() for t in tensors])
    close("gradient", flat(torch.zeros_like(w) if t is None else t for t, w in zip(grads, want)), flat(want))
    seconds = {"training": best(lambda: training(net, score, energy_net, g), repeats=3)}
    for w in (*score.values(), *energy_net.values()):
        w.requires_grad_(False)
    for what, got in zip(["U", "grad_U", "dU_dh", "D", "div_score"], annealing(net, score, energy_net, g)):
        close(what, got, g["anneal." + what])
    seconds["annealing"] = best(lambda: annealing(net, score, energy_net, g), repeats=3)
    close("ratio U", kernel_ratio(net, score, energy_net, g), g["ratio.U"])
    seconds["kernel-ratio"] = best(lambda: kernel_ratio(net, score, energy_net, g), repeats=3)
    return [(name, row, ours[name, row], theirs) for row, theirs in seconds.items()]


def main():
    folder, lines = bench("nets", __doc__)
    ours = {(line["case"], line["row"]): line for line in lines if "row" in line}
    rows = []
    for name, net in [("egnn", egnn), ("dit22", dit), ("dit33", dit)]:
        rows += compare(name, net, folder, ours)
    for line in lines:
        if "peak_mib_after_training" in line:
            print(f"{line['case']}: at most {line['peak_mib_after_training']} MiB held while training")
    print(f"\n| step (CPU seconds, one thread, f32; torch {torch.__version__}) | samples | ours | PyTorch | ratio |")
    print("|---|---|---|---|---|")
    for name, row, mine, theirs in rows:
        seconds = mine["cpu_seconds"]
        print(f"| {name} {row} | {mine['size']} | {seconds:.3f} | {theirs:.3f} | {theirs / seconds:.1f} |")


if __name__ == "__main__":
    main()
