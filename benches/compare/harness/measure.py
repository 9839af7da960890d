"""The measurements, each of one peer under one scenario or of one peer alone."""

import signal
import subprocess
import time
from pathlib import Path

from harness import stats
from harness.servers import LOAD_CORE, Failed, Server, pinned, run_tool

LOAD_SECONDS = 180
STRACE_SECONDS = 15


# Callgrind counts `rep movsb`, one instruction, once for each byte that it copies. Without it the C library copies by vectors.
COPIES = ("env", "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000")


class Loader:
    """What sends the requests: `load`, `idle` and `first` of midge-benches."""

    def __init__(self, tools, place):
        self.tools, self.place = tools, place

    def load(self, server, scenario, *how):
        request, body = self.place / f"{scenario.name}.request", self.place / f"{scenario.name}.body"
        request.write_bytes(scenario.request)
        body.write_bytes(scenario.body)
        command = [self.tools / "load", "--seconds", LOAD_SECONDS, "--connections", scenario.connections, "--depth", scenario.depth,
                   "--request", request, "--body", body, *how, server.address]  # fmt: skip
        return stats.load_report(run_tool(pinned(LOAD_CORE, command), LOAD_SECONDS))

    def exactly(self, server, scenario, requests):
        """In lockstep: every connection is sent its burst before the answers are read, so that a wait finds as many ready as ever."""
        mode = "pipelined" if scenario.depth > 1 else "lockstep"
        return self.load(server, scenario, "--mode", mode, "--requests", requests)

    def rate(self, server, scenario, milliseconds):
        """Requests a second, per second of the server's processor time, the server's share of the time, and percentiles."""
        before = server.processor_seconds()
        report = self.load(server, scenario, "--mode", "busy", "--for", milliseconds)
        used = server.processor_seconds() - before
        measured = {"rate": report["requests/s"], "requests": report["requests"]}
        measured["rate_by_processor"] = report["requests"] / used if used else None
        measured["share"] = used / report["seconds"]
        return measured | stats.percentiles(report)

    def idle(self, server, connections):
        command = [self.tools / "idle", "--seconds", LOAD_SECONDS, "--pid", server.pid, "--connections", connections, server.address]
        report = stats.load_report(run_tool(pinned(LOAD_CORE, command), LOAD_SECONDS))
        return {"idle_bytes": report["bytes/connection"], "resident_with_idle": report["bytes-after"], "threads": server.threads()}

    def first(self, peer, scenario, port, times):
        address = f"127.0.0.1:{port}"
        command = peer.start(address, scenario, self.place)
        report = run_tool([self.tools / "first", "--times", times, "--seconds", LOAD_SECONDS, address, *command], LOAD_SECONDS)
        return stats.load_report(report)["median"]


def stripped_size(peer, place):
    """Bytes of the program without symbols; what it loads beside itself is not in it."""
    copy = place / f"{peer.name}.stripped"
    subprocess.run(["strip", "-s", "-o", str(copy), str(peer.program)], check=True, timeout=60, capture_output=True)
    size = copy.stat().st_size
    copy.unlink()
    return size


def instructions_and_allocations(loader, peer, scenarios, counted, place):
    """User-space instructions and allocations per request, by scenario's name: N and 2N requests to one server, callgrind's counts dumped
    after each. A server that is told what it will be asked is started for each."""
    measured = {}
    groups = [[scenario] for scenario in scenarios] if peer.is_floor else [scenarios]
    for group in groups:
        out = place / f"callgrind-{peer.name}"
        under = [*COPIES, "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"--log-file={out}.log"]
        with Server(peer, group[0], place, under) as server:
            dumps = Dumps(server.pid, out)
            for scenario in group:
                requests = counted(scenario)
                # The first ones touch what is touched once.
                loader.exactly(server, scenario, scenario.connections * scenario.depth)
                dumps.next()
                loader.exactly(server, scenario, requests)
                once = dumps.next()
                loader.exactly(server, scenario, 2 * requests)
                twice = dumps.next()
                measured[scenario.name] = {name: stats.per_request(once[name], twice[name], requests) for name in once}
    return measured


class Dumps:
    """Callgrind's counts since the dump before, asked for through vgdb."""

    def __init__(self, pid, out):
        self.pid, self.out, self.number = pid, out, 0

    def next(self):
        subprocess.run(["vgdb", f"--pid={self.pid}", "dump"], check=True, capture_output=True, timeout=60)
        self.number += 1
        path = self.out.with_name(f"{self.out.name}.{self.number}")
        try:
            return stats.callgrind_dump(path.read_text(errors="replace"))
        finally:
            path.unlink(missing_ok=True)


def system_calls(loader, server, scenario, requests, place):
    """Calls per request, by name and as `total`."""
    once = traced(server, place, lambda: loader.exactly(server, scenario, requests))
    twice = traced(server, place, lambda: loader.exactly(server, scenario, 2 * requests))
    each = {name: stats.per_request(once.get(name, 0), calls, requests) for name, calls in twice.items()}
    calls = {name: count for name, count in sorted(each.items(), key=lambda item: -item[1]) if count >= 0.005}
    return {"system_calls": sum(each.values()), "which_calls": calls}


def traced(server, place, do):
    """What `strace -c` counts while something is done."""
    out, log = place / "strace", place / "strace.log"
    with log.open("wb") as errors:
        tracer = subprocess.Popen(["strace", "-c", "-f", "-p", str(server.pid), "-o", str(out)], stdin=subprocess.DEVNULL, stderr=errors)
    try:
        wait_for(lambda: log.read_text().count(" attached") >= 1 and all_traced(server.pid), tracer, log)
        do()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(STRACE_SECONDS)
    return stats.strace_summary(out.read_text())


def all_traced(pid):
    return all("TracerPid:\t0\n" not in (task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir())


def wait_for(condition, process, log):
    end = time.monotonic() + STRACE_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            raise Failed(f"strace did not attach: {log.read_text().strip()[-200:]}")
        time.sleep(0.01)
