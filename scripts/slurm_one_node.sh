#!/usr/bin/env bash
# A private Slurm of one node, for tests: real munged, slurmctld and slurmd, as any user, nothing outside DIR is touched.
#
#   source scripts/slurm_one_node.sh
#   slurm_up DIR; ... ; slurm_down DIR          or: bash scripts/slurm_one_node.sh up DIR
#
# Debian: apt-get install --no-install-recommends munge slurmctld slurmd slurm-client
# DIR has to be short, absolute and without spaces: a socket path has at most 108 bytes.
PATH=$PATH:/usr/sbin:/sbin

slurm_up() {
    local dir=$1 host me memory
    host=$(hostname -s) me=$(id -un)
    memory=$(awk '/MemTotal/{print int($2/1024)}' /proc/meminfo)
    umask 022                                   # munged refuses folders that a group may write to
    mkdir -p "$dir"/{run,log,state,spool}
    chmod 755 "$dir"                            # and a socket that others cannot reach
    [ -s "$dir/munge.key" ] || mungekey --create --keyfile="$dir/munge.key"
    [ -s "$dir/slurm.conf" ] || cat > "$dir/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(slurm_free_port)
SlurmdPort=$(slurm_free_port)
SlurmUser=$me
SlurmdUser=$me
AuthType=auth/munge
CredType=cred/munge
# cred_expire is also how long a requeued task waits: 120 s unless set, 5 s at least
AuthInfo=socket=$dir/run/munge.sock,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
SlurmctldTimeout=30
SlurmdTimeout=60
MessageTimeout=10
KillWait=2
MinJobAge=3600
ReturnToService=2
MailProg=/bin/true
# the node may claim more CPUs than the machine has
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=${SLURM_TEST_CPUS:-4} RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES DefaultTime=5 MaxTime=60 State=UP
CONF
    export SLURM_CONF=$dir/slurm.conf
    munged --key-file="$dir/munge.key" --socket="$dir/run/munge.sock" --pid-file="$dir/run/munged.pid" \
        --seed-file="$dir/run/munged.seed" --log-file="$dir/log/munged.log" || return
    slurmctld && slurmd || return               # both go into the background
    slurm_until 15 slurm_idle || { tail -n 20 "$dir"/log/slurm*.log >&2; return 1; }
}

slurm_idle() { [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; }

slurm_free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

slurm_until() {                                 # slurm_until SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

slurm_gone() {                                  # a zombie that nobody reaps counts as gone
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    [[ ${stat##*) } == Z* ]]
}

slurm_pid() {                                   # the daemon's pid, unless its file is stale
    local pid
    pid=$(cat "$1/run/$2.pid" 2>/dev/null) || return
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] && ! slurm_gone "$pid" && echo "$pid"
}

slurm_crash() {                                 # kill -9 the controller once what happened so far is saved, start it again
    local dir=$1 pid called
    export SLURM_CONF=$dir/slurm.conf
    called=$(date +%s)
    # It saves at most 5 s after a change: either a save began after this call, or there was nothing left to save.
    slurm_saved() { [ "$(stat -c %Y "$dir/state/job_state" 2>/dev/null || echo 0)" -gt $((called + 1)) ]; }
    slurm_until 7 slurm_saved
    pid=$(slurm_pid "$dir" slurmctld) || return
    kill -9 "$pid"
    slurm_until 5 slurm_gone "$pid"
    slurmctld
}

# A task that started just before a crash is forgotten and started twice; then Slurm drains the node and holds the job.
# This is what an administrator does about it: slurm_nudge DIR JOB
slurm_nudge() {
    export SLURM_CONF=$1/slurm.conf
    case $(timeout 5 sinfo -h -o %T) in
        drain*) timeout 5 scontrol update NodeName="$(hostname -s)" State=RESUME ;;
    esac
    if timeout 5 squeue -h -j "$2" -o %r | grep -q -i held; then
        timeout 5 scontrol release "$2"
    fi
    return 0
}

slurm_down() {
    local dir=$1 daemon pid
    if slurm_pid "$dir" slurmctld >/dev/null; then # tasks outlive slurmd, so cancel first
        export SLURM_CONF=$dir/slurm.conf
        timeout 5 scancel -u "$(id -un)"
        slurm_until 5 slurm_idle
    fi
    for daemon in slurmd slurmctld munged; do
        pid=$(slurm_pid "$dir" "$daemon") || continue
        kill "$pid"
        slurm_until 5 slurm_gone "$pid" || kill -9 "$pid"
    done
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    "slurm_$1" "${@:2}"
fi
