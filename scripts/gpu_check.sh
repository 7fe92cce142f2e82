#!/usr/bin/env bash
# gpu_check.sh BINARY OUT_DIR: everything that can be said about this program on this machine's GPU, in under 8 minutes. Needs a
# driver (580 or newer) and the binary, built elsewhere with `cargo build --release --features cuda`; no cargo, no toolkit.
# OUT_DIR then holds, as JSON: doctor.json (what was found), gpu.json (every kernel against the CPU, rates and their floors),
# sweep.json (a small sweep on the GPU, cut and resumed to the same digests), summary.json.
#
# Exit code: 0 when everything agrees, 11 without a usable GPU, else that of the first step that failed.
set -uo pipefail
binary=$(realpath "$1")
mkdir -p "$2" && out=$(realpath "$2")
work=$(mktemp -d)
device=cuda
trap 'rm -rf "$work"' EXIT
began=$(date +%s)
first=0
rows=''

# step NAME SECONDS COMMAND...: runs it, keeps its output, notes its code and time.
step() {
    local name=$1 limit=$2 start code
    shift 2
    start=$(date +%s)
    timeout "$limit" "$@" >"$out/$name.log" 2>&1
    code=$?
    echo "$name: exit code $code, $(($(date +%s) - start)) s"
    rows="$rows${rows:+, }{\"step\": \"$name\", \"code\": $code, \"seconds\": $(($(date +%s) - start))}"
    [ "$first" -ne 0 ] || first=$code
    return "$code"
}

doctor() { "$binary" --results "$work/none" doctor --device "$device" --json >"$out/doctor.json"; }

# Dynamics and replica exchange of both kinds of systems: once in one go, once cut again and again. Same samples, byte for byte.
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
TOML
    local whole=$work/whole cut=$work/cut code
    run() { "${@:2}" "$binary" --results "$1" --quiet sweep "$work/experiment.toml" --device "$device" --checkpoint-every 1; }
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

if step doctor 60 doctor; then
    step gpu 300 "$binary" --results "$work/none" doctor --device "$device" --check --out "$out/gpu.json"
    step sweep 100 sweep
fi
command -v nvidia-smi >/dev/null && nvidia-smi -q >"$out/nvidia-smi.txt" 2>&1
printf '{"code": %d, "seconds": %d, "steps": [%s]}\n' "$first" $(($(date +%s) - began)) "$rows" >"$out/summary.json"
cat "$out/summary.json"
exit "$first"
