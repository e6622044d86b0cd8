"""What the processes of a cluster do now."""
import concurrent.futures
import pathlib

import redis

from harness import metrics
from harness.processes import get

from .supervisor import end_of

QUICK_SECONDS = 2  # for an answer of a process that may be in trouble
SHOWN = {"connections": "roomcast_connections", "rooms": "roomcast_rooms", "active": "roomcast_relay_active"}


def kernel_state(process):
    """The kernel's letter for what it does: T when it was stopped by a signal."""
    stat = pathlib.Path(f"/proc/{process.process.pid}/stat").read_text()
    return stat[stat.rindex(")") + 2]


def all_of(cluster, partitions):
    """One dict for each process: name, kind, state, pid, address, cut_off_from, and what is special to its kind."""
    leader = _leader(cluster, partitions)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda process: _one_of(cluster, partitions, process), cluster.processes()))
    for process in found:
        if process["kind"] == "nats":
            process["leads"] = process["name"] == leader
    return found


def _one_of(cluster, partitions, process):
    kind, address = _kind(cluster, process)
    described = {"name": process.name, "kind": kind, "address": address, "cut_off_from": partitions.of(process.name)}
    described["state"] = _state(kind, process, partitions)
    described["pid"] = process.process.pid if process.is_running() else None
    if kind in ("node", "relay") and described["pid"] and described["state"] != "paused":
        described |= _figures(process)
    return described


def _kind(cluster, process):
    if process in cluster.nodes:
        return "node", process.url
    if process in cluster.relays:
        return "relay", process.admin_url
    return ("redis", process.url) if process is cluster.redis_server else ("nats", process.url)


def _state(kind, process, partitions):
    if process.process is None:
        return "not started"
    if not process.is_running():
        return end_of(process)
    try:
        if kernel_state(process) == "T":
            return "paused"
        if partitions.hide(process.name):
            return "out of reach"
        return _readiness(kind, process)
    except (OSError, redis.RedisError):
        return "does not answer"


def _readiness(kind, process):
    if kind == "redis":
        with redis.Redis(host=process.host, port=process.port, socket_timeout=QUICK_SECONDS) as client:
            return "ready" if client.ping() else "not ready"
    url = f"{process.monitor_url}/healthz" if kind == "nats" else f"{process.admin_url}/readyz"
    answer = get(url, timeout=QUICK_SECONDS)
    if kind == "nats":
        return "ready" if answer.status == 200 else "not ready"
    return answer.body.decode().strip().replace("\n", "; ")


def _figures(process):
    try:
        scraped = metrics.parse(get(process.admin_url + "/metrics", timeout=QUICK_SECONDS).body.decode())
    except (OSError, AssertionError):
        return {}
    return {label: int(scraped[name]) for label, name in SHOWN.items() if name in scraped}


def _leader(cluster, partitions):
    """The NATS server that leads the stream, as one of those says that can be asked."""
    for server in cluster.nats.servers:
        try:
            if not server.is_running() or kernel_state(server) == "T" or partitions.of(server.name):
                continue
            state = cluster.stream_state(server, QUICK_SECONDS)
        except OSError:
            continue
        if state:
            return state.get("cluster", {}).get("leader")
    return None


def table(processes):
    """Lines for a terminal."""
    rows = [("NAME", "STATE", "PID", "ADDRESS", "")]
    for process in processes:
        rows.append((process["name"], process["state"], str(process["pid"] or "-"), process["address"], _remarks(process)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[4]]).rstrip() for row in rows]


def _remarks(process):
    words = [f"{process[name]} {name}" for name in ("connections", "rooms") if name in process]
    if process.get("leads"):
        words.append("leads the stream")
    if process["cut_off_from"]:
        words.append(f"cut off from {', '.join(process['cut_off_from'])}")
    return ", ".join(words)
