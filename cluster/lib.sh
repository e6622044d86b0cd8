# shellcheck shell=bash
# What the scripts share: free ports, processes that end with the script, waiting for a condition.
# Sourced; expects `set -euo pipefail`.

# Debian's own Python, which has the packages of cluster/packages; another one may come first in PATH.
debian_python=/usr/bin/python3

run_dir= # where logs go; the caller sets it before start_process
started_names=()
started_pids=()

fail() {
    echo "${0##*/}: $*" >&2
    return 1
}

# free_ports COUNT: prints as many TCP ports that are free on 127.0.0.1 now. They lie below the kernel's range
# for outgoing connections, so that none of those takes one of them before it is used.
free_ports() {
    "$debian_python" - "$1" <<'PYTHON'
import random, socket, sys

held = []
while len(held) < int(sys.argv[1]):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", random.randrange(15000, 32000)))
        held.append(s)
    except OSError:
        s.close()
print("\n".join(str(s.getsockname()[1]) for s in held))
PYTHON
}

# start_process NAME COMMAND...: in the background, its output at the end of $run_dir/NAME.log. In a session of its own, so
# that Ctrl-C reaches only the script, which then ends it in order; and if the script itself is killed, the
# kernel ends it (pdeathsig).
start_process() {
    local name=$1
    shift
    setsid setpriv --pdeathsig TERM -- "$@" >>"$run_dir/$name.log" 2>&1 </dev/null &
    started_names+=("$name")
    started_pids+=("$!")
}

is_running() {
    kill -0 "$1" 2>/dev/null
}

# kill_process NAME: by SIGKILL, and it need not be running any more. It is our own child, so nobody else can have
# got its id. Fails when there is none of that name.
kill_process() {
    local i
    for i in "${!started_names[@]}"; do
        [[ ${started_names[i]} == "$1" ]] || continue
        kill -KILL "${started_pids[i]}" 2>/dev/null || true
        wait "${started_pids[i]}" 2>/dev/null || true
        unset "started_names[i]" "started_pids[i]"
        started_names=("${started_names[@]}")
        started_pids=("${started_pids[@]}")
        return 0
    done
    return 1
}

# All that start_process started must be running still.
check_processes() {
    local i
    for i in "${!started_pids[@]}"; do
        is_running "${started_pids[i]}" || fail "${started_names[i]} has ended" || return
    done
}

# wait_until SECONDS WHAT COMMAND...: until the command succeeds. Fails at the deadline, or when a process of
# ours has ended.
wait_until() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        check_processes || return
        ((SECONDS < deadline)) || fail "$what: not within the time allowed" || return
        sleep 0.1
    done
}

http_ok() {
    curl --silent --fail --max-time 2 --noproxy '*' "$1"
}

# Ends what start_process started, the last first, and waits for each: clients before servers, so that nobody
# logs the loss of a server that was taken away on purpose.
stop_processes() {
    local i pid deadline
    for ((i = ${#started_pids[@]} - 1; i >= 0; i--)); do
        pid=${started_pids[i]}
        kill -TERM "$pid" 2>/dev/null || true
        deadline=$((SECONDS + 15))
        while is_running "$pid" && ((SECONDS < deadline)); do
            sleep 0.05
        done
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    started_names=()
    started_pids=()
}

# The last lines of each process's log, for whoever looks into a failure.
show_logs() {
    local log
    for log in "$run_dir"/*.log; do
        [[ -s $log ]] || continue
        echo "--- ${log##*/}"
        tail -n 15 "$log"
    done >&2
}
