"""The container image: built from cluster/Containerfile on a base made here (no registry is asked), then a cluster of its
containers, each without rights, with a read-only root, as nobody. Skipped, with the reason, where containers cannot run."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from harness.client import Client  # noqa: E402
from harness.events import message  # noqa: E402
from harness.processes import Node, Relay  # noqa: E402
from harness.stack import Stack  # noqa: E402
from harness.waiting import eventually  # noqa: E402

PLACE = ROOT / ".build" / "image"
BASE, IMAGE = "localhost/roomcast-test-base", "localhost/roomcast-test"
PODMAN = ["podman", "--runtime", shutil.which("runc") or "runc", "--cgroup-manager", "cgroupfs", "--root", PLACE / "storage", "--runroot", PLACE / "run"]
# What the kernel lets this machine give; podman would ask for more.
LIMITS = ["--ulimit", "nofile=8192:8192", "--ulimit", "nproc=8192:8192"]
CONFINED = ["--network", "host", "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", *LIMITS]


def podman(*words, check=True, **how):
    done = subprocess.run([*map(str, PODMAN), *map(str, words)], capture_output=True, text=True, timeout=540, **how)
    assert not check or done.returncode == 0, f"podman {words[0]}: {done.stderr[-3000:]}"
    return done


def make_base():
    """A small Debian 12, as debian:bookworm-slim is; kept between runs."""
    tree = PLACE / "base.tar"
    if not tree.exists():
        root = PLACE / "base"
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", root], check=True, capture_output=True, timeout=300)
        subprocess.run(["tar", "-C", root, "-cf", tree.with_suffix(".new"), "."], check=True)
        tree.with_suffix(".new").rename(tree)
        shutil.rmtree(root)
    if podman("image", "exists", BASE, check=False).returncode != 0:
        podman("import", tree, BASE)


@pytest.fixture(scope="module")
def image():
    missing = [tool for tool in ("podman", "runc", "debootstrap") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"not run: {', '.join(missing)} missing")
    if os.geteuid() != 0:
        pytest.skip("not run: debootstrap needs root")
    PLACE.mkdir(parents=True, exist_ok=True)
    make_base()
    trial = podman("run", "--rm", *CONFINED, BASE, "true", check=False)
    if trial.returncode != 0:
        pytest.skip(f"not run: no container can run here: {trial.stderr.strip()[-300:]}")
    podman("build", "--isolation", "chroot", "--network", "host", "--format", "docker", "--build-arg", f"BASE={BASE}",
           "--ignorefile", ROOT / ".containerignore", "-f", ROOT / "cluster" / "Containerfile", "-t", IMAGE, ROOT)  # fmt: skip
    yield IMAGE
    podman("rm", "--force", "--all", "--time", 0, check=False)


class Contained:
    """A program of ours in a container: with the host's network, and nothing else of it."""

    def command(self):
        names = list(self.extra_environment)
        variables = [word for name in names for word in ("--env", name)]
        return [*PODMAN, "run", "--rm", "--name", self.name, *CONFINED, *variables, IMAGE, self.executable, *self.flags()]

    def kill(self):
        podman("rm", "--force", "--time", 0, self.name, check=False)
        super().kill()


class ContainedNode(Contained, Node):
    pass


class ContainedRelay(Contained, Relay):
    pass


class ContainedStack(Stack):
    def new_relay(self, name):
        made = super().new_relay(name)
        return ContainedRelay(name, made.directory, made.options, made.extra_environment)

    def new_node(self, name, options=None):
        made = super().new_node(name, options)
        return ContainedNode(name, made.directory, made.options, made.extra_environment)


@pytest.fixture
def stack(image, tmp_path):
    stack = ContainedStack(tmp_path, nodes=2, node_options={"limits.connections": 1000})
    yield stack.start()
    for process in stack.processes():
        process.kill()


def test_the_image_is_small_and_runs_as_nobody(image):
    described = podman("image", "inspect", "--format", "{{.Config.User}} {{.Config.StopSignal}} {{.Config.Healthcheck.Test}}", image)
    assert described.stdout.split() == ["65532:65532", "SIGTERM", "[CMD", "roomcast", "probe]"]
    sizes = [int(podman("image", "inspect", "--format", "{{.Size}}", name).stdout) for name in (BASE, image)]
    assert sizes[1] - sizes[0] < 60_000_000, "what roomcast and its libraries add"
    files = podman("run", "--rm", *CONFINED, image, "sh", "-c", "ls /usr/bin/roomcast* /usr/share/roomcast; id -u; which gcc cmake; touch /x || echo read-only")
    assert files.stdout.split() == ["/usr/bin/roomcast", "/usr/bin/roomcast-bench", "/usr/bin/roomcast-relay", "/usr/share/roomcast:",
                                    "packages", "roomcast.yaml", "65532", "read-only"]  # fmt: skip


def test_a_configuration_that_is_mounted_is_read_and_a_missing_one_is_told(image, tmp_path):
    told = podman("run", "--rm", *CONFINED, image, check=False)
    assert told.returncode == 2 and "/etc/roomcast/roomcast.yaml" in told.stderr
    (tmp_path / "roomcast.yaml").write_text("auth:\n  hmac_secret_file: /etc/roomcast/secret\n")
    (tmp_path / "secret").write_text("a secret of more than thirty-two bytes")
    tmp_path.chmod(0o755)
    checked = podman("run", "--rm", *CONFINED, "--volume", f"{tmp_path}:/etc/roomcast:ro", image,
                     "roomcast", "--config", "/etc/roomcast/roomcast.yaml", "--check-config")  # fmt: skip
    assert checked.returncode == 0


def test_a_cluster_of_containers_brings_events_to_browsers_and_drains(stack):
    chat = "22222222-2222-4222-8222-222222222222"
    clients = [Client(node.url, f"user-{number}") for number, node in enumerate(stack.nodes)]
    for client in clients:
        client.subscribe(chat)
    for number in range(20):
        stack.xadd(message(chat, number))
    for client in clients:
        numbers = [client.skip_until("chat.message.posted")["data"]["number"] for _ in range(20)]
        assert numbers == list(range(20))
    probe = ["exec", "roomcast-0", "roomcast", "probe"]
    assert podman(*probe, stack.nodes[0].admin_url + "/readyz").returncode == 0
    absent = podman(*probe, "http://127.0.0.1:1/livez", check=False)
    assert absent.returncode == 1 and "nobody listens" in absent.stderr
    # The signal that `podman stop` and a kubelet send: the client is told where to go, and the exit status is good.
    podman("stop", "--time", 60, "roomcast-0")
    clients[0].expect_disconnect(4200)
    assert stack.nodes[0].wait_exit() == 0
    clients[1].send(type="ping")
    clients[1].skip_until("pong")
    eventually(lambda: stack.nodes[1].readyz().status == 200, what="the other one serves on")
    assert stack.relay.stop() == 0
