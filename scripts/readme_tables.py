"""Fills the tables of README.md from accepted bundles, which a test compares it with.

    python3 scripts/readme_tables.py            # needs target/release/pita-bench

A table follows a line `<!-- BUNDLE SYSTEM: columns -->`, such as

    <!-- results/accepted/table1-quick.tar.gz aldp: Energy-W1, T-W2, ESS -->

and holds those columns (by the beginnings of their headings) of the bundle's own report, word by word.
"""

import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"<!-- (results/\S+\.tar\.gz) (\S+): (.+?) -->\n(?:\|.*\n)*")


def rows(table):
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table]


def report(bundle, cache={}):
    """The tables of a bundle by system: lists of rows, headings first."""
    if bundle not in cache:
        with tempfile.TemporaryDirectory() as out:
            program = ROOT / "target/release/pita-bench"
            subprocess.run([program, "-q", "report", "--from", ROOT / bundle, "--out", out], check=True, stdout=subprocess.DEVNULL)
            text = (Path(out) / "table.md").read_text()
        parts = re.split(r"^## (\S+) at .*$", text, flags=re.M)[1:]
        cache[bundle] = {}
        for system, part in zip(parts[::2], parts[1::2]):
            lines = []
            for line in part.lstrip("\n").splitlines():
                if not line.startswith("|"):
                    break
                lines.append(line)
            cache[bundle][system] = rows(lines)
    return cache[bundle]


def filled(match):
    bundle, system, wanted = match.groups()
    table = report(bundle)[system]
    columns = [0] + [next(i for i, h in enumerate(table[0]) if h.startswith(name.strip())) for name in wanted.split(",")]
    columns.append(len(table[0]) - 1)
    kept = [row for row in table if "(published)" not in row[0]]
    lines = ["| " + " | ".join(row[i] for i in columns) + " |" for row in kept]
    return match.group(0).split("\n")[0] + "\n" + "\n".join(lines) + "\n"


readme = ROOT / "README.md"
readme.write_text(MARK.sub(filled, readme.read_text()))
