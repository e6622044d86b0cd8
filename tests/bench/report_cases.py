"""What report.py measures: the cases, and what is shown of each."""
import dataclasses

OPENING = 512  # connections at a time, where opening them is not what is measured


@dataclasses.dataclass
class Kind:
    """Cases of one scenario of roomcast-bench, shown in one table."""

    scenario: str
    figure: str  # what is divided by that of the bare loop
    title: str  # of that figure
    columns: dict  # title: name of a further figure, its divisor, its format
    is_fresh: bool = False  # every run has servers that have held no connection before
    has_frames: bool = True  # every server is to send frames of the same size


@dataclasses.dataclass
class Case:
    title: str
    kind: Kind
    load: dict  # options of roomcast-bench
    has_coalescing: bool = False  # several events at a time: the coalescing limit program belongs beside it
    alg: str = "HS256"


LATENCY = {"p50 ms": ("latency_p50_us", 1000, ".2f"), "p99 ms": ("latency_p99_us", 1000, ".2f")}
RATE = {"deliveries/s": ("deliveries_per_s", 1, ",.0f")}
DELIVERY = ("server_us_per_delivery", "CPU us per delivery")
FANOUT = Kind("fanout", *DELIVERY, {**RATE, **LATENCY})
BURST = Kind(
    "burst",
    *DELIVERY,
    {
        **RATE,
        "all there after, p50 ms": ("burst_complete_p50_us", 1000, ".2f"),
        "p99 ms": ("burst_complete_p99_us", 1000, ".2f"),
    },
)
IDLE = Kind(
    "idle",
    "anonymous_bytes_per_connection",
    "heap and stack, bytes per connection",
    {"resident": ("rss_bytes_per_connection", 1, ",.0f")},
    is_fresh=True,
    has_frames=False,
)
CONNECT = Kind(
    "connect",
    "server_us_per_handshake",
    "CPU us per handshake",
    {
        "per core-second": ("handshakes_per_core_second", 1, ",.0f"),
        "let in after, p50 ms": ("connected_p50_us", 1000, ".2f"),
        "p99 ms": ("connected_p99_us", 1000, ".2f"),
    },
    has_frames=False,
)

CASES = {
    "1k-200": Case("1,000 connections, 200 B", FANOUT, {"members": 1000, "rate": 50, "payload": 200}),
    "1k-1024": Case("1,000 connections, 1 KB", FANOUT, {"members": 1000, "rate": 50, "payload": 1024}),
    "10k-200": Case("10,000 connections, 200 B", FANOUT, {"members": 10000, "rate": 5, "payload": 200}),
    "10k-1024": Case("10,000 connections, 1 KB", FANOUT, {"members": 10000, "rate": 5, "payload": 1024}),
    "small-rooms": Case("15,000 in rooms of 10", FANOUT, {"rooms": 1500, "members": 10, "rate": 3000, "payload": 200}),
    "burst": Case("10 events per tick, 1,000", FANOUT, {"members": 1000, "rate": 200, "burst": 10, "payload": 200}, True),
    "in-flight": Case("16 publishers in flight, 1,000", FANOUT, {"members": 1000, "in-flight": 16, "payload": 200}, True),
    "burst-100": Case("100 events at once, 1,000", BURST, {"members": 1000, "burst": 100, "payload": 200}, True),
    "idle": Case("10,000 idle in one room", IDLE, {"members": 10000}),
    "idle-rooms": Case("10,000 idle, a room each", IDLE, {"rooms": 10000, "members": 1}),
    "connect-hs256": Case("2,000 with HS256 tokens, 3 times", CONNECT, {"connections": 2000, "rounds": 3}),
    "connect-es256": Case("2,000 with ES256 tokens, 3 times", CONNECT, {"connections": 2000, "rounds": 3}, alg="ES256"),
}


def scaled(load, factor):
    """With so many of the connections only."""
    name = next((name for name in ("rooms", "connections") if name in load), "members")
    return {**load, name: max(1, round(load[name] * factor))}
