"""roomcast.js beyond the browser, over a real node: Node.js, Deno and Bun, and the globals of React Native."""
import json
import os
import pathlib
import queue
import subprocess
import threading

import pytest

from harness import tokens
from harness.events import message

ROOT = pathlib.Path(__file__).resolve().parents[2]
TALK = pathlib.Path(__file__).parent / "client/talk.mjs"
SERVED = pathlib.Path(os.environ.get("ROOMCAST_BIN", ROOT / ".build/release")) / "src/web/roomcast.js"
PACKAGES = ["deno@2.9.6", "bun@1.4.5", "ws@8.18.3"]


@pytest.fixture(scope="module")
def packages():
    """A folder with the runtimes that npm has, kept from run to run, and a copy of what is run."""
    folder = ROOT / ".build/npm"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}\n')
    answer = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefer-offline", *PACKAGES],
                            cwd=folder, capture_output=True, text=True, timeout=600)  # fmt: skip
    if answer.returncode != 0:
        pytest.skip(f"npm cannot install {' '.join(PACKAGES)}: {answer.stderr[-500:]}")
    (folder / TALK.name).write_bytes(TALK.read_bytes())  # finds its packages from there
    return folder


class Talk:
    """A runtime with a client in it."""

    def __init__(self, folder, command):
        env = {**os.environ, "NO_PROXY": "127.0.0.1", "DENO_DIR": str(folder / "deno")}
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def next(self):
        line = self.lines.get(timeout=30)
        assert line is not None, "it has ended"
        return json.loads(line)

    def expect(self, *what):
        heard = self.next()
        assert heard[: len(what)] == list(what), heard
        return heard[len(what) :]

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.reader.join()
        self.process.stdout.close()
        return self.process.wait()


@pytest.fixture
def talk(packages):
    talks = []

    def start(command):
        talks.append(Talk(packages, command))
        return talks[-1]

    yield start
    for each in talks:
        each.end()


def command(runtime, node, chat, last):
    """Deno imports the module from the node, as a page does; it needs the right to use the network, and no other."""
    address = f"127.0.0.1:{node.port}"
    module = f"http://{address}/roomcast.js" if runtime == "deno" else SERVED
    told = [TALK.name, module, node.url, tokens.mint("ann"), chat, last]
    return [str(part) for part in {
        "node": ["node", *told, "ws"],
        "deno": ["node_modules/.bin/deno", "run", "--quiet", "--no-lock", "--no-prompt", f"--allow-net={address}", f"--allow-import={address}", *told],
        "bun": ["node_modules/.bin/bun", "run", *told],
        "react-native": ["node", "--no-warnings", "--experimental-vm-modules", *told, "react-native"],
    }[runtime]]  # fmt: skip


@pytest.mark.parametrize("runtime", ["node", "deno", "bun", "react-native"])
def test_it_receives_and_resumes_once_its_node_has_died(runtime, talk, stack, chat):
    node = stack.nodes[0]
    if not node.is_running():
        node.start()
    client = talk(command(runtime, node, chat, last=5))
    client.expect("joined", None, 0)
    stack.xadd_all([message(chat, number) for number in range(3)])
    first = client.expect("event")[0]
    assert [client.expect("event") for _ in range(2)] == [[first + 1, 1], [first + 2, 2]]
    node.kill()
    stack.xadd_all([message(chat, number) for number in (3, 4)])
    node.start()
    client.expect("joined", True)
    assert [client.expect("event") for _ in range(2)] == [[first + 3, 3], [first + 4, 4]]
    stack.xadd(message(chat, 5))
    client.expect("event", first + 5, 5)
    assert client.lines.get(timeout=30) is None and client.end() == 0


def test_deno_finds_the_types_beside_what_a_node_serves(packages, stack):
    address = f"127.0.0.1:{stack.nodes[1].port}"
    deno = ["node_modules/.bin/deno", "check", "--quiet", "--no-lock", "--reload", f"--allow-import={address}"]
    program = packages / "types.ts"
    said = []
    for line in ('client.on("state", (state, why) => console.log(state, why.code));', "client.state.length = 1;"):
        program.write_text(f'import {{ connect }} from "http://{address}/roomcast.js";\nconst client = connect("/ws", {{ token: "t" }});\n{line}\n')
        env = {**os.environ, "NO_PROXY": "127.0.0.1", "DENO_DIR": str(packages / "deno")}
        answer = subprocess.run([*deno, program.name], cwd=packages, capture_output=True, text=True, timeout=60, env=env)
        said.append((answer.returncode, "read-only" in answer.stderr))
    assert said == [(0, False), (1, True)]
