"""Completion by the shells themselves: bash always, zsh and fish where they are installed."""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess

import pytest

from harness.processes import ROOT, binary, clean_environment, run_program
from harness.waiting import eventually, seconds

pytestmark = pytest.mark.heavy  # the same in every build

BUILD = pathlib.Path(os.environ.get("ROOMCAST_BIN", ROOT / ".build" / "release")).resolve()
PROGRAM_OF = {"roomcast": "roomcast", "roomcast-relay": "roomcast", "roomcast-bench": None}


def run(*command, directory, stdin=None):
    environment = {**clean_environment(), "HOME": str(directory), "TERM": "xterm"}
    done = subprocess.run(
        command, cwd=directory, env=environment, input=stdin, capture_output=True, text=True, timeout=seconds(30), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def script_of(shell, program, directory):
    """As the program itself prints it; the generator's comes from the build."""
    if PROGRAM_OF[program] is None:
        names = {"bash": f"{program}.bash", "zsh": f"_{program}", "fish": f"{program}.fish"}
        return BUILD / "manual" / names[shell]
    file = directory / f"completion.{shell}"
    file.write_text(run_program(PROGRAM_OF[program], "completion", shell).stdout)
    return file


def by_bash(directory, line):
    """What bash offers for the last word of `line`, split as bash splits it: at `=` too."""
    program = line.split()[0]
    words = [word for word in re.split(r"(=)| ", line) if word is not None and word != ""]
    if line.endswith((" ", "=")) and not line.endswith("="):
        words.append("")
    lines = [
        f"source {script_of('bash', program, directory)}",
        "COMP_WORDS=(" + " ".join(f"'{word}'" for word in words) + ")",
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))",
        f"function=$(complete -p {program}); function=${{function#*-F }}",
        "${function%% *}",
        'printf "%s\\n" "${COMPREPLY[@]}"',
    ]
    return run("bash", "--norc", "-u", "-c", "\n".join(lines), directory=directory).split("\n")[:-1]


def by_fish(directory, line):
    script = script_of("fish", line.split()[0], directory)
    return [offer.split("\t")[0] for offer in run("fish", "-N", "-c", f"source {script}; complete -C '{line}'", directory=directory).splitlines()]


# Completion of zsh runs in its line editor only: an interactive shell, whose compadd notes what it is given. It is ready when the
# editor has begun: the terminal itself would take ^U, and what stands before it, for its own.
ZSH = r"""
PROMPT=; RPROMPT=; unset zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; source $SCRIPT
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return $?; fi
    local -a hits; builtin compadd -A hits "$@"; (( $#hits )) && print -rl -- $hits >> $OFFERS; return 0
}
zle-line-init() { print READY >> $OFFERS; zle -D zle-line-init }
zle -N zle-line-init
"""


def by_zsh(directory, line):
    offers, setup = directory / "offers", directory / "setup"
    offers.write_text("")
    setup.write_text(ZSH)
    environment = {
        **clean_environment(),
        **{"HOME": str(directory), "TERM": "xterm", "OFFERS": str(offers)},
        "SCRIPT": str(script_of("zsh", line.split()[0], directory)),
    }
    master, slave = pty.openpty()
    process = subprocess.Popen(["zsh", "-f", "-i"], stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=directory, start_new_session=True)
    os.close(slave)

    def noted(word):
        while select.select([master], [], [], 0)[0]:  # what it draws is of no interest, but must have room
            os.read(master, 65536)
        return word in offers.read_text().splitlines()

    os.write(master, b"source ./setup\n")
    eventually(lambda: noted("READY"), timeout=20)
    os.write(master, line.encode() + b"\t\x15print DONE >> $OFFERS\n")
    eventually(lambda: noted("DONE"), timeout=20)
    process.kill()
    process.wait()
    os.close(master)
    return [offer for offer in offers.read_text().splitlines() if offer not in ("READY", "DONE")]


SHELLS = {"bash": by_bash, "zsh": by_zsh, "fish": by_fish}


@pytest.fixture(params=SHELLS)
def complete(request, tmp_path):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    return lambda line: SHELLS[request.param](tmp_path, line)


def test_the_commands_are_offered(complete):
    offered = complete("roomcast ")
    assert {"publish", "listen", "token", "top", "probe", "completion"} <= set(offered)
    assert "publish" in complete("roomcast pub")


def test_the_flags_of_a_command_and_of_the_configuration_are_offered(complete):
    assert set(complete("roomcast listen --ch")) == {"--chat", "--check-config"}
    assert "--redis-url" in complete("roomcast publish --redis-")
    assert "--user" not in complete("roomcast publish --nats-")


def test_the_values_of_choices_are_offered_and_nothing_else(complete):
    assert set(complete("roomcast top --sort ")) == {"name", "connections", "cpu"}
    assert set(complete("roomcast --log-level=")) <= {
        *("debug", "info", "warn", "error"),
        *("--log-level=debug", "--log-level=info", "--log-level=warn", "--log-level=error"),
    }
    assert any("debug" in offer for offer in complete("roomcast --log-level=d"))
    assert set(complete("roomcast completion ")) == {"bash", "zsh", "fish"}


def test_files_are_offered_where_a_file_is_meant(complete, tmp_path):
    (tmp_path / "token-of-ben").write_text("")
    assert "token-of-ben" in complete("roomcast listen --token-file token-of")


def test_the_relay_and_the_generator_have_theirs(complete):
    assert "--relay-api-key-file" in complete("roomcast-relay --relay-api-key-")
    assert "avalanche" in complete("roomcast-bench av")
    assert "--hot-in-flight" in complete("roomcast-bench fanout --hot-")


def flags_in_help(*command):
    text = run_program(*command, "--help").stdout
    return set(re.findall(r"^  (?:.*, )?(--[a-z0-9-]+)", text, re.MULTILINE)) | set(re.findall(r", (--[a-z-]+-file)$", text, re.MULTILINE))


@pytest.mark.parametrize("command", [["roomcast"], ["roomcast", "publish"], ["roomcast", "listen"], ["roomcast", "top"],
                                     ["roomcast", "token"], ["roomcast-relay"], ["roomcast-bench", "idle"]], ids=" ".join)  # fmt: skip
def test_bash_offers_every_flag_of_help(command, tmp_path):
    listed = flags_in_help(*command)
    assert len(listed) >= 12
    assert listed - set(by_bash(tmp_path, " ".join(command) + " --")) <= {"--version"}


def test_every_command_of_help_is_offered():
    text = run_program("roomcast", "--help").stdout
    block = re.search(r"tells more\n\n((?:  [a-z]+ .*\n)+)", text)[1]
    listed = re.findall(r"^  ([a-z]+) ", block, re.MULTILINE)
    assert len(listed) >= 6
    for name in listed:
        assert f"roomcast {name}: " in run_program("roomcast", name, "--help").stdout


def test_another_shell_is_refused_with_those_there_are():
    for arguments in (["tcsh"], [], ["bash", "zsh"]):
        refused = run_program("roomcast", "completion", *arguments)
        assert refused.returncode == 2 and "bash, zsh or fish" in refused.stderr


def test_the_scripts_of_the_build_are_those_that_the_program_prints():
    whole = run_program("roomcast", "completion", "bash").stdout
    parts = [(BUILD / "manual" / f"{name}.bash").read_text() for name in ("roomcast", "roomcast-relay")]
    assert whole == "".join(parts)
    assert binary("roomcast")
