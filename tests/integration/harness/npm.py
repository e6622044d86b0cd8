"""Packages of npm, as a lock file of ours says, in the build folder."""
import shutil
import subprocess

from .processes import ROOT, TESTS


def install(name, home=None):
    """npm ci of tests/integration/<name> in `home`, when it is not there as the lock file says. Returns where it is."""
    source, home = TESTS / "integration" / name, home or ROOT / ".build" / name
    lock = (source / "package-lock.json").read_bytes()
    done = home / "installed-lock.json"
    if done.exists() and done.read_bytes() == lock:
        return home
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(source / file, home)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    result = subprocess.run(command, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, f"npm ci failed:\n{result.stdout}{result.stderr}"
    done.write_bytes(lock)
    return home
