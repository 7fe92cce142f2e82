"""Runs of pita-bench as pandas frames. `pip install .` in the repository puts this and the program into an environment; this
one file copied elsewhere does too. Needs pandas (and numpy).

    import pita_bench
    metrics = pita_bench.metrics("results")           # one row for each metric of each run
    metrics.query("metric == 'energy-w1'").groupby(["system", "label"])["value"].agg(["mean", "std"])
    x = pita_bench.samples("results", "3f2a")["positions"]     # any unique beginning of a run id

Frames come from the views of the database (`pita-bench db schema` describes their columns), or from the run folders where
there is no database; `folders=True` asks for the latter. A folder without runs gives frames without rows. `results` is
`$PITA_BENCH_RESULTS`, or `results`, where it is not given.

Two seeds of a small experiment, as an older version left them in the repository:

>>> results = "tests/store/v4b455f2"
>>> runs(results, folders=True)[["run", "status", "system", "seed"]]
              run    status system  seed
0  0408ac07-s0-a1  complete   lj13     0
1  0408ac07-s1-a1  complete   lj13     1
>>> samples(results, "0408ac07-s1")["positions"].shape
(10, 13, 3)
"""

import json
import os
import sqlite3
import sys
from pathlib import Path

import pandas as pd

RUNS = (
    "run status experiment system temperature sampler label swept seed attempt evaluations reason started ended wall_seconds "
    "spec code env folder"
).split()
METRICS = (
    "run system temperature sampler label swept seed status metric version value lo hi floor unit direction evaluations eval "
    "reference"
).split()


def results_folder(results=None):
    """The folder of results: the one given, else `$PITA_BENCH_RESULTS`, else `results`.

    >>> results_folder("elsewhere").name
    'elsewhere'
    """
    return Path(results or os.environ.get("PITA_BENCH_RESULTS") or "results")


def _view(results, name):
    database = results_folder(results) / "pita.db"
    if not database.exists():
        return None
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return pd.read_sql_query(f"SELECT * FROM v1_{name}", connection)
    finally:
        connection.close()


def _read(path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def run_folders(results=None):
    """Run folders by run id.

    >>> list(run_folders("tests/store/v4b455f2"))
    ['0408ac07-s0-a1', '0408ac07-s1-a1']
    """
    found = {}
    for spec in sorted((results_folder(results) / "runs").glob("*/s*/a*/spec.json")):
        folder = spec.parent
        digest, seed, attempt = folder.parts[-3:]
        found[f"{digest[:8]}-{seed}-{attempt}"] = folder
    return found


def run_folder(results, run):
    """The folder of the run whose id begins with `run`.

    >>> run_folder("tests/store/v4b455f2", "0408ac07-s0").as_posix()
    'tests/store/v4b455f2/runs/0408ac07b33a6798/s0/a1'
    >>> run_folder("tests/store/v4b455f2", "0408")
    Traceback (most recent call last):
    KeyError: "2 runs begin with '0408': 0408ac07-s0-a1, 0408ac07-s1-a1"
    """
    found = {name: folder for name, folder in run_folders(results).items() if name.startswith(run)}
    if len(found) != 1:
        raise KeyError(f"{len(found)} runs begin with {run!r}: {', '.join(sorted(found)[:10])}")
    return next(iter(found.values()))


def _status(folder):
    for name, word in [("MANIFEST.sha256", "complete"), ("failure.json", "failed"), ("claim", "running")]:
        if (folder / name).exists():
            return word
    return "interrupted"


def _head(name, folder):
    request = _read(folder / "spec.json")
    labels = request["labels"]
    return request, {
        "run": name,
        "status": _status(folder),
        "experiment": labels["experiment"],
        "system": labels["system"],
        "temperature": request["spec"]["system"]["temperature"],
        "sampler": labels["sampler"],
        "label": labels["label"],
        "swept": json.dumps(labels["swept"], separators=(",", ":")),
        "seed": request["seed"],
        "attempt": int(folder.name[1:]),
    }


def runs(results=None, folders=False):
    """One row for each run.

    >>> len(runs("no such folder")), list(runs("no such folder").columns) == RUNS
    (0, True)
    """
    frame = None if folders else _view(results, "runs")
    if frame is not None:
        return frame
    rows = []
    for name, folder in run_folders(results).items():
        request, row = _head(name, folder)
        counts = _read(folder / "counts.json") or {}
        provenance = _read(folder / "provenance.json") or {}
        sessions = provenance.get("sessions", [])
        row["evaluations"] = sum(n for purpose, n in counts.items() if purpose != "evaluation")
        row["reason"] = (_read(folder / "failure.json") or {}).get("reason")
        row["started"] = sessions[0]["start"] if sessions else None
        row["ended"] = sessions[-1]["end"] if sessions else None
        row["wall_seconds"] = sum(s["wall_seconds"] for s in sessions) if sessions else None
        row["spec"] = request["spec_digest"]
        row["code"] = provenance.get("code_digest")
        row["env"] = provenance.get("env_digest")
        row["folder"] = str(folder.relative_to(results_folder(results)))
        rows.append(row)
    return pd.DataFrame(rows, columns=RUNS)


def evaluations(folder):
    """The evaluations of a run folder, newest first, as the manifest seals them.

    >>> sorted(m["id"] for m in evaluations(run_folder("tests/store/v4b455f2", "0408ac07-s0"))[0]["metrics"])[0]
    'energy-w1'
    """
    manifest = folder / "MANIFEST.sha256"
    names = [line.split("  ", 1)[1] for line in manifest.read_text().splitlines()] if manifest.exists() else []
    names = [n for n in reversed(names) if n.startswith("evaluations/") or n == "metrics.json"]
    if "metrics.json" not in names and (folder / "metrics.json").exists():
        names.append("metrics.json")  # of an older version
    return [json.loads((folder / name).read_text()) for name in names]


def metrics(results=None, folders=False):
    """One row for each metric of the newest evaluation of each run.

    >>> table = metrics("tests/store/v4b455f2", folders=True)
    >>> bool(table[table["metric"] == "energy-w1"]["value"].between(0, 10).all())
    True
    >>> len(metrics("no such folder"))
    0
    """
    frame = None if folders else _view(results, "metrics")
    if frame is not None:
        return frame
    rows = []
    for name, folder in run_folders(results).items():
        judged = evaluations(folder)
        if not judged:
            continue
        judged = judged[0]
        _, head = _head(name, folder)
        head = {k: head[k] for k in ["run", "system", "temperature", "sampler", "label", "swept", "seed", "status"]}
        counts = _read(folder / "counts.json") or {}
        paid = sum(n for purpose, n in counts.items() if purpose != "evaluation")
        for metric in judged["metrics"]:
            row = {**head, "metric": metric["id"], "version": metric["version"]}
            row |= {k: metric.get(k) for k in ["value", "lo", "hi", "floor", "unit", "direction"]}
            row |= {"evaluations": paid, "eval": judged["eval_digest"], "reference": judged["reference_digest"]}
            rows.append(row)
    return pd.DataFrame(rows, columns=METRICS).sort_values(["run", "metric", "version"], ignore_index=True)


def counts(results=None):
    """Energy evaluations of each run by purpose, from the run folders.

    >>> list(counts("no such folder").columns)
    ['run', 'purpose', 'count']
    """
    rows = [
        {"run": name, "purpose": purpose, "count": n}
        for name, folder in run_folders(results).items()
        for purpose, n in (_read(folder / "counts.json") or {}).items()
    ]
    return pd.DataFrame(rows, columns=["run", "purpose", "count"])


def scalars(results, run):
    """What a sampler recorded on its way: step, phase, name, value."""
    rows = []
    for event in events(results, run):
        if event["event"] == "scalars":
            for name, value in event["values"].items():
                rows.append({"step": event["step"], "phase": event["phase"], "name": name, "value": value})
    frame = pd.DataFrame(rows, columns=["step", "phase", "name", "value"])
    return frame.drop_duplicates(["step", "name"], keep="last", ignore_index=True)  # a resume may repeat steps


def events(results, run):
    """The events of a run, as dictionaries; a torn last line is left out."""
    lines = (run_folder(results, run) / "events.jsonl").read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in lines]


def spec(results, run):
    """What was asked for."""
    return _read(run_folder(results, run) / "spec.json")["spec"]


def provenance(results, run):
    """By which code, on which machine, when."""
    return _read(run_folder(results, run) / "provenance.json")


def samples(results, run):
    """Arrays of the samples by name: positions [n, atoms, 3], energy [n], ...

    >>> sorted(samples("tests/store/v4b455f2", "0408ac07-s0"))
    ['energy', 'positions']
    """
    import numpy as np

    with np.load(run_folder(results, run) / "samples.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def curve(results, run, name):
    """One recorded scalar as a series over steps, such as a loss; empty where nothing of that name was recorded.

    >>> curve("tests/store/v4b455f2", "0408ac07-s0", "no such scalar").empty
    True
    """
    found = scalars(results, run)
    found = found[found["name"] == name]
    return pd.Series(found["value"].to_numpy(), index=found["step"].to_numpy(), name=name)


def main():
    """Prints runs and metrics of a folder."""
    where = results_folder(sys.argv[1] if len(sys.argv) > 1 else None)
    found = runs(where)
    if not len(found):
        print(f"no runs in {where}")
        return
    print(found[["run", "status", "system", "label", "seed", "evaluations", "wall_seconds"]].to_string())
    table = metrics(where)
    if len(table):
        print(table.pivot_table("value", ["system", "label"], "metric").to_string())


if __name__ == "__main__":
    main()
