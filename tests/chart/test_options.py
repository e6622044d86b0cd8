"""Every option of the programs can be set by values, and arrives."""
import json

import pytest
import yaml

from conftest import BUILD, refusal, render, run

SECRET = {"name": "some-secret", "key": "some.key"}
HELD = {  # contents of secrets that the programs look into
    "nats.seal_key": "00" * 32,
    "nats.seal_key_previous": "11" * 32,
}
URLS = ("nats.url", "redis.url")
FIXED = {  # other values are no use, or need another one
    "listen": "[::]:8081",
    "admin.listen": "0.0.0.0:9190",
    "relay.listen": "0.0.0.0:9191",
    "nats.url": ["tls://a:4222", "tls://b:4222"],
    "redis.url": "redis://c:6379/1",
    "proxy.trusted": ["10.0.0.0/8"],
    "redis.patterns": ["a.*", "b:*"],
    "nats.user": "someone",
    "process.user": "",
    "rebalance.threshold": 1.375,
}


def other_value(row):
    """A value that is allowed, and not the default."""
    if row["key"] in FIXED:
        return FIXED[row["key"]]
    kind = row["type"]
    if kind == "INT":
        return row["max"] if int(row["default"]) != row["max"] else row["min"]
    if kind == "BOOL":
        return row["default"] != "true"
    if kind == "CHOICE":
        return next(choice for choice in row["unit"].split("|") if choice != row["default"])
    return {"TEXT": "other", "PATH": "/some/where", "LIST": ["https://a.example.com"], "ADDRESS": "0.0.0.0:1"}[kind]


def put(tree, key, value):
    *groups, last = key.split(".")
    for group in groups:
        tree = tree.setdefault(group, {})
    tree[last] = value


def programs(row):
    return {"NODE": ["node"], "RELAY": ["relay"], "BOTH": ["node", "relay"]}[row["programs"]]


def everything(options):
    config, secrets = {}, {}
    for row in options:
        if row["type"] == "SECRET":
            put(secrets, row["key"], SECRET)
        else:
            put(config, row["key"], other_value(row))
    return {"config": config, "secrets": {**secrets, "auth": {**secrets["auth"]}}}


@pytest.fixture(scope="module")
def rendered(options):
    # The cases name their own secrets; "bare" has the fewest.
    values = everything(options)
    values["config"]["auth"].pop("public_key_file")
    return render("bare", values={**values, "fullnameOverride": "r-roomcast"})


def test_every_option_reaches_the_programs_that_have_it_and_no_other(rendered, options):
    for row in options:
        key = row["key"] + "_file" if row["type"] == "SECRET" else row["key"]
        if key == "auth.public_key_file":
            continue
        want = f"/run/secrets/roomcast/{row['key']}" if row["type"] == "SECRET" else other_value(row)
        for component in ("node", "relay"):
            config = rendered.config(component)
            if component in programs(row):
                assert config[key] == want, key
            else:
                assert key not in config, f"{key} is not the {component}'s"


def test_every_secret_and_file_can_be_taken_from_a_secret(options):
    for component, kind, name in (("node", "StatefulSet", "r-roomcast"), ("relay", "Deployment", "r-roomcast-relay")):
        secrets = {}
        wanted = [row for row in options if row["type"] in ("SECRET", "PATH") and component in programs(row)]
        for row in wanted:
            put(secrets, row["key"], SECRET)
        rendered = render(values={"secrets": secrets})
        volumes = {volume["name"]: volume for volume in rendered.pod(kind, name)["volumes"]}
        paths = {source["secret"]["items"][0]["path"]: source["secret"] for source in volumes["secrets"]["projected"]["sources"]}
        assert set(paths) == {row["key"] for row in wanted}
        for row in wanted:
            key = row["key"] + ("_file" if row["type"] == "SECRET" else "")
            assert rendered.config(component)[key] == f"/run/secrets/roomcast/{row['key']}"
            assert paths[row["key"]] == {"name": "some-secret", "items": [{"key": "some.key", "path": row["key"]}]}


@pytest.mark.parametrize("key", URLS)
def test_urls_that_hold_passwords_go_by_the_environment(key):
    secrets, config = {}, {}
    put(secrets, key, SECRET)
    put(config, key, None)
    rendered = render(values={"secrets": secrets, "config": config})
    variable = {"name": "ROOMCAST_" + key.replace(".", "_").upper(),
                "valueFrom": {"secretKeyRef": {"name": "some-secret", "key": "some.key"}}}
    container = rendered.pod("Deployment", "r-roomcast-relay")["containers"][0]
    assert variable in container["env"] and key not in rendered.config("relay")


@pytest.fixture(scope="module")
def held(tmp_path_factory, options):
    """What would be mounted at /run/secrets/roomcast."""
    place = tmp_path_factory.mktemp("secrets")
    for row in options:
        if row["type"] == "SECRET":
            (place / row["key"]).write_text(HELD.get(row["key"], "0123456789" * 4) + "\n")
    key, certificate, public = (place / row for row in ("tls.key_file", "tls.cert_file", "auth.public_key_file"))
    for command in (["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
                    ["openssl", "pkey", "-in", key, "-pubout", "-out", public]):
        answer = run(*command)
        assert answer.returncode == 0, answer.stderr
    (place / "nats.ca_file").write_text(certificate.read_text())
    return place


def accepted(held, program, text, *flags, environment=None):
    """Whether the real program takes the file, its secrets lying elsewhere."""
    file = held / "roomcast.yaml"
    file.write_text(text.replace("/run/secrets/roomcast", str(held)))
    return run(BUILD / "bin" / program, *flags, "--config", file, environment=environment)


@pytest.mark.parametrize("component, program", [("node", "roomcast"), ("relay", "roomcast-relay")])
def test_programs_accept_the_rendered_file_and_read_what_was_set(held, rendered, component, program):
    # What the programs read at their start lies in files that are not there: these options are looked at apart.
    text = "".join(line for line in rendered.config_text(component).splitlines(True) if "/some/where" not in line)
    text = "".join(line for line in text.splitlines(True) if not line.startswith(("nats.token_file", "process.user")))
    answer = accepted(held, program, text, "--print-config")
    assert answer.returncode == 0, answer.stderr
    printed = yaml.safe_load(answer.stdout)
    given = yaml.safe_load(text)
    assert len(given) > 30
    for key, value in given.items():
        at = printed
        for part in key.split("."):
            at = at[part]
        same = str(at) == (",".join(value) if isinstance(value, list) else str(value))
        if key.endswith("_file"):
            same = at == f"{held}/{key.removesuffix('_file')}"
        assert same, f"{key}: {at!r} instead of {value!r}"


@pytest.mark.parametrize("case", ["minimal", "full", "trial", "tls", "bare", "keda"])
@pytest.mark.parametrize("component, program", [("node", "roomcast"), ("relay", "roomcast-relay")])
def test_programs_find_no_fault_in_the_files_of_the_cases(held, case, component, program):
    name = "chat" if case == "bare" else "r-roomcast"
    rendered = render(case)
    pod = rendered.pod("StatefulSet", name) if component == "node" else rendered.pod("Deployment", f"{name}-relay")
    referred = [entry["name"] for entry in pod["containers"][0].get("env", []) if "secretKeyRef" in entry.get("valueFrom", {})]
    urls = {"ROOMCAST_NATS_URL": "tls://nats.example.com:4222", "ROOMCAST_REDIS_URL": "redis://user:pass@redis:6379/0"}
    answer = accepted(held, program, rendered.config_text(component, name), "--check-config",
                      environment={variable: urls[variable] for variable in referred})
    assert answer.returncode == 0, answer.stderr


def test_own_settings_of_a_component_go_first():
    rendered = render(values={"config": {"log": {"level": "warn"}}, "relay": {"config": {"log": {"level": "debug"}}}})
    assert rendered.config("node")["log.level"] == "warn"
    assert rendered.config("relay")["log.level"] == "debug"


def test_a_change_for_relays_restarts_no_node():
    def marks(values):
        rendered = render(values=values)
        return [item["spec"]["template"]["metadata"]["annotations"]["roomcast/config"] for item in rendered.workloads()]

    before, after = marks({}), marks({"config": {"stream": {"max_age_s": 7200}}})
    assert before[0] == after[0] and before[1] != after[1]
    assert marks({"config": {"limits": {"rooms": 5}}})[0] != before[0]


def test_large_numbers_stay_whole():
    text = render(values={"config": {"stream": {"max_bytes": 1099511627776}}}).config_text("relay")
    assert "stream.max_bytes: 1099511627776\n" in text
    text = render(arguments=["--set", "config.stream.max_bytes=1099511627776"]).config_text("relay")
    assert "stream.max_bytes: 1099511627776\n" in text


def test_an_empty_text_or_list_is_given_and_not_the_default():
    config = render("bare").config("relay", "chat")
    assert config["redis.stream"] == "" and config["redis.patterns"] == []


def test_the_same_thing_by_config_and_by_secrets_is_refused():
    message = refusal(values={"config": {"auth": {"hmac_secret_file": "/x"}}})
    assert "config.auth.hmac_secret_file and secrets.auth.hmac_secret" in message and "give one of them" in message


def test_no_value_of_a_secret_can_be_given():
    assert "hmac_secret" in refusal(values={"config": {"auth": {"hmac_secret": "0123456789" * 4}}})
    assert "secrets/auth/hmac_secret" in refusal(values={"secrets": {"auth": {"hmac_secret": "0123456789" * 4}}})


def test_no_object_is_a_secret():
    for case in ("full", "trial"):
        assert not render(case).all("Secret"), json.dumps(case)
