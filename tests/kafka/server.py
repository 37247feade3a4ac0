"""What `broker` and `registry` have in common: fetching, ports, processes that outlive the script, and ending them.

A server is one process with a folder of its own, known by that folder: its command line names it, so that a process id which has been
given to somebody else is never signalled.
Invariant: everything listens on 127.0.0.1; a download is whole or not there.
Not here: what is started (`broker`, `registry`).
"""

import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
STATE = "state.json"


class Failure(Exception):
    """What failed, where, and what to run next."""


def cache(variable, name):
    """The folder of a download: what the variable says, or one below the user's cache."""
    return Path(os.environ.get(variable) or Path.home() / ".cache" / name)


def require(*programs):
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        raise Failure(f"{' and '.join(missing)} not found: apt-get install -y openjdk-17-jre-headless maven")


def fetch(home, marker, download):
    """Fills `home` by `download(folder)` unless `marker` is there; a second caller waits for the first."""
    if (home / marker).exists():
        return
    require("mvn")
    home.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{home}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (home / marker).exists():
            return
        part = Path(f"{home}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        download(part)
        if not (part / marker).exists():
            raise Failure(f"the download into {part} lacks {marker}")
        shutil.rmtree(home, ignore_errors=True)
        part.rename(home)


def run(command, what):
    """Runs to its end; its output is shown only when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failure(f"{what} failed ({done.returncode}):\n{done.stdout[-4000:]}")


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count):
    """Below the range of outgoing connections, or a killed server's port might be taken before it is started again."""
    ports = []
    while len(ports) < count:
        port = random.randrange(20_000, 32_000)
        if port not in ports and is_free(port):
            ports.append(port)
    return ports


def launch(command, folder, log, environment=None):
    """Starts a server in a session of its own and returns its process id."""
    with open(log, "ab") as out:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    # For a moment after it was started a process has no command line yet.
    while server.poll() is None and not is_alive(server.pid, folder):
        time.sleep(0.01)
    return server.pid


def is_alive(pid, folder):
    """Whether the process is there and is the one of that folder; a zombie has no command line."""
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return False
    else:
        command = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout
    return str(folder) in command


def send(pid, folder, number):
    if is_alive(pid, folder):
        os.kill(pid, number)
        return True
    return False


def end(pid, folder):
    """Ends without mercy, and returns when it is gone."""
    while send(pid, folder, signal.SIGKILL):
        time.sleep(0.02)


def wait(answers, pid, folder, log, seconds=90):
    """Returns when `answers()` says so; a server that dies or stays silent is ended, and the end of its log shown."""
    deadline = time.monotonic() + seconds
    while is_alive(pid, folder) and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if answers():
                return
        time.sleep(0.1)
    why = f"did not answer in {seconds} s" if is_alive(pid, folder) else "ended while starting"
    end(pid, folder)
    tail = "\n".join(Path(log).read_text(errors="replace").splitlines()[-25:])
    raise Failure(f"the server of {folder} {why}; its log {log} ends:\n{tail}")


def save(data, state):
    part = data / f"{STATE}.part"
    part.write_text(json.dumps(state, indent=1))
    part.replace(data / STATE)


def load(data):
    try:
        return json.loads((data / STATE).read_text())
    except OSError as error:
        raise Failure(f"nothing was started in {data}: {error}") from error


def claim(data):
    """An absolute, empty data folder."""
    data = Path(data).resolve()
    if data.exists() and any(data.iterdir()):
        raise Failure(f"{data} is not empty: stop what runs there, or name another folder")
    data.mkdir(parents=True, exist_ok=True)
    return data


def main(body):
    """Runs the command; a failure is one message and exit code 1."""
    try:
        body()
    except Failure as failure:
        sys.exit(f"{Path(sys.argv[0]).name}: {failure}")
