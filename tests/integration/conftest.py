"""Fixtures. A test that only talks to running servers shares one stack, with chats and users of its own; a test
that breaks servers, or needs options of its own, makes a stack for itself.

Whatever happens, every process of the test run ends with it, and a line in a log that says level=error, a
sanitizer's report, or a frame or HTTP answer that the contracts in proto/ do not allow, fails the test it belongs to."""
import itertools
import uuid

import pytest

from harness import contract
from harness.client import Client
from harness.processes import NatsCluster
from harness.stack import Stack


_extra_numbers = itertools.count()


class Running:
    """The processes to be watched, and ended at the end of their scope."""

    def __init__(self):
        self.processes = []

    def watch(self, *processes):
        self.processes += processes

    def faults(self):
        started = [process for process in self.processes if process.process]
        deaths = [(process.name, process.died_of()) for process in started]
        crashed = [f"{name} died of signal {number}" for name, number in deaths if number]
        return crashed + [fault for process in started for fault in process.faults_in_log()]

    def kill_all(self):
        for process in self.processes:
            process.kill()


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    """Where processes keep their files: short paths, all removed at the end unless something failed."""
    directory = tmp_path_factory.mktemp("run")
    yield directory


@pytest.fixture(scope="session")
def _session_running():
    running = Running()
    yield running
    running.kill_all()


@pytest.fixture(scope="session")
def shared_stack(scratch, _session_running):
    stack = Stack(scratch / "shared")
    _session_running.watch(*stack.processes())
    stack.start()
    yield stack
    stack.stop()
    assert _session_running.faults() == []


@pytest.fixture
def _running():
    running = Running()
    yield running
    running.kill_all()


@pytest.fixture(autouse=True)
def no_unexpected_errors(_running, _session_running):
    yield
    faults = _running.faults() + _session_running.faults()
    assert faults == [], "unexpected lines in the logs"
    violations = contract.take_violations()
    if violations:
        pytest.fail("\n".join(violations), pytrace=False)


@pytest.fixture
def clients():
    """Closes what a test opened."""
    opened = []
    yield opened
    for client in opened:
        client.drop()


@pytest.fixture
def stack(shared_stack):
    """The stack that tests share: two nodes, a relay, one NATS server, Redis."""
    for process in shared_stack.processes():
        if not process.is_running():  # the test in which it died has failed; the others shall not
            process.start()
    return shared_stack


@pytest.fixture
def connect(stack, clients):
    """connect(node, user, ...): a client of the shared stack."""

    def connect_to(node=0, user=None, **how):
        clients.append(stack.client(node, user, **how))
        return clients[-1]

    return connect_to


@pytest.fixture
def extra_node(stack, _running, new_directory):
    """extra_node({"ping.interval_s": 1}): one more node on the shared stack's NATS, with options of its own."""
    made = []

    def make(options=None, environment=None, start=True):
        node = stack.new_node(f"extra-{next(_extra_numbers)}", options)
        node.extra_environment.update(environment or {})
        made.append(node)
        _running.watch(node)
        return node.start() if start else node

    yield make
    statuses = {node.name: node.stop() for node in made}
    assert set(statuses.values()) <= {0, None}, f"exit statuses: {statuses}"


@pytest.fixture
def new_directory(tmp_path):
    """A fresh directory for each call."""
    count = iter(range(1000))
    return lambda name: tmp_path / f"{next(count)}-{name}"


@pytest.fixture
def make_stack(_running, clients, new_directory):
    """make_stack(...): a stack for this test alone, not started: call start() on it or its parts."""
    made = []

    def make(nodes=1, cluster=False, **options):
        nats = NatsCluster(new_directory("cluster")) if cluster else None
        stack = Stack(new_directory("stack"), nodes=nodes, nats=nats, **options)
        _running.watch(*stack.processes())
        made.append(stack)
        return stack

    yield make
    for stack in made:
        stack.stop()


@pytest.fixture
def open_client(clients):
    """open_client(url or node, user, ...): a client of whatever node."""

    def open_to(target, user=None, **how):
        url = target if isinstance(target, str) else target.url
        clients.append(Client(url, user, **how))
        return clients[-1]

    return open_to


@pytest.fixture
def watch(_running):
    """Ends processes with the test, and judges their logs."""
    return _running.watch


@pytest.fixture
def chat():
    return str(uuid.uuid4())


@pytest.fixture
def other_chat():
    return str(uuid.uuid4())


@pytest.fixture
def user():
    return str(uuid.uuid4())
