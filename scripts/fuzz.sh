#!/usr/bin/env bash
# The long fuzzing runs.
#
#   scripts/fuzz.sh                     a million mutated files for each reader, on the stable compiler
#   scripts/fuzz.sh 50000 xtc           another count; one reader
#   scripts/fuzz.sh --coverage 60       libFuzzer, which follows coverage: 60 seconds for each reader (needs cargo-fuzz)
#   scripts/fuzz.sh --coverage 600 npz
#
# Failing cases of the first are named by number: PITA_BENCH_FUZZ_CASE=<number> cargo test --test fuzz <reader>. Those of the
# second are files below tests/fuzz/coverage/artifacts: cargo fuzz run --fuzz-dir tests/fuzz/coverage <reader> <file>.
set -euo pipefail
cd "$(dirname "$0")/.."
export RAYON_NUM_THREADS=1

if [ "${1:-}" != --coverage ]; then
    PITA_BENCH_FUZZ=${1:-1000000} nice -n 15 cargo test --locked --test fuzz "${@:2}" -- --nocapture
    exit
fi

folder=tests/fuzz/coverage
PITA_BENCH_FUZZ_SEEDS=$PWD/$folder/corpus cargo test --locked --quiet --test fuzz seeds >/dev/null
# Coverage counters are a nightly option of the compiler; the address sanitizer is left out: the readers have no unsafe code.
export RUSTC_BOOTSTRAP=1
status=0 log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target in ${3:-$(cargo fuzz list --fuzz-dir $folder)}; do
    nice -n 15 cargo fuzz run --fuzz-dir $folder --target-dir target/coverage --sanitizer none "$target" -- \
        -max_total_time="${2:-60}" -timeout=20 -rss_limit_mb=6000 -print_final_stats=1 >"$log" 2>&1 || {
        status=1
        tail -n 20 "$log"
    }
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") cases, $(grep -c NEW "$log") of them new coverage"
done
exit $status
