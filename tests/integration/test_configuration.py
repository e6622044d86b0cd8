"""Options from file, environment and flags; faults are all named at once; secrets are never shown."""
import pytest


from harness import yaml_lines
from harness.processes import run_program

SECRET = "a-very-secret-value-0123456789-0123456789"
PROGRAMS = ["roomcast", "roomcast-relay"]


@pytest.fixture
def config_file(tmp_path):
    def write(text):
        path = tmp_path / "roomcast.yaml"
        path.write_text(text)
        return str(path)

    return write


def check(program, *flags, environment=None, file=None):
    arguments = ["--check-config", *flags, *(["--config", file] if file else [])]
    return run_program(program, *arguments, environment={"ROOMCAST_AUTH_HMAC_SECRET": SECRET, **(environment or {})})


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_right_configuration_is_said_to_be_right(program, config_file):
    file = config_file("nats:\n  url: [nats://127.0.0.1:4222, nats://127.0.0.1:4223]\nlog.level: warn\n")
    answer = check(program, "--nats-prefix=x", environment={"ROOMCAST_STREAM_NAME": "s_1"}, file=file)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_all_faults_are_named_at_once_with_key_value_source_and_what_is_allowed(program, config_file):
    file = config_file("nats:\n  prefix: ''\nlog:\n  level: loud\n")
    answer = check(program, "--drain-timeout-s=0", environment={"ROOMCAST_LOG_FORMAT": "xml"}, file=file)
    assert answer.returncode == 2 and answer.stdout == ""
    faults = {
        "nats.prefix": [file],
        "log.level": ["loud", file, "debug"],
        "drain.timeout_s": ["0", "--drain-timeout-s", "1", "3600"],
        "log.format": ["xml", "ROOMCAST_LOG_FORMAT", "logfmt", "json"],
    }
    for key, parts in faults.items():
        lines = [line for line in answer.stderr.splitlines() if key in line]
        assert lines, f"{key} is not named: {answer.stderr}"
        for part in parts:
            assert part in lines[0], f"{part} is missing: {lines[0]}"


@pytest.mark.parametrize(
    "flags, part",
    [
        (["--listen=nowhere"], "listen"),
        (["--listen=127.0.0.1:99999"], "listen"),
        (["--workers=-1"], "workers"),
        (["--workers=many"], "workers"),
        (["--auth-require-expiry=perhaps"], "auth.require_expiry"),
        (["--no-such-option=1"], "no-such-option"),
        (["--nats-ulr=nats://x"], "nats-url"),
        (["--nats-url"], "nats-url"),
        (["stray"], "argument"),
        (["--config=/nonexistent/file.yaml"], "/nonexistent/file.yaml"),
        (["--authorization-mode=everybody"], "claims"),
    ],
    ids=str,
)
def test_a_wrong_flag_exits_2(flags, part):
    answer = check("roomcast", *flags)
    assert answer.returncode == 2 and part in answer.stderr


@pytest.mark.parametrize(
    "text",
    ["no_such_key: 1", "nats: {ulr: x}", "nats: [", "listen: [1, 2]", "\tx: 1", "events: [{event: x}]", "listen: 1\nlisten: 2"],
)
def test_a_wrong_file_exits_2_and_says_where(config_file, text):
    file = config_file(text + "\n")
    answer = check("roomcast", file=file)
    assert answer.returncode == 2 and file in answer.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_event_may_not_look_like_the_nodes_own_word(program, config_file):
    row = "events: [{event: invoice.paid, type: %s, to: chat}]\n"
    for own in ("disconnect", "ack", "chat.typing"):
        answer = check(program, file=config_file(row % own))
        assert answer.returncode == 2 and "choose another type" in answer.stderr
    assert check(program, file=config_file(row % "invoice.paid")).returncode == 0


def test_without_a_key_to_verify_tokens_nothing_starts():
    answer = run_program("roomcast")
    assert answer.returncode == 2
    assert "auth.hmac_secret" in answer.stderr and "auth.public_key_file" in answer.stderr


def test_a_short_secret_is_refused_without_being_shown():
    answer = run_program("roomcast", environment={"ROOMCAST_AUTH_HMAC_SECRET": "too-short"})
    assert answer.returncode == 2 and "auth.hmac_secret" in answer.stderr
    assert "too-short" not in answer.stderr + answer.stdout


def test_flags_come_before_environment_before_file_before_default(config_file):
    file = config_file("log.level: error\nworkers: 3\nnode: {name: from-file}\n")
    environment = {"ROOMCAST_LOG_LEVEL": "warn", "ROOMCAST_WORKERS": "4"}
    answer = run_program("roomcast", "--print-config", "--config", file, "--log-level=debug", environment=environment)
    assert answer.returncode == 0, answer.stderr
    values = yaml_lines.read(answer.stdout)
    assert values["log.level"] == "debug"
    assert values["workers"] == "4"
    assert values["node.name"] == "from-file"
    assert values["admin.listen"] == "127.0.0.1:9090"


@pytest.mark.parametrize("source", ["flag", "environment", "file", "secret file"])
def test_print_config_hides_secrets(config_file, tmp_path, source):
    flags, environment = [], {"ROOMCAST_NATS_URL": "nats://user:nats-password-7@127.0.0.1:4222"}
    if source == "flag":
        flags = [f"--auth-hmac-secret={SECRET}"]
    elif source == "environment":
        environment["ROOMCAST_AUTH_HMAC_SECRET"] = SECRET
    elif source == "file":
        flags = ["--config", config_file(f"auth: {{hmac_secret: {SECRET}}}\n")]
    else:
        (tmp_path / "secret").write_text(SECRET + "\n")
        environment["ROOMCAST_AUTH_HMAC_SECRET_FILE"] = str(tmp_path / "secret")
    answer = run_program("roomcast", "--print-config", *flags, environment=environment)
    assert answer.returncode == 0, answer.stderr
    assert "hmac_secret" in answer.stdout
    for hidden in (SECRET, "nats-password-7"):
        assert hidden not in answer.stdout + answer.stderr


def test_what_print_config_prints_is_a_configuration(config_file):
    printed = run_program("roomcast-relay", "--print-config", "--stream-replicas=3")
    assert printed.returncode == 0
    answer = check("roomcast-relay", file=config_file(printed.stdout))
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_lists_options_with_default_range_and_variable(program):
    answer = run_program(program, "--help")
    assert answer.returncode == 0
    for part in ("--nats-url", "ROOMCAST_NATS_URL", "nats://127.0.0.1:4222", "--print-config", "--check-config"):
        assert part in answer.stdout
    assert ("--listen" in answer.stdout) == (program == "roomcast")


@pytest.mark.parametrize("program", PROGRAMS)
def test_version_is_told(program):
    answer = run_program(program, "--version")
    assert answer.returncode == 0 and answer.stdout.split()[0] == program
