"""Shared by `broker` and `registry`: downloads, ports, and processes that outlive the script.

A server is one process with a folder of its own. Its command line contains the folder. A process whose command line
lacks the folder is never signaled, since the system may have assigned the process id of an ended server to another process.
Invariant: everything listens on 127.0.0.1; a download is complete or does not exist.
Not here: the servers (`broker`, `registry`).
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
# Only ends a wait that would last forever: on a busy machine, a node of three takes minutes to start.
LONGEST_WAIT_S = 600


class Failure(Exception):
    """An error whose message says what failed, where, and what to run next."""


def cache(variable, name):
    """Returns the folder of a download: the value of the environment variable, else a folder in the user's cache."""
    return Path(os.environ.get(variable) or Path.home() / ".cache" / name)


def require(*programs):
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        raise Failure(f"{' and '.join(missing)} not found: apt-get install -y openjdk-17-jre-headless maven")


def fetch(home, file_name, download):
    """Fills the folder `home` by calling `download(folder)`, unless it already has the file. Of several processes, only one downloads."""
    if (home / file_name).exists():
        return
    require("mvn")
    home.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{home}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (home / file_name).exists():
            return
        part = Path(f"{home}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        download(part)
        if not (part / file_name).exists():
            raise Failure(f"the download into {part} is incomplete: {file_name} is missing")
        shutil.rmtree(home, ignore_errors=True)
        part.rename(home)


def run(command, description):
    """Runs a command to its end; its output is shown only if it fails."""
    output = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if output.returncode != 0:
        raise Failure(f"{description} failed ({output.returncode}):\n{output.stdout[-4000:]}")


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count):
    """Returns free ports below the range that outgoing connections use, so that none of these takes the port of a killed server."""
    ports = []
    while len(ports) < count:
        port = random.randrange(20_000, 32_000)
        if port not in ports and is_free(port):
            ports.append(port)
    return ports


def launch(command, folder, log, environment=None):
    """Starts a server in a process session of its own; returns its process id."""
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
    # A process that was just started has no command line yet.
    while server.poll() is None and not is_alive(server.pid, folder):
        time.sleep(0.01)
    return server.pid


def is_alive(pid, folder):
    """True if the process exists and is the server of the folder; a zombie has no command line."""
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return False
    else:
        command = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout
    return str(folder) in command


def send(pid, folder, signal_number):
    """Sends a signal to the server of a folder; returns false if it does not run."""
    if is_alive(pid, folder):
        os.kill(pid, signal_number)
        return True
    return False


def end(pid, folder):
    """Kills the server of a folder, and waits until it has ended."""
    while send(pid, folder, signal.SIGKILL):
        time.sleep(0.02)


def wait(is_ready, pid, folder, log):
    """Waits until `is_ready()` returns true. A server that ends or does not become ready is killed, and the end of its log is shown."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while is_alive(pid, folder) and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if is_ready():
                return
        time.sleep(0.1)
    reason = f"is not ready after {LONGEST_WAIT_S} s" if is_alive(pid, folder) else "ended while starting"
    end(pid, folder)
    tail = "\n".join(Path(log).read_text(errors="replace").splitlines()[-25:])
    raise Failure(f"the server of {folder} {reason}; the end of its log {log}:\n{tail}")


def save(data, state):
    part = data / f"{STATE}.part"
    part.write_text(json.dumps(state, indent=1))
    part.replace(data / STATE)


def load(data):
    try:
        return json.loads((data / STATE).read_text())
    except OSError as error:
        raise Failure(f"no server was started in {data}: {error}") from error


def create_folder(data):
    """Creates a data folder, or uses an empty one; returns its absolute path."""
    data = Path(data).resolve()
    if data.exists() and any(data.iterdir()):
        raise Failure(f"{data} is not empty: stop the server that uses it, or choose another folder")
    data.mkdir(parents=True, exist_ok=True)
    return data


def main(body):
    """Runs a script; a failure is one message and exit code 1."""
    try:
        body()
    except Failure as failure:
        sys.exit(f"{Path(sys.argv[0]).name}: {failure}")
