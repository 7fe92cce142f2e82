"""MALA in numpy: a worked example of a program that asks pita-bench for energies (protocol `pipe`). Needs numpy."""

import json
import os
import sys

import numpy as np


class BudgetSpent(Exception):
    pass


class Energy:
    """The energy on the other side of the pipe, where it is counted."""

    def __init__(self, job):
        self.shape = (-1, job["system"]["atoms"], 3)
        self.folder = job["work"] if job["settings"]["shared"] else None
        self.asked = 0

    def __call__(self, x, purpose="sampling"):
        """Energies [n] and forces [n, atoms, 3] of positions [n, atoms, 3]."""
        self.asked += 1
        request = {"type": "energy", "id": self.asked, "purpose": purpose}
        if self.folder is None:
            request["positions"] = x.reshape(len(x), -1).tolist()
        else:
            request["file"] = "batch.npz"
            np.savez(os.path.join(self.folder, "batch.npz"), positions=x)
        print(json.dumps(request), flush=True)
        line = sys.stdin.readline()
        if not line:
            sys.exit("pita-bench is gone")
        reply = json.loads(line)
        if "error" in reply:
            raise BudgetSpent(reply["left"])
        if self.folder is not None:
            arrays = np.load(os.path.join(self.folder, reply["file"]))
            return arrays["energy"], arrays["forces"]
        # An energy that is not finite comes as null.
        energy = np.array([np.inf if e is None else e for e in reply["energy"]])
        return energy, np.array(reply["forces"], dtype=float).reshape(self.shape)


def main(path):
    with open(path) as file:
        job = json.load(file)
    settings, kt = job["settings"], job["system"]["kt"]
    rng, energy = np.random.default_rng(job["seed"]), Energy(job)
    x = np.repeat(np.load(job["system"]["start"])["positions"], settings["walkers"], axis=0)
    step, kept, energies = settings["step"], [], []
    steps = settings["equilibration"] + -(-job["samples"] // settings["walkers"]) * settings["stride"]
    try:
        e, f = energy(x)
        for t in range(1, steps + 1):
            # x' ~ N(x + h f / kT, 2 h): Roberts and Tweedie 1996.
            drift = step * f / kt
            noise = np.sqrt(2 * step) * rng.standard_normal(x.shape)
            y = x + drift + noise
            e_y, f_y = energy(y)
            back = x - y - step * f_y / kt
            log = (e - e_y) / kt + ((noise**2).sum((1, 2)) - (back**2).sum((1, 2))) / (4 * step)
            accept = np.log(rng.random(len(x))) < log
            x[accept], e[accept], f[accept] = y[accept], e_y[accept], f_y[accept]
            if t <= settings["equilibration"]:
                step *= np.exp(0.1 * (accept.mean() - 0.574))
            elif (t - settings["equilibration"]) % settings["stride"] == 0:
                kept.append(x.copy())
                energies.append(e.copy())
            if t % 100 == 0:
                scalars = {"acceptance": float(accept.mean())}
                print(json.dumps({"type": "progress", "done": t, "total": steps, "scalars": scalars}), flush=True)
    except BudgetSpent:
        print("the budget is spent", file=sys.stderr)
    if not kept:
        sys.exit("the budget does not pay for a single sample")
    n = job["samples"]
    np.savez(job["output"], positions=np.concatenate(kept)[:n], energy=np.concatenate(energies)[:n])


if __name__ == "__main__":
    main(sys.argv[1])
