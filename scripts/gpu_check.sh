#!/usr/bin/env bash
# gpu_check.sh BINARY OUT_DIR: everything that can be said about this program on this machine's GPU, in under 8 minutes. Needs a
# driver (580 or newer) and the binary, built elsewhere with `cargo build --release --features cuda`; no cargo, no toolkit.
# OUT_DIR then holds, as JSON: doctor.json (what was found), gpu.json (every kernel and the optimiser against the CPU, rates and their
# floors), parity.json (LJ-13 with PITA and alanine dipeptide, five seeds on the GPU against the same on the CPU: tiers R0 and R2),
# sweep.json (a small sweep on the GPU, training too, cut and resumed to the same digests), summary.json. Each is there as soon as its
# step is done.
#
# DEVICE=cpu tries the script itself where there is no GPU.
#
# Exit code: 0 when everything agrees, 11 without a usable GPU, else that of the first step that failed.
set -uo pipefail
binary=$(realpath "$1")
mkdir -p "$2" && out=$(realpath "$2")
work=$(mktemp -d)
device=${DEVICE:-cuda}
export binary out work device
trap 'rm -rf "$work"' EXIT
began=$(date +%s)
first=0
rows=''

# step NAME SECONDS COMMAND...: runs it, keeps its output, notes its code and time.
step() {
    local name=$1 limit=$2 start code
    shift 2
    start=$(date +%s)
    # Through a shell, which knows the functions below.
    timeout "$limit" bash -c '"$@"' step "$@" >"$out/$name.log" 2>&1
    code=$?
    echo "$name: exit code $code, $(($(date +%s) - start)) s"
    rows="$rows${rows:+, }{\"step\": \"$name\", \"code\": $code, \"seconds\": $(($(date +%s) - start))}"
    [ "$first" -ne 0 ] || first=$code
    return "$code"
}

doctor() { "$binary" --results "$work/none" doctor --device "$device" --json >"$out/doctor.json"; }

# Dynamics, replica exchange, and PITA, whose optimiser is on the card: once in one go, once cut again and again. Same samples, byte
# for byte.
sweep() {
    cat >"$work/experiment.toml" <<'TOML'
name = "gpu-check"
seeds = [0]
systems.lj13 = { temperature = 1.0, reference = { seed = 1000, copies = 8, equilibration = 500, stride = 20, samples = 200 } }

[systems.aldp]
temperature = 300.0
metrics.ids = ["energy-w1", "mean-energy"]

[systems.aldp.reference]
profile = "quick"
seed = 1000
copies = 8
equilibration = 500
stride = 50
samples = 200
trajectory = { walkers = 8, frames = 40, stride = 10, lag = 5 }

[samplers.md]
kind = "md"
systems = ["aldp"]
step = 0.001
precision = "f32"
walkers = 16_384
equilibration = 2_000
stride = 2_000
samples = 49_152

[samplers.remd]
kind = "replica-exchange"
systems = ["lj13"]
integrator = "langevin"
precision = "f32"
ladder = [3.0, 2.0, 1.5]
step = 0.005
copies = 4_096
equilibration = 2_000
stride = 2_000
samples = 12_288

[samplers.pita]
kind = "pita"
systems = ["lj13"]
ladder = [1.5]
initial = { samples = 500, walkers = 50, equilibration = 500, stride = 20 }
train = { first_steps = 40, batch = 32 }
anneal = { steps = 8 }
refine = { steps = 50 }
particles = 200
samples = 200
TOML
    local whole=$work/whole cut=$work/cut code
    run() { "${@:2}" "$binary" --results "$1" --quiet sweep "$work/experiment.toml" --device "$device" --checkpoint-every 1 >/dev/null; }
    run "$whole" env || return
    for _ in 1 2 3 4; do
        run "$cut" timeout --signal=INT 3
        code=$?
        case $code in 0 | 5 | 124) ;; *) return $code ;; esac
    done
    run "$cut" env || return
    digests() { (cd "$1/runs" && find . -name samples.npz -exec sha256sum {} + | sort -k 2); }
    digests "$whole" >"$work/a" && digests "$cut" >"$work/b"
    cmp "$work/a" "$work/b" || return 6
    local stops
    stops=$(cat "$cut"/runs/*/*/*/events.jsonl | grep -c interrupted)
    printf '{"runs": %d, "stops": %d, "cut_and_resumed": "same digests"}\n' "$(wc -l <"$work/a")" "$stops" >"$out/sweep.json"
}

# Short cells on the CPU, accepted; then the same on the GPU, judged by them: PITA trains and anneals on both.
parity() {
    cat >"$work/parity.toml" <<'TOML'
name = "parity"
seeds = [0, 1, 2, 3, 4]
systems.lj13 = { temperature = 1.0, reference = { seed = 1000, copies = 8, equilibration = 1_000, stride = 40, samples = 500 } }

[systems.aldp]
temperature = 300.0
samplers.md = { precision = "f32", walkers = 32, equilibration = 1_000, stride = 200, samples = 640, hot_start = { temperature = 1_200.0, steps = 2_000 } }
metrics.ids = ["energy-w1", "mean-energy", "bond-w1", "angle-w1"]

[systems.aldp.reference]
profile = "quick"
seed = 1000
copies = 8
equilibration = 1_000
stride = 200
samples = 640
trajectory = { walkers = 8, frames = 40, stride = 10, lag = 5 }

[samplers.md]
kind = "md"
step = 0.001
walkers = 32
equilibration = 1_000
stride = 50
samples = 640

[samplers.pita]
kind = "pita"
systems = ["lj13"]
ladder = [1.5]
initial = { samples = 1_000, walkers = 50, equilibration = 1_000, stride = 20 }
train = { first_steps = 100, steps = 100, batch = 64 }
anneal = { steps = 20 }
refine = { steps = 100 }
particles = 500
samples = 500

[metrics]
ids = ["energy-w1", "energy-w2", "distance-w2", "mean-energy"]
n = 500
bootstrap = 100
TOML
    local run=("$binary" --results "$work/parity" --quiet) code
    "${run[@]}" check "$work/parity.toml" --device cpu >/dev/null
    code=$?
    [ "$code" -eq 7 ] || return "$code" # nothing is accepted yet
    "${run[@]}" accept "$work/parity.toml" --reason 'the CPU of this machine' >/dev/null || return
    "${run[@]}" check "$work/parity.toml" --device "$device" --json >"$out/parity.json"
}

export -f doctor parity sweep

if step doctor 60 doctor; then
    step gpu 220 "$binary" --results "$work/none" doctor --device "$device" --check --out "$out/gpu.json"
    step parity 120 parity
    step sweep 70 sweep
fi
command -v nvidia-smi >/dev/null && nvidia-smi -q >"$out/nvidia-smi.txt" 2>&1
printf '{"code": %d, "seconds": %d, "steps": [%s]}\n' "$first" $(($(date +%s) - began)) "$rows" >"$out/summary.json"
cat "$out/summary.json"
exit "$first"
