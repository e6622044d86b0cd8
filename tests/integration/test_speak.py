"""cluster/speak: the protocol by hand."""
import subprocess
import uuid

from harness import tokens
from harness.ports import free_port
from harness.processes import ROOT, clean_environment
from harness.waiting import seconds


def speak(*arguments, token=None):
    environment = clean_environment({"ROOMCAST_TOKEN": token} if token else None)
    return subprocess.run([ROOT / "cluster/speak", *arguments], stdin=subprocess.DEVNULL, env=environment,
                          capture_output=True, text=True, timeout=seconds(20), check=False)  # fmt: skip


def test_each_line_is_a_message_and_what_comes_is_printed(stack, connect, chat):
    other = connect(1)
    other.subscribe(chat)
    environment = clean_environment({"ROOMCAST_TOKEN": tokens.mint("carla")})
    with subprocess.Popen([ROOT / "cluster/speak", stack.nodes[0].url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment, text=True, bufsize=1) as speaking:  # fmt: skip
        try:
            assert speaking.stdout.readline().startswith('<- {"type":"connected"')
            print(f'{{"type":"subscribe.chat","chat_id":"{chat}"}}', file=speaking.stdin)
            assert speaking.stdout.readline().startswith('<- {"type":"ack"')
            print(f'\n{{"type":"chat.typing","chat_id":"{chat}"}}', file=speaking.stdin)
            assert other.expect("chat.typing")["user_id"] == "carla"
            rest = speaking.communicate(timeout=seconds(20))
        finally:
            speaking.kill()
    assert speaking.returncode == 0 and "speak: closed with 1000" in rest[1]


def test_what_is_wrong_is_said_without_a_traceback(stack):
    node = stack.nodes[0].url
    secret = f"no-token-{uuid.uuid4()}"
    refused, absent = speak(node, token=secret), speak(f"ws://127.0.0.1:{free_port()}/ws", token=secret)
    assert refused.returncode == 1 and "HTTP 401: the token is not valid here" in refused.stderr
    assert absent.returncode == 1 and "is a node running there?" in absent.stderr
    assert secret not in refused.stderr + absent.stderr
    unset, unused = speak(node), speak()
    assert unset.returncode == 2 and "ROOMCAST_TOKEN is not set" in unset.stderr
    assert unused.returncode == 2 and "ws://127.0.0.1:8080/ws" in unused.stdout
