"""The figures of the other hosts, taken by their own harnesses: Lambda beside lambda_http and lambda_runtime, Workers beside plain
JavaScript and workers-rs."""

import os
import subprocess

from harness.peers import COMPARE, ROOT, Missing, locked_version

SECONDS = 3_600


def figures(place):
    """A section of Markdown for each host; where one could not be measured, the reason."""
    return "\n\n".join((lambda_section(), workers_section(place)))


def lambda_section():
    lock = ROOT / "tests/lambda/peer/Cargo.lock"
    versions = ", ".join(f"{crate} {locked_version(crate, lock)}" for crate in ("lambda_http", "lambda_runtime"))
    told = f"By `tests/lambda/run figures`: a Runtime API on loopback hands out one event of 2 KB after another; {versions}. `must` is what midge aims at."
    return section("Lambda", told, ["tests/lambda/run", "figures"], {})


def workers_section(place):
    told = "By `tests/workers/run figures`: the same answer from three Workers, in one workerd at a time."
    environment, folder = {}, place / "workers-rs"
    try:
        run([COMPARE / "workers-rs/build", folder], {})
        environment["WORKERS_RS"] = str(folder)
        told += f" workers-rs is {locked_version('worker', COMPARE / 'workers-rs/Cargo.lock')}."
    except Missing as reason:
        told += f" workers-rs is left out: {reason}."
    return section("Workers", told, ["tests/workers/run", "figures"], environment)


def section(title, told, command, environment):
    try:
        shown = table(run(command, environment))
    except Missing as reason:
        shown = f"Not measured: {reason}."
    return f"## {title}\n\n{told}\n\n{shown}"


def run(command, environment):
    name = os.path.relpath(str(command[0]), ROOT) if os.path.isabs(str(command[0])) else command[0]
    print(f"== {name}", flush=True)
    try:
        done = subprocess.run([str(part) for part in command], cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=SECONDS)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Missing(f"{name} was not done after {SECONDS} s") from None
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise Missing(f"{name} failed: {last}")
    return done.stdout


def table(text):
    """The lines of a Markdown table among others."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    if len(lines) < 3:
        raise Missing("no table was printed")
    return "\n".join(lines)
