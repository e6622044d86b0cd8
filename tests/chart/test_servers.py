"""The NATS server of the release, for trying out, with the real nats-server."""
import uuid

import pytest

from conftest import ROOT, render, run

from harness.events import Event
from harness.processes import NatsServer
from harness.stack import Stack

PASSWORDS = {f"ROOMCAST_NATS_{name}_PASSWORD": "secret" for name in ("NODE", "RELAY", "TOP", "AUTHORIZER")}


@pytest.mark.parametrize("values", [{}, {"nats": {"replicas": 1, "maxFile": "10Gi"}}, {"config": {"nats": {"prefix": "chat"}, "stream": {"name": "s_2", "shards": 64}}}])
def test_nats_server_takes_its_configuration(tmp_path, values):
    data = render("trial", values=values).one("ConfigMap", "r-roomcast-nats")["data"]
    for name, text in data.items():
        (tmp_path / name).write_text(text.replace("/data", str(tmp_path)))
    answer = run("nats-server", "-t", "-c", tmp_path / "nats.conf", environment={**PASSWORDS, "POD_NAME": "r-roomcast-nats-0"})
    assert answer.returncode == 0, answer.stderr
    assert "is valid" in answer.stderr + answer.stdout


@pytest.mark.parametrize("config", [{}, {"nats": {"prefix": "chat"}, "stream": {"name": "s_2", "shards": 3}}])
def test_an_event_passes_through_it_as_the_users_that_the_chart_gives(tmp_path, config):
    rendered = render("trial", values={"nats": {"replicas": 1}, "config": config})
    for name, text in rendered.one("ConfigMap", "r-roomcast-nats")["data"].items():
        (tmp_path / name).write_text(text.replace("  store_dir: /data\n", ""))  # a flag says it here
    server = NatsServer(tmp_path / "nats")
    server.extra_flags = ["--config", str(tmp_path / "nats.conf")]
    server.extra_environment = {**PASSWORDS, "POD_NAME": "r-roomcast-nats-0"}
    given = {}
    for component in ("node", "relay"):
        own = rendered.config(component)
        given[component] = {key: own[key] for key in ("nats.user", "nats.prefix", "stream.name", "stream.shards") if key in own}
        given[component]["nats.password"] = PASSWORDS[f"ROOMCAST_NATS_{component.upper()}_PASSWORD"]
    stack = Stack(tmp_path, nodes=2, nats=server, node_options=given["node"], relay_options=given["relay"])
    try:
        stack.start()
        client = stack.client(1)
        chat = str(uuid.uuid4())
        client.subscribe(chat)
        event = Event(chat=chat)
        stack.xadd(event)
        assert client.expect("chat.message.posted")["id"] == event.id
        client.drop()
        assert "Violation" not in server.log_text()
        stack.stop()
    finally:
        for process in stack.processes():
            process.kill()


def test_permissions_follow_prefix_and_stream():
    values = {"config": {"nats": {"prefix": "chat"}, "stream": {"name": "s_2"}}}
    users = render("trial", values=values).one("ConfigMap", "r-roomcast-nats")["data"]["users.conf"]
    rules = "\n".join(line for line in users.splitlines() if not line.lstrip().startswith("#"))
    assert '"chat.live.>"' in rules and '"$JS.API.STREAM.CREATE.s_2"' in rules
    assert '"roomcast.' not in rules and "roomcast_events_1" not in rules


def test_permissions_name_each_shard_as_the_script_beside_roomcast_conf_does():
    values = {"config": {"stream": {"shards": 3}}}
    users = render("trial", values=values).one("ConfigMap", "r-roomcast-nats")["data"]["users.conf"]
    conf = ROOT / "cluster/nats/roomcast.conf"
    written = run(ROOT / "cluster/nats/shards", 3, given=conf.read_text())
    assert users.strip() == written.stdout.strip() != conf.read_text().strip()


def test_programs_are_users_of_it():
    rendered = render("trial")
    for component, kind, name in (("node", "StatefulSet", "r-roomcast"), ("relay", "Deployment", "r-roomcast-relay")):
        config = rendered.config(component)
        assert config["nats.url"] == ["nats://r-roomcast-nats:4222"] and config["nats.user"] == component
        volume = next(volume for volume in rendered.pod(kind, name)["volumes"] if volume["name"] == "secrets")
        files = {item["secret"]["items"][0]["path"]: item["secret"] for item in volume["projected"]["sources"]}
        assert files["nats.password"] == {"name": "roomcast-nats", "items": [{"key": component, "path": "nats.password"}]}
    assert rendered.config("relay")["stream.replicas"] == 3 and rendered.config("relay")["redis.url"] == "redis://r-roomcast-redis:6379/0"


def test_storage_is_a_claim_or_goes_with_the_pod():
    rendered = render("trial")
    claim = rendered.one("StatefulSet", "r-roomcast-nats")["spec"]["volumeClaimTemplates"][0]["spec"]
    assert claim["storageClassName"] == "fast" and claim["resources"]["requests"]["storage"] == "1Gi"
    assert {"name": "data", "emptyDir": {}} in rendered.pod("StatefulSet", "r-roomcast-redis")["volumes"]
