"""One drill from its beginning to its verdict. A drill's own script says only which faults it makes, and when."""
import argparse
import asyncio
import pathlib
import random
import resource
import shutil
import signal
import sys
import tempfile
import time

from stack import DrillStack, eventually, networks, tokens  # first: it says what is not installed

import ledger
from display import show
from publisher import Plan, Publisher
from swarm import Swarm

LATE_SECONDS = 1.0
PAUSE_SECONDS = 10
PARTITION_SECONDS = 15
REPEATS_SECONDS = 2  # listened on after everything has arrived
FAULTS_BEGIN_SECONDS = 2  # after the first event, and as long before the last
REPLICAS_SECONDS = 20  # for a NATS server to catch up
SPARE_DESCRIPTORS = 200  # beside those of the clients
LIMIT_SECONDS = 600  # of the whole drill

EPILOG = f"""what the columns mean:
  published         domain events that Redis has acknowledged
  delivered         events that applications received, summed over all clients
  lost              published and not received, although no server message admits it
  reported          not received, but the client was told to reload: recovered:false or POSITION_LOST
  duplicated        an application received an event id twice (what a client's cursor keeps away is counted as
                    "repeated by the server" instead)
  reordered         received after a later event of the same room
  slowest recovery  the longest of: from a fault until the last event that came more than {LATE_SECONDS:g} s after its publication
                    has arrived; from the loss of a connection until its client is where the acks of its reconnect
                    say that it should be

exit status: 0 when lost, duplicated and reordered are 0 (and reported, where nothing justifies it), the fault was
really made, and as many events and clients took part as asked for; 1 otherwise; {networks.CANNOT} when network
namespaces cannot be made."""

# What /metrics of nodes and relays add to the picture.
COUNTERS = {
    "gaps detected": "roomcast_gaps_detected_total",
    "gaps closed": "roomcast_gaps_closed_total",
    "events fetched": "roomcast_events_fetched_total",
    "events duplicate": "roomcast_events_duplicate_total",
    "NATS reconnects": "roomcast_nats_reconnects_total",
    "slow consumers": "roomcast_nats_slow_consumer_total",
    "relay retries": "roomcast_relay_store_retries_total",
    "relay fenced": "roomcast_relay_fenced_total",
}


class Usage(Exception):
    """The options make no drill."""


def parse_arguments(doc, defaults):
    parser = argparse.ArgumentParser(
        description=doc, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--clients", type=int, default=defaults["clients"], help="default %(default)s")
    add("--events", type=int, default=defaults["events"], help="default %(default)s")
    add("--rate", type=float, default=defaults["rate"], help="events per second, default %(default)s")
    add("--rooms", type=int, default=defaults["rooms"], help="default %(default)s; each client is in 4 to 8 of them")
    add("--rounds", type=int, help="how often the fault is made at most; default: as suits it")
    add("--relays", type=int, default=2, help="default %(default)s")
    add("--cut-every", type=float, default=defaults["cut_every"], metavar="S",
        help="each client is cut off hard so often on average, and resumes; 0: never; default %(default)s")
    add("--careless", action="store_true", help="clients do not resume: proof that the drill sees what is lost")
    add("--deadline", type=float, default=60, metavar="S", help="wait for what is missing, default %(default)s")
    add("--seed", type=int, default=random.getrandbits(32), help="of the random choices; default: another each time")
    add("--node-option", action="append", default=[], metavar="KEY=VALUE", help="for all nodes, as ping.interval_s=5")
    add("--relay-option", action="append", default=[], metavar="KEY=VALUE")
    add("--keep", metavar="DIR", help="copy the logs of all processes there")
    add("--json", action="store_true", help="the result as one line of JSON on standard output")
    return parser.parse_args()


class Drill:
    def __init__(self, name, options, traits):
        self.name = name
        self.options = options
        self.traits = traits
        self.faults = []  # when each began
        self.failures = []  # reasons why this drill has not passed
        self.born_at = time.monotonic()
        self.begun_at = None  # when the first event was published
        self.random = random.Random(options.seed)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="roomcast-drill-"))
        node_options = {"workers": 1, **traits["node_options"], **pairs(options.node_option)}
        self.stack = DrillStack(self.directory, options.relays, node_options)
        for relay in self.stack.relays:
            relay.options.update(pairs(options.relay_option))
        if traits["networks"]:
            self.stack.build_networks()
        users = options.clients if traits["notifications"] else 0
        self.plan = Plan(options.events, options.rooms, users, options.seed)
        self.swarm = Swarm([node.url for node in self.stack.nodes], self.plan, options.careless, traits["typing"])
        self.publisher = Publisher(self.plan, self.stack.redis_server, options.rate)
        self.ledgers = []

    # -- for the faults

    @property
    def seconds(self):
        """How long publishing takes."""
        return self.options.events / self.options.rate

    def rounds(self, at_most, seconds):
        """Yields 0, 1, ... when it is time for a fault of that many seconds, evenly spread over the publishing."""
        room = self.seconds - 2 * FAULTS_BEGIN_SECONDS
        count = min(self.options.rounds or at_most, int(room // seconds))
        if count < 1:
            raise Usage(
                f"publishing takes {self.seconds:g} s, too short for a fault of {seconds:g} s: more events, or a lower rate"
            )
        for number in range(count):
            self.wait_until(self.begun_at + FAULTS_BEGIN_SECONDS + number * room / count)
            yield number

    def wait(self, seconds):
        self.wait_until(time.monotonic() + seconds)

    def wait_until(self, when):
        """The schedule of the faults; the threads of clients and publisher go on."""
        while time.monotonic() < when:
            if self.publisher.error:
                raise self.publisher.error
            time.sleep(max(0.0, min(0.1, when - time.monotonic())))

    def say(self, text):
        at = time.monotonic() - (self.begun_at or self.born_at)
        print(f"  {at:6.2f} s  {text}", file=sys.stderr, flush=True)

    def fault(self, text):
        self.say(text)
        self.faults.append(time.monotonic())

    def check(self, condition, failure):
        if not condition:
            self.failures.append(failure)

    def kill(self, process):
        self.stack.note_counters(process)
        self.fault(f"kill -9 {process.name}")
        process.kill()
        self.check(process.process.returncode == -signal.SIGKILL, f"{process.name} was not killed")

    def restart(self, process):
        process.start()
        self.say(f"{process.name} is ready again")

    def pause(self, process, seconds):
        """SIGSTOP, and SIGCONT."""
        self.fault(f"SIGSTOP {process.name} for {seconds:g} s")
        process.signal(signal.SIGSTOP)
        try:
            eventually(lambda: state_of(process) == "T", 5, f"{process.name} stands still")
            self.wait(seconds)
            self.check(state_of(process) == "T", f"{process.name} did not stand still all the time")
        finally:
            process.signal(signal.SIGCONT)
        self.say(f"SIGCONT {process.name}")

    def kill_nats(self, server, down_s):
        """kill -9, and a start; returns when the stream's copies are level again."""
        leader = self.stack.leader()
        self.say(f"{leader.name} leads the stream")
        self.kill(server)
        self.wait(down_s)
        self.restart(server)
        self.wait_replicas()

    def pause_nats(self, server, seconds):
        leader = self.stack.leader()
        self.say(f"{leader.name} leads the stream")
        self.pause(server, seconds)
        self.wait_replicas()

    def partition(self, process, nets, target, seconds=PARTITION_SECONDS):
        """Cuts the cables of the process's host to these networks. `target`: an address that is out of reach then."""
        host = self.stack.host_of(process)
        self.fault(f"{process.name} is cut off for {seconds} s")
        healed_at = time.monotonic() + seconds
        try:
            for network in nets:
                host.cut(network)
            self.check(not host.reaches(*target), f"{process.name} was not cut off")
            self.wait_until(healed_at)
        finally:
            for network in nets:
                host.heal(network)
        self.say(f"{process.name} is connected again")
        eventually(lambda: host.reaches(*target), 30, f"{process.name} reaches the others again")

    def wait_replicas(self):
        """Until the stream's copies are level; that is no condition of passing, but told."""
        try:
            self.stack.wait_replicas(REPLICAS_SECONDS)
            self.say(f"the replicas are level, {self.stack.leader().name} leads the stream")
        except AssertionError as error:
            self.say(f"the replicas: {error}")

    # -- the course

    def run(self, make_faults):
        self.say("starting")
        self.stack.start()
        self._gather()
        self.begun_at = time.monotonic()
        self.publisher.start()
        if self.options.cut_every:
            self.swarm.start_cutting(self.options.cut_every, self.traits["offline_s"])
        make_faults(self)
        while not self.publisher.is_done():
            self.wait(0.1)
        self.swarm.stop_cutting()
        self.check(self.publisher.error is None, f"the publisher failed: {self.publisher.error!r}")
        self.say("all published, waiting for the rest")
        self._wait_for_rest()
        self.wait(REPEATS_SECONDS)
        return self._result()

    def _gather(self):
        """All clients connected and subscribed."""
        options = self.options
        members = []
        for number in range(options.clients):
            rooms = self.plan.rooms[:1]
            if len(self.plan.rooms) > 1:
                count = min(self.random.randint(3, 7), len(self.plan.rooms) - 1)
                rooms = rooms + self.random.sample(self.plan.rooms[1:], count)
            ledgers = {channel.target: ledger.Ledger(channel) for channel in rooms}
            user = f"user-{options.rooms + number}"
            if self.plan.users:
                ledgers[None] = ledger.Ledger(self.plan.users[number])
            self.ledgers += ledgers.values()
            members.append((user, tokens.mint(user), ledgers))
        self.swarm.start(members, options.clients / 1000)
        limit = 60 + options.clients / 200
        eventually(lambda: self.swarm.subscribed() == options.clients, limit, "all clients are subscribed")
        self.say(f"{options.clients} clients are subscribed {len(self.ledgers)} times")

    def _wait_for_rest(self):
        deadline = time.monotonic() + self.options.deadline

        def incomplete():
            return sum(len(one.received) < len(one.channel) for one in self.ledgers)

        while incomplete() and time.monotonic() < deadline:
            if not any(one.missing()[0] for one in self.ledgers):
                return  # nothing to come any more: the rest was reported
            self.wait(0.5)

    # -- the verdict

    def _result(self):
        swarm, publisher = self.swarm, self.publisher
        subscribed = swarm.call(swarm.subscribed)
        missing = [one.missing() for one in self.ledgers]
        delays = [pair for one in self.ledgers for pair in one.delays()]
        latencies = sorted(received - published for published, received in delays)
        fault_recoveries = ledger.recovery_times(self.faults, delays, LATE_SECONDS)
        reconnects = [caught_up - lost for lost, caught_up in swarm.recoveries if lost >= self.begun_at]
        entries = self.stack.redis.xlen("roomcast:events")
        counters = self.stack.counters()
        result = {
            "drill": self.name,
            "clients": subscribed,
            "published": publisher.published,
            "expected": sum(len(one.channel) for one in self.ledgers),
            "delivered": len(delays),
            "lost": sum(lost for lost, _ in missing),
            "reported": sum(reported for _, reported in missing),
            "duplicated": sum(one.duplicated for one in self.ledgers),
            "reordered": sum(one.reordered for one in self.ledgers),
            "slowest_recovery_s": round(max([0.0, *fault_recoveries, *reconnects]), 3),
            "slowest_after_fault_s": round(max([0.0, *fault_recoveries]), 3),
            "slowest_reconnect_s": round(max([0.0, *reconnects]), 3),
            "latency_s": {
                "p50": rounded(ledger.percentile(latencies, 0.5)),
                "p99": rounded(ledger.percentile(latencies, 0.99)),
                "max": rounded(latencies[-1] if latencies else None),
            },
            "faults": len(self.faults),
            "cuts": swarm.cuts,
            "holes": swarm.counts["holes"],
            "disagreements": sum(channel.disagreements for channel in self.plan.channels()),
            "repeated_by_server": swarm.counts["repeated by the server"],
            "reports": sum(one.reports for one in self.ledgers),
            "reconnects": len(reconnects),
            "entries_repeated_in_redis": entries - publisher.published,
            "client_counts": dict(sorted(swarm.counts.items())),
            "server_counts": {
                " ".join([label, *labels[1::2]]): value
                for label, name in COUNTERS.items()
                for (sample, labels), value in sorted(counters.items())
                if sample == name
            },
            "clients_cpu_s": round(swarm.cpu_s, 1),
            "seed": self.options.seed,
        }
        self._judge(result)
        return result

    def _judge(self, result):
        for column in ("lost", "duplicated", "reordered", "holes", "disagreements"):
            self.check(result[column] == 0, f"{result[column]} {column}")
        self.check(
            result["reported"] == 0 or self.traits["may_report"],
            f"{result['reported']} reported as not recoverable, although the stream holds them",
        )
        self.check(result["published"] == self.options.events, f"only {result['published']} events were published")
        self.check(result["clients"] == self.options.clients, f"only {result['clients']} clients took part to the end")
        self.check(result["faults"] > 0 or make_cuts(self.options, result), "no fault was made")
        behind = self.swarm.call(self.swarm.behind)
        self.check(behind == 0, f"{behind} clients have not caught up")
        for complaint, times in self.swarm.complaints.most_common(5):
            self.failures.append(f"{times} x {complaint}")

    def finish(self, result):
        """Ends the clients, then the servers; what is left of those completes the result."""
        self.swarm.stop()
        self.failures += self.stack.close()
        if result is not None:
            result["replicas"] = self.stack.compare_replicas()
            result["failures"] = self.failures

    def close(self):
        self.publisher.stop()
        self.swarm.stop()
        self.stack.release()
        if self.options.keep:
            keep = pathlib.Path(self.options.keep)
            keep.mkdir(parents=True, exist_ok=True)
            for process in self.stack.processes():
                if process.log_path.exists():
                    shutil.copy(process.log_path, keep / f"{self.name}.{process.name}.log")
        shutil.rmtree(self.directory, ignore_errors=True)


def make_cuts(options, result):
    """Each client must have been cut off once at least, in a drill that does nothing else."""
    return options.cut_every and result["cuts"] >= options.clients


def pairs(words):
    return dict(word.split("=", 1) for word in words)


def rounded(value):
    return None if value is None else round(value, 3)


def state_of(process):
    """The kernel's letter for what the process does: T when stopped."""
    stat = pathlib.Path(f"/proc/{process.process.pid}/stat").read_text()
    return stat[stat.rindex(")") + 2]


def interrupted(number, _):
    sys.exit(128 + number)


def over_time(*_):
    raise TimeoutError(f"the drill was not over within {LIMIT_SECONDS} s")


def allow_descriptors(clients):
    """As many as the clients need; the nodes inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and clients + SPARE_DESCRIPTORS > hard:
        raise Usage(f"{clients} clients need more than the {hard} descriptors that a process may have")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(
    doc,
    make_faults,
    *,
    use_networks=False,
    may_report=False,
    notifications=True,
    typing=True,
    offline_s=0.1,
    node_options=None,
    **defaults,
):
    """The main program of a drill's script. `make_faults(drill)` runs while events are published. `defaults`: of the
    options. `node_options`: those of the nodes that the drill is made for. `may_report`: NATS itself may lose what it had acknowledged, which clients are to be told."""
    usual = {"clients": 200, "events": 20000, "rate": 400, "rooms": 40, "cut_every": 15}
    options = parse_arguments(doc, {**usual, **defaults})
    traits = {"networks": use_networks, "may_report": may_report, "notifications": notifications}
    traits |= {"typing": typing, "offline_s": offline_s, "node_options": node_options or {}}
    if use_networks:
        networks.enter()
    name = pathlib.Path(sys.argv[0]).name
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored in the background
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    signal.signal(signal.SIGALRM, over_time)
    signal.alarm(LIMIT_SECONDS)
    drill = result = None
    try:
        allow_descriptors(options.clients)
        drill = Drill(name, options, traits)
        result = drill.run(make_faults)
        drill.finish(result)
        show(result, options.json)
    except Usage as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except (AssertionError, OSError, asyncio.TimeoutError) as error:
        print(f"{name}: FAILED: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if drill:
            drill.close()
    sys.exit(1 if drill.failures else 0)
