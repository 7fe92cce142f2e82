#!/bin/bash
# One task of an array: entry OFFSET + SLURM_ARRAY_TASK_ID of a frozen plan. `pita-bench sweep --launcher slurm` submits it.
#
#   sbatch --array=0-9 --requeue --open-mode=append --signal=B:USR1@120 slurm_task.sh PROGRAM RESULTS PLAN OFFSET RESTARTS
#
# USR1 comes to this shell alone before the time limit: the program writes a checkpoint and ends, and this one task is
# queued again, where it goes on. So the shell must not `exec` the program.
program=$1 results=$2 plan=$3 offset=$4 restarts=$5
interrupted=5 # the program's exit code for: stopped, resumable

again() {
    trap '' USR1
    code=$interrupted
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null
        wait "$child"
        code=$?
    fi
    [ "$code" -eq "$interrupted" ] || exit "$code"
    if [ "${SLURM_RESTART_COUNT:-0}" -ge "$restarts" ]; then
        echo "restarted $restarts times already: not queued again" >&2
        exit "$code"
    fi
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
    exit 0 # Slurm ends the shell about now; either way is fine
}

child=
trap again USR1
"$program" --results "$results" run --plan "$plan" --index $((offset + SLURM_ARRAY_TASK_ID)) &
child=$!
wait "$child"
