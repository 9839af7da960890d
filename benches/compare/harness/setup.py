"""What the comparison needs beside Rust: installed where that can be done, else named."""

import importlib.util
import os
import shutil
import subprocess
import sys

from harness.peers import COMPARE, ROOT

# What is run, and Debian's package that has it.
ALWAYS = {"valgrind": "valgrind", "strace": "strace", "strip": "binutils", "taskset": "util-linux", "cc": "gcc"}
PEERS = {"nginx": "nginx-light", "node": "nodejs"}
NGINX_MODULE = "/usr/lib/nginx/modules/ngx_http_echo_module.so"


class Missing(Exception):
    """What can neither be found nor installed."""


def programs(quick):
    """Installs what is missing, as root on Debian. Without nginx or Node the rest is measured, and the report says so."""
    missing = absent(ALWAYS)
    wanted = {**missing, **({} if quick else absent(PEERS))}
    packages = sorted(set(wanted.values()))
    if not quick and not os.path.exists(NGINX_MODULE):
        packages.append("libnginx-mod-http-echo")
    if packages and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"== installing {' '.join(packages)}", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        quiet = {"stdout": subprocess.DEVNULL, "env": environment, "check": False}
        subprocess.run(["apt-get", "update", "-qq"], timeout=300, **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], timeout=900, **quiet)
    missing = absent(ALWAYS)
    if shutil.which("cargo") is None:
        raise Missing("missing: cargo. Install Rust 1.95 or later: https://rustup.rs")
    if missing:
        raise Missing(f"missing: {', '.join(missing)}; on Debian, as root: apt-get install {' '.join(missing.values())}")


def absent(programs):
    return {program: package for program, package in programs.items() if shutil.which(program) is None}


def charts(measured, results):
    """Draws with matplotlib, in an environment of its own; gives the names of the files."""
    python = environment() if importlib.util.find_spec("matplotlib") is None else sys.executable
    command = [python, "-m", "harness.charts", str(measured), str(results)]
    done = subprocess.run(command, cwd=COMPARE, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Missing(f"the charts were not drawn: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout.split()


def environment():
    wanted, place = COMPARE / "requirements.txt", ROOT / ".cache/compare/python"
    python, stamp = place / "bin/python3", place / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        print("== matplotlib, from PyPI", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, timeout=300)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(wanted)]
        if subprocess.run(install, timeout=600).returncode != 0:
            raise Missing(f"missing: matplotlib; pip install -r {wanted.name} failed")
        stamp.write_text(wanted.read_text())
    return str(python)
