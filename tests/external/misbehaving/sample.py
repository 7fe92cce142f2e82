"""Fails in the way that the job file names; with `well`, it answers with one sample. Standard library only."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
import zipfile


def npy(shape, values, kind="<f8"):
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    code = {"<f8": "d", "<f4": "f"}[kind]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(values)}{code}", *values)


def save(path, **arrays):
    with zipfile.ZipFile(path, "w") as file:
        for name, (shape, values) in arrays.items():
            file.writestr(f"{name}.npy", npy(shape, values))


def ask(rows, purpose="sampling", id=1):
    print(json.dumps({"type": "energy", "id": id, "purpose": purpose, "positions": rows}), flush=True)
    return json.loads(sys.stdin.readline())


def start(path):
    """Positions of `start.npz`, as one row."""
    with zipfile.ZipFile(path) as file:
        data = file.read("positions.npy")
    (length,) = struct.unpack("<H", data[8:10])
    numbers = data[10 + length :]
    return list(struct.unpack(f"<{len(numbers) // 8}d", numbers))


job = json.load(open(sys.argv[1]))
way, atoms = job["settings"]["way"], job["system"]["atoms"]
row = start(job["system"]["start"])
well = {"positions": ((1, atoms, 3), row)}
print("on stderr", file=sys.stderr)

if way == "exit":
    print("out of luck", file=sys.stderr)
    sys.exit(7)
if way == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if way == "silent":
    time.sleep(60)
if way == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
if way == "chatter":
    print("Loading weights...", flush=True)
if way == "deaf":  # asks for more than a pipe holds, and never reads
    for _ in range(200):
        print(json.dumps({"type": "energy", "id": 1, "purpose": "sampling", "positions": [row] * 50}), flush=True)
    time.sleep(60)
if way == "free":
    ask([row], purpose="evaluation")
if way == "rows":
    ask([[0.0, 1.0]])
if way == "orphan":  # leaves a child behind that holds the pipes open
    child = subprocess.Popen(["sleep", "60"])
    print(json.dumps({"type": "progress", "scalars": {"child": child.pid}}), flush=True)
if way in ("daemon", "silent-daemon"):  # a double fork into a session of its own, with no pipe of ours
    pids, told = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(3):
                os.dup2(os.open(os.devnull, os.O_RDWR), fd)
            os.write(told, b"%d" % os.getpid())
            os.execvpe("sleep", ["sleep", "600"], {})
        os._exit(0)
    os.wait()
    print(json.dumps({"type": "progress", "scalars": {"child": int(os.read(pids, 20))}}), flush=True)
    if way == "silent-daemon":
        time.sleep(60)
if way == "environment":
    print("\n".join(f"{name}={value}" for name, value in os.environ.items()), file=sys.stderr)
if way == "deletes":
    import shutil
    shutil.rmtree(os.path.dirname(sys.argv[1]))
    time.sleep(60)
if way == "fills":
    with open(os.path.join(job["work"], "big"), "wb") as file:
        for _ in range(64):
            file.write(os.urandom(1 << 20))
    time.sleep(60)
if way in ("forges", "forges-end"):
    folder = os.path.dirname(sys.argv[1])
    name = "spec.json" if way == "forges" else "MANIFEST.sha256"
    with open(os.path.join(folder.removesuffix(".external"), name), "w") as file:
        file.write("{}")
if way == "link":
    os.symlink(job["system"]["start"], job["output"])
    sys.exit(0)
if way == "greedy":
    replies = [ask([row] * 3, id=i) for i in range(4)]
    assert [r.get("left") for r in replies] == [7, 4, 1, 1], replies
    assert replies[3] == {"id": 3, "error": "budget-spent", "left": 1}, replies[3]
    assert ask([row], purpose="training")["left"] == 0
    assert ask([row])["error"] == "budget-spent"
if way == "nothing":
    sys.exit(0)
if way == "torn":
    open(job["output"], "wb").write(b"PK\x03\x04 half of a file")
    sys.exit(0)
if way == "atoms":
    well = {"positions": ((1, atoms - 1, 3), row[3:])}
if way == "nan":
    well = {"positions": ((1, atoms, 3), [float("nan")] * (3 * atoms))}
if way == "empty":
    well = {"positions": ((0, atoms, 3), [])}
if way == "weights":
    well["log_weight"] = ((2,), [0.0, 0.0])
if way == "infinite-weight":
    well["log_weight"] = ((1,), [float("inf")])
if way == "collapsed":
    well = {"positions": ((1, atoms, 3), [0.0] * (3 * atoms))}
if way == "rich":
    print(json.dumps({"type": "budget-spent"}), flush=True)
if way in ("three", "thrifty"):  # of twenty
    well = {"positions": ((3, atoms, 3), row * 3)}
    if way == "thrifty":
        print(json.dumps({"type": "budget-spent"}), flush=True)
if way == "many":
    well = {"positions": ((25, atoms, 3), row * 25)}
if way == "units":
    well["energy"] = ((1,), [1e6])
if way == "weighted":
    well["log_weight"] = ((1,), [-1.5])
counts = {"too-many": '{"sampling": 11}', "no-purpose": '{"fun": 1}', "counts-torn": '{"samp'}
if job["protocol"] == "files" and way != "no-counts":
    open(job["counts"], "w").write(counts.get(way, '{"sampling": 4, "training": 3}'))
save(job["output"], **well)
