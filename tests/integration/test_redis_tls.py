"""Redis over TLS, as cluster/OPERATING.md says: Debian's hiredis cannot, so stunnel stands in front, with the configuration printed there."""
import pathlib
import re

import pytest

from harness.certificates import Authority
from harness.events import Event
from harness.ports import free_port
from harness.processes import ROOT, Process, RedisServer
from harness.waiting import eventually


class SecuredRedis(RedisServer):
    """Speaks TLS beside plain text, and lets in who has the password."""

    def __init__(self, directory, files, authority):
        super().__init__(directory)
        self.flags = ["--tls-cert-file", files[0], "--tls-key-file", files[1], "--tls-ca-cert-file", authority.file,
                      "--tls-auth-clients", "no", "--user", "relay", "on", ">secret of the relay", "~*", "&*", "+@all"]  # fmt: skip

    def choose_ports(self):
        super().choose_ports()
        self.tls_port = free_port()

    def command(self):
        return [*super().command(), "--tls-port", self.tls_port, *self.flags]


class Stunnel(Process):
    def __init__(self, directory, redis_server, authority):
        super().__init__("stunnel", directory)
        self.redis_server = redis_server
        self.authority = authority
        self.port = free_port()

    def command(self):
        recipe = re.search(r"^ +\[redis\]\n(?: +\w+ = .*\n)+", (ROOT / "cluster/OPERATING.md").read_text(), re.MULTILINE)[0]
        recipe = recipe.replace("127.0.0.1:6379", f"127.0.0.1:{self.port}")
        recipe = recipe.replace("redis.example.com:6380", f"127.0.0.1:{self.redis_server.tls_port}")
        recipe = recipe.replace("redis.example.com", "localhost")
        recipe = recipe.replace("/etc/ssl/certs/ca-certificates.crt", str(self.authority.file))
        config = pathlib.Path(self.directory) / "stunnel.conf"
        config.write_text("foreground = yes\npid =\n" + recipe)
        return ["stunnel", config]

    def is_ready(self):
        return "Configuration successful" in self.log_text()


@pytest.fixture
def secured(new_directory, make_stack, tmp_path, _running):
    """secured(): a stack whose relay reads Redis through stunnel, and its authority."""
    made = []

    def make(trusted=None):
        authority = Authority(tmp_path)
        redis_server = SecuredRedis(new_directory("redis"), authority.write("redis"), authority).start()
        stunnel = Stunnel(new_directory("stunnel"), redis_server, trusted or authority).start()
        made.extend([stunnel, redis_server])
        _running.watch(stunnel, redis_server)
        url = f"redis://relay:secret%20of%20the%20relay@127.0.0.1:{stunnel.port}/0"
        return make_stack(relay_options={"redis.url": url}), redis_server

    yield make
    for process in made:
        process.stop()


def test_events_come_through_the_recipe_of_the_readme(secured, clients, chat):
    stack, redis_server = secured()
    stack.start()
    client = stack.client(0, "anna")
    clients.append(client)
    client.subscribe(chat)
    redis_server.client.xadd("roomcast:events", {"event": Event(chat=chat).text})
    client.expect("chat.message.posted", seq=1)
    second = Event(chat=chat).text
    eventually(lambda: redis_server.client.publish("events.messages.created", second) > 0, what="Pub/Sub is listened to")
    client.expect("chat.message.posted", seq=2)


def test_a_redis_that_is_somebody_else_is_not_read(secured, tmp_path):
    (tmp_path / "other").mkdir()
    stack, _ = secured(trusted=Authority(tmp_path / "other", "other-ca"))
    stack.relay.expect_log("redis")
    stack.nats.start()
    stack.relay.spawn()
    eventually(lambda: "redis" in stack.relay.log_text() and "level=warn" in stack.relay.log_text(), what="the relay tells")
    assert stack.relay.readyz().status == 503
