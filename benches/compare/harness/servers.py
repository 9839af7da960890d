"""Servers under measurement and the tools that load them: started, awaited, ended. Only on loopback, each on a core of its own."""

import os
import resource
import signal
import socket
import subprocess
import time

SERVER_CORE, LOAD_CORE = 0, 1
START_SECONDS = 120
STOP_SECONDS = 15


class Failed(Exception):
    """A measurement that could not be made."""


def raise_open_files():
    """As many descriptors as there may be, for the servers and the loads that are started after this. Gives the number."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


class Server:
    """A running peer. `with` ends it."""

    def __init__(self, peer, scenario, place, under=()):
        """`under` is a tool's command line to run it under, as valgrind's."""
        self.peer = peer
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.log = place / f"{peer.name}-{self.port}.log"
        command = [*under, *peer.start(self.address, scenario, place)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(pinned(SERVER_CORE, command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_until_it_serves()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def wait_until_it_serves(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise Failed(f"{self.peer.name} did not start: {self.last_words()}")

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it ended with {self.process.returncode} and said nothing"

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def processor_seconds(self):
        """What all threads of the server have used."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/schedstat") as stat:
                total += int(stat.read().split()[0])
        return total / 1e9

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))


def pinned(core, command):
    """On one core, if there are two; `taskset` becomes the command."""
    command = [str(part) for part in command]
    return ["taskset", "-c", str(core), *command] if os.cpu_count() > 1 else command


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_tool(command, seconds):
    """What `load`, `idle` or `first` print."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=seconds + 10)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise Failed(lines[-1] if lines else f"{command[0]} ended with {done.returncode}")
    return done.stdout
