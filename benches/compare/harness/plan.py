"""What is measured of whom, in which order, and for how long."""

import os
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from harness import checks, measure, peers
from harness.scenarios import scenarios
from harness.servers import Failed, Server, free_port, raise_open_files


@dataclass(frozen=True)
class Plan:
    """How much of each."""

    rounds: int
    milliseconds: int
    """Of each load in each round."""
    scale: float
    """Of the requests whose instructions and system calls are counted."""
    idle: int
    starts: int

    def with_rounds(self, rounds):
        return replace(self, rounds=rounds)


FULL = Plan(rounds=7, milliseconds=300, scale=1, idle=10_000, starts=31)
QUICK = Plan(rounds=2, milliseconds=40, scale=0.25, idle=500, starts=5)


class Run:
    """One run: its peers, and what was measured of them."""

    def __init__(self, plan, place, wanted=None):
        self.plan, self.place = plan, place
        self.scenarios = scenarios(peers.ROOT / "benches/requests")
        self.target = Path(os.environ.get("CARGO_TARGET_DIR", peers.ROOT / "target"))
        self.peers = [peer for peer in peers.all_peers() if wanted is None or peer.name in wanted]
        self.answer_bytes = {}
        self.cells = {peer.name: {scenario.name: {} for scenario in self.scenarios} for peer in self.peers}
        self.alone = {peer.name: {} for peer in self.peers}
        if wanted is not None and len(self.peers) != len(set(wanted)):
            raise Failed(f"--only: there are {', '.join(peer.name for peer in peers.all_peers())}")

    def phases(self):
        """What has to be called one after another."""
        raise_open_files()
        # What the clock measures comes first, while the machine still does nothing else.
        return [self.build, self.check, self.rates, self.once, self.counts]

    def build(self):
        step("building the load and the floor")
        self.tools = peers.build_tools(self.target)
        self.loader = measure.Loader(self.tools, self.place)
        for peer in self.peers:
            step(f"building {peer.name}")
            peers.prepare(peer, self.target, self.tools, self.place)
            if peer.failed:
                step(f"{peer.name} is left out: {peer.failed}")

    def check(self):
        """Nobody is measured with wrong answers. The floor can only be asked what it was told; the load checks those answers."""
        for peer in self.built():
            if peer.is_floor:
                continue
            try:
                with Server(peer, self.scenarios[0], self.place) as server:
                    checks.missing_is_404(server.port)
                    peer.wrong, self.answer_bytes[peer.name] = checks.wrong_scenarios(server.port, self.scenarios)
            except (Failed, checks.Wrong, OSError) as reason:
                peer.failed = str(reason)
            for name, reason in peer.wrong.items():
                step(f"{peer.name} is left out of {name}: {reason}")

    def rates(self):
        """In rounds, each peer in turn under each scenario, and every round begun by another: what disturbs the machine disturbs all alike."""
        with ExitStack() as running:
            servers = {}
            for peer in self.built():
                try:
                    for scenario in self.scenarios if peer.is_floor else self.scenarios[:1]:
                        servers[peer.name, scenario.name] = running.enter_context(Server(peer, scenario, self.place))
                except (Failed, OSError) as reason:
                    peer.failed = str(reason)
                    step(f"{peer.name} is left out: {reason}")
            for number in range(self.plan.rounds):
                step(f"round {number + 1} of {self.plan.rounds}")
                for scenario in self.scenarios:
                    for peer in turned(self.measurable(scenario), number):
                        server = servers[peer.name, scenario.name if peer.is_floor else self.scenarios[0].name]
                        self.attempt(peer, scenario, lambda: self.rate(peer, scenario, server))

    def rate(self, peer, scenario, server):
        measured = self.loader.rate(server, scenario, self.plan.milliseconds)
        for name, value in measured.items():
            self.cells[peer.name][scenario.name].setdefault(name, []).append(value)

    def counts(self):
        for peer in self.built():
            step(f"counting {peer.name}'s instructions, allocations and system calls")
            wanted = [scenario for scenario in self.scenarios if scenario.name not in peer.wrong]
            if peer.countable:
                counted = self.attempt_all(peer, lambda: self.instructions(peer, wanted))
                for name, values in (counted or {}).items():
                    self.cells[peer.name][name] |= values
            for scenario in wanted:
                self.attempt(peer, scenario, lambda: self.system_calls(peer, scenario))

    def instructions(self, peer, wanted):
        return measure.instructions_and_allocations(
            self.loader, peer, wanted, lambda scenario: self.requests(scenario, scenario.counted), self.place
        )

    def system_calls(self, peer, scenario):
        requests = self.requests(scenario, scenario.traced)
        with Server(peer, scenario, self.place) as server:
            self.loader.exactly(server, scenario, scenario.connections * scenario.depth)
            counted = measure.system_calls(self.loader, server, scenario, requests, self.place)
        self.cells[peer.name][scenario.name] |= counted

    def once(self):
        """What is measured once of each: idle connections, starting, size."""
        plain = self.scenarios[0]
        for peer in self.built():
            step(f"{peer.name}: idle connections, start, size")
            self.attempt_all(peer, lambda: self.alone[peer.name].update(self.idle(peer, plain)))
            self.attempt_all(peer, lambda: self.alone[peer.name].update(
                first_us=self.loader.first(peer, plain, free_port(), self.plan.starts)))  # fmt: skip
            self.attempt_all(peer, lambda: self.alone[peer.name].update(size=measure.stripped_size(peer, self.place)))

    def idle(self, peer, plain):
        with Server(peer, plain, self.place) as server:
            return self.loader.idle(server, self.plan.idle)

    def attempt(self, peer, scenario, do):
        """What fails is left out of the scenario, with its reason."""
        try:
            return do()
        except (Failed, ValueError, KeyError, OSError, subprocess.SubprocessError) as reason:
            self.cells[peer.name][scenario.name].setdefault("failed", []).append(str(reason))
            step(f"{peer.name}, {scenario.name}: {reason}")

    def attempt_all(self, peer, do):
        try:
            return do()
        except (Failed, ValueError, KeyError, OSError, subprocess.SubprocessError) as reason:
            self.alone[peer.name].setdefault("failed", []).append(str(reason))
            step(f"{peer.name}: {reason}")

    def requests(self, scenario, wanted):
        """Whole bursts on every connection, so that a wait finds as many ready in the first half as in the second."""
        burst = scenario.connections * scenario.depth
        return max(1, round(wanted * self.plan.scale / burst)) * burst

    def built(self):
        return [peer for peer in self.peers if not peer.failed]

    def measurable(self, scenario):
        return [peer for peer in self.built() if scenario.name not in peer.wrong]

    def measured(self):
        return {
            "rounds": self.plan.rounds,
            "milliseconds": self.plan.milliseconds,
            "idle_connections": self.plan.idle,
            "starts": self.plan.starts,
            "scenarios": {scenario.name: {"title": scenario.title, "connections": scenario.connections, "depth": scenario.depth} for scenario in self.scenarios},
            "peers": {peer.name: {"version": peer.version, "about": peer.about, "failed": peer.failed, "wrong": peer.wrong,
                                  "answer_bytes": self.answer_bytes.get(peer.name), "alone": self.alone[peer.name],
                                  "scenarios": self.cells[peer.name]} for peer in self.peers},
        }  # fmt: skip


def turned(items, number):
    at = number % len(items) if items else 0
    return items[at:] + items[:at]


def step(text):
    print(f"== {text}", flush=True)
