"""Runs of pita-bench as pandas frames. One file: copy it wherever you need it. Needs pandas (and numpy).

    import pita_bench
    metrics = pita_bench.metrics("results")           # one row for each metric of each run
    metrics.query("metric == 'energy-w1'").groupby(["system", "label"])["value"].agg(["mean", "std"])
    x = pita_bench.samples("results", "3f2a")["positions"]     # any unique beginning of a run id

Frames come from the views of the database (`pita-bench db schema` describes their columns), or from the run folders where
there is no database; `folders=True` asks for the latter.
"""

import json
import sqlite3
import sys
from pathlib import Path

import pandas as pd


def _view(results, name):
    database = Path(results) / "pita.db"
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


def run_folders(results="results"):
    """Run folders by run id."""
    found = {}
    for spec in sorted((Path(results) / "runs").glob("*/s*/a*/spec.json")):
        folder = spec.parent
        digest, seed, attempt = folder.parts[-3:]
        found[f"{digest[:8]}-{seed}-{attempt}"] = folder
    return found


def run_folder(results, run):
    """The folder of the run whose id begins with `run`."""
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


def runs(results="results", folders=False):
    """One row for each run."""
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
        row["folder"] = str(folder.relative_to(results))
        rows.append(row)
    return pd.DataFrame(rows)


def evaluations(folder):
    """The evaluations of a run folder, newest first, as the manifest seals them."""
    manifest = folder / "MANIFEST.sha256"
    names = [line.split("  ", 1)[1] for line in manifest.read_text().splitlines()] if manifest.exists() else []
    names = [n for n in reversed(names) if n.startswith("evaluations/") or n == "metrics.json"]
    if "metrics.json" not in names and (folder / "metrics.json").exists():
        names.append("metrics.json")  # of an older version
    return [json.loads((folder / name).read_text()) for name in names]


def metrics(results="results", folders=False):
    """One row for each metric of the newest evaluation of each run."""
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
    frame = pd.DataFrame(rows)
    return frame.sort_values(["run", "metric", "version"], ignore_index=True) if rows else frame


def counts(results="results"):
    """Energy evaluations of each run by purpose, from the run folders."""
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
    """Arrays of the samples by name: positions [n, atoms, 3], energy [n], ..."""
    import numpy as np

    with np.load(run_folder(results, run) / "samples.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


if __name__ == "__main__":
    where = sys.argv[1] if len(sys.argv) > 1 else "results"
    print(runs(where)[["run", "status", "system", "label", "seed", "evaluations", "wall_seconds"]].to_string())
    table = metrics(where)
    if len(table):
        print(table.pivot_table("value", ["system", "label"], "metric").to_string())
