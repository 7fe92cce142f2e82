#!/usr/bin/env bash
# The nightly job: build, check against the accepted bundle, kill rounds, readers under fuzzing. Safe to start again after a
# crash or a reboot: the check goes on where it was.
#
#   scripts/nightly.sh                     everything
#   PITA_BENCH_PULL=1 scripts/nightly.sh   of the newest commit
#
# Exit codes are those of `pita-bench check`: 0 pass, 5 interrupted, 6 drift, 7 not comparable, 19 incomplete. Codes of its own
# begin at 90, beyond those of the program: 90 when the verdict is a pass but a kill round or a fuzzer failed; 91 when it does
# not build; 92 when the job runs already.
set -uo pipefail
cd "$(dirname "$0")/.."

results=${PITA_BENCH_RESULTS:-results}
rounds=${PITA_BENCH_KILL_ROUNDS:-200}
seconds=${PITA_BENCH_FUZZ_SECONDS:-60}
mkdir -p "$results/nightly"
log=$results/nightly/$(date -u +%Y%m%dT%H%M%SZ).log

# One at a time: a night that takes longer than a day must not meet the next one.
exec 9>"$results/nightly/lock"
flock -n 9 || { echo "the nightly job runs already" >&2; exit 92; }

step() { printf '\n== %s %s\n' "$(date -u +%H:%M:%S)" "$*" | tee -a "$log"; }

if [ -n "${PITA_BENCH_PULL:-}" ]; then
    step "pull"
    git pull --ff-only 2>&1 | tee -a "$log"
fi

step "build"
cargo build --locked --release 2>&1 | tail -n 3 | tee -a "$log"
[ "${PIPESTATUS[0]}" -eq 0 ] || exit 91

step "check"
nice -n 10 target/release/pita-bench --results "$results" --quiet check experiments/nightly.toml 2>&1 | tee -a "$log"
verdict=${PIPESTATUS[0]}
[ "$verdict" -eq 5 ] && exit 5

failed=0
step "$rounds kill rounds"
PITA_BENCH_KILL_ROUNDS=$rounds nice -n 10 cargo test --locked --release --test it crash:: -- --nocapture 2>&1 |
    grep -E "rounds,|operations tested|panicked|test result" | tee -a "$log"
[ "${PIPESTATUS[0]}" -eq 0 ] || failed=1

# Following coverage where cargo-fuzz is there, by mutation alone where it is not.
if command -v cargo-fuzz >/dev/null; then fuzzing=(--coverage "$seconds"); else fuzzing=("${PITA_BENCH_FUZZ_CASES:-100000}"); fi
step "fuzzing: ${fuzzing[*]}"
scripts/fuzz.sh "${fuzzing[@]}" 2>&1 | grep -E "cases|panicked|FAILED|ERROR|error" | tee -a "$log"
[ "${PIPESTATUS[0]}" -eq 0 ] || failed=1

# A year of logs is enough.
find "$results/nightly" -name '*.log' -mtime +365 -delete

step "verdict $verdict, other tests $([ $failed -eq 0 ] && echo passed || echo FAILED)"
[ "$verdict" -ne 0 ] && exit "$verdict"
[ $failed -eq 0 ] || exit 90
