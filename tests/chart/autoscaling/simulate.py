#!/usr/bin/python3
"""What the chart's autoscaler does with the nodes under recorded load shapes.

    tests/chart/autoscaling/simulate.py HPA.json           prints a summary, as Markdown
    tests/chart/autoscaling/simulate.py HPA.json --svg     prints the plot

HPA.json: {"spec": of the rendered HorizontalPodAutoscaler, "rules": options of the nodes}; the chart's tests make it
(autoscaling_input in conftest.py). Deterministic: the same input gives the same bytes.

Recordings are answers of Prometheus as they are. record.py made those in shapes/; of a deployment of your own:

    curl 'http://prometheus:9090/api/v1/query_range?query=sum(roomcast_connections)&start=...&end=...&step=15' >day.json
    tests/chart/autoscaling/simulate.py HPA.json --recording day.json
"""
import argparse
import json
import math
import pathlib
import sys

from cluster import Cluster, Rules
from hpa import Autoscaler
from plot import plot

SYNC_S = 15  # the HPA controller's period
LAG_S = 30  # age of a metric when the controller sees it: scrape interval and adapter
POINTS = 360  # of the plot, but one for each 5 s at most


class Recording:
    """The clients who want to be connected, by time: `points` are (second from the beginning, clients)."""

    def __init__(self, title, path, time_scale=1, clients_scale=1):
        """`time_scale`: how many seconds one of the recording stands for; `clients_scale`: how many clients one."""
        self.title = title
        values = series(path)
        begin = values[0][0]
        self.points = [((at - begin) * time_scale, clients * clients_scale) for at, clients in values]
        self.length = int(self.points[-1][0])

    def step(self):
        """Between points of the plot, seconds."""
        return max(5, self.length // POINTS)


def series(path):
    """[(unix time, value)] of the one series in an answer of /api/v1/query_range."""
    answer = json.loads(pathlib.Path(path).read_text())
    data = answer.get("data", {})
    if answer.get("status") != "success" or data.get("resultType") != "matrix":
        raise SystemExit(f"{path}: not the answer of a range query; ask /api/v1/query_range")
    if len(data["result"]) != 1:
        raise SystemExit(f"{path}: {len(data['result'])} series; one is wanted, so ask for sum(roomcast_connections)")
    values = [(float(at), float(value)) for at, value in data["result"][0]["values"]]
    if len(values) < 2 or not all(math.isfinite(value) and value >= 0 for _, value in values):
        raise SystemExit(f"{path}: needs two points or more, each a number of connections")
    return values


def kept():
    """Those of the README, by name. record.py says who connected when; 40 clients for one of the 4,000 that it had."""
    shapes = pathlib.Path(__file__).parent / "shapes"
    return {
        "morning": Recording("Morning ramp", shapes / "morning.json", 60, 40),
        "avalanche": Recording("Avalanche", shapes / "avalanche.json", 1, 40),
        "evening": Recording("Evening decline", shapes / "evening.json", 60, 40),
    }


def wanted_at(points, now):
    for (begin, low), (end, high) in zip(points, points[1:]):
        if begin <= now <= end:
            return low + (high - low) * (now - begin) / (end - begin)
    return points[-1][1]


def run(recording, spec, rules):
    """The course of one recording: a list of dicts, one for each step of it, and totals."""
    points, step = recording.points, recording.step()
    autoscaler = Autoscaler(spec)
    replicas = min(max(math.ceil(points[0][1] / autoscaler.target), autoscaler.low), autoscaler.high)
    cluster = Cluster(Rules(**rules), replicas, points[0][1])
    seen, course, last = [], [], (0.0, 0.0)
    for now in range(1, recording.length + 1):
        clients = wanted_at(points, now)
        cluster.step(now, clients)
        seen.append([node.connections for node in cluster.ready(now)])
        if now % SYNC_S == 0 and now > LAG_S:
            ready = seen[now - LAG_S - 1][: len(cluster.nodes)]
            replicas = autoscaler.decide(now, ready, len(cluster.nodes) - len(ready), replicas)
            cluster.scale(now, replicas)
        if now % step == 0:
            course.append({
                "minute": now / 60,
                "wanted": clients,
                "connections": cluster.connections(),
                "pods": len(cluster.nodes) + len(cluster.draining),
                "fullest": max(node.connections for node in cluster.nodes),
                "reconnects": (cluster.reconnects - last[0]) / step,
                "refused": (cluster.refused - last[1]) / step,
            })
            last = (cluster.reconnects, cluster.refused)
    return course, {"reconnects": cluster.reconnects, "refused": cluster.refused}


def summary(runs, limit):
    lines = ["| load | clients, least and most | pods, least and most | fullest node, of its limit | most without a place at once | sent elsewhere, per client |",
             "|---|---|---|---|---|---|"]
    for title, (course, totals) in runs.items():
        wanted = [point["wanted"] for point in course]
        pods = [point["pods"] for point in course]
        short = max(point["wanted"] - point["connections"] for point in course)
        lines.append(
            f"| {title} | {min(wanted):,.0f} to {max(wanted):,.0f} | {min(pods)} to {max(pods)} | "
            f"{max(point['fullest'] for point in course) / limit:.0%} | {short:,.0f} | {totals['reconnects'] / max(wanted):.2f} |")
    return "\n".join(lines) + "\n"


def arguments():
    parser = argparse.ArgumentParser(description="What the chart's autoscaler does with the nodes under recorded load shapes.")
    parser.add_argument("given", metavar="HPA.json", type=pathlib.Path)
    parser.add_argument("--svg", action="store_true", help="the plot instead of the summary")
    parser.add_argument("--recording", metavar="FILE", action="append", type=pathlib.Path, help="instead of those in shapes/; may be repeated")
    parser.add_argument("--time-scale", type=float, default=1, help="how many seconds one of these recordings stands for")
    parser.add_argument("--clients-scale", type=float, default=1, help="how many clients one connection of them stands for")
    return parser.parse_args()


def main():
    asked = arguments()
    given = json.loads(asked.given.read_text())
    recordings = ([Recording(path.stem, path, asked.time_scale, asked.clients_scale) for path in asked.recording]
                  if asked.recording else kept().values())
    runs = {recording.title: run(recording, given["spec"], given["rules"]) for recording in recordings}
    if asked.svg:
        sys.stdout.write(plot({title: course for title, (course, _) in runs.items()}, given["rules"]["limit"]))
    else:
        sys.stdout.write(summary(runs, given["rules"]["limit"]))


if __name__ == "__main__":
    main()
