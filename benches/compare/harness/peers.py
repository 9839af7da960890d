"""Who is measured, how each is built and started, and of what version it is."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.scenarios import STREAMED

COMPARE = Path(__file__).resolve().parent.parent
ROOT = COMPARE.parent.parent


@dataclass
class Peer:
    """One program under measurement."""

    name: str
    about: str
    """How it is set up, as one phrase for the report."""
    program: Path | None = None
    """The executable whose size counts, once it is built or found."""
    start: Callable | None = None
    """Its command line, from the address, the scenario and a folder for files."""
    crate: str = ""
    """The package to build, if it is one of ours."""
    version: str = ""
    failed: str = ""
    """Why it is not measured."""
    is_floor: bool = False
    countable: bool = True
    """Whether valgrind can count its instructions in the time that there is."""
    wrong: dict = field(default_factory=dict)
    """Why its answers to a scenario are wrong, by the scenario's name."""


def all_peers():
    """In the order of the report."""
    return [
        Peer("midge", "`Server::workers(1)`, all defaults; the one allocation of `/upload` is the handler's own `to_string`, which the others have too", crate="midge"),
        Peer("floor", "an epoll loop that parses nothing: canned answers to so many bytes", is_floor=True),
        Peer("hyper", "tokio, one thread, `pipeline_flush`", crate="hyper"),
        Peer("axum", "tokio, one thread", crate="axum"),
        Peer("actix-web", "one worker", crate="actix-web"),
        Peer("ntex", "its own runtime (neon, polling), one worker", crate="ntex"),
        Peer("may_minihttp", "one worker; gathers `/stream` before it sends it", crate="may_minihttp"),
        Peer("xitca-web", "one worker", crate="xitca-web"),
        Peer("nginx", "one process; `/stream` is a file by sendfile, bodies are read whole by the module echo"),
        Peer("Node", "`node:http`, one process", countable=False),
    ]


def build_tools(target):
    """The load and the floor; gives the folder of the programs."""
    command = ["cargo", "build", "--locked", "--quiet", "--profile", "profiling", "-p", "midge-benches", "--bins"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=1_800)
    return target / "profiling"


def prepare(peer, target, tools, place):
    """Builds a peer, and finds its version. What goes wrong becomes its `failed`."""
    try:
        if peer.is_floor:
            peer.program, peer.version = tools / "floor", midge_version()
            peer.start = lambda address, scenario, place: floor_command(peer.program, address, scenario, place)
        elif peer.name == "nginx":
            prepare_nginx(peer, place)
        elif peer.name == "Node":
            peer.program = Path(found("node"))
            peer.start = lambda address, *_: [str(peer.program), str(COMPARE / "peers/node/server.js"), address]
            peer.version = output([peer.program, "--version"]).lstrip("v")
        else:
            peer.program = build(peer.crate, target / "compare")
            peer.start = lambda address, *_: [str(peer.program), address]
            peer.version = midge_version() if peer.crate == "midge" else locked_version(peer.crate)
    except (OSError, subprocess.SubprocessError, Missing) as reason:
        peer.failed = str(reason)


class Missing(Exception):
    """A program or package that a peer needs."""


def floor_command(program, address, scenario, place):
    """It parses nothing, so that it has to be told what it will be asked and what to answer."""
    body = place / f"{scenario.name}.body"
    body.write_bytes(scenario.body)
    told = ["--request-bytes", str(len(scenario.request)), "--body", str(body)]
    if len(scenario.request) > 65_536:
        told += ["--buffer", "262144"]
    return [str(program), *told, address]


def build(crate, target):
    command = ["cargo", "build", "--locked", "--quiet", "--release", "-p", f"peer-{crate}", "--target-dir", str(target)]
    done = subprocess.run(command, cwd=COMPARE, timeout=1_800, capture_output=True, text=True)
    if done.returncode != 0:
        first = next((line for line in done.stderr.splitlines() if line.startswith("error")), done.stderr.strip()[:200])
        raise Missing(f"it was not built: {first}")
    return target / "release" / f"peer-{crate}"


def prepare_nginx(peer, place):
    peer.program = Path(found("nginx"))
    peer.version = re.search(r"nginx/([\d.]+)", output([peer.program, "-v"])).group(1)
    modules = Path("/usr/lib/nginx/modules")
    if not (modules / "ngx_http_echo_module.so").exists():
        raise Missing("nginx's module echo is missing; on Debian: apt-get install libnginx-mod-http-echo")
    (place / "stream").write_bytes(STREAMED)
    peer.start = lambda address, _, place: nginx_command(peer.program, address, place, modules)


def nginx_command(program, address, place, modules):
    text = (COMPARE / "peers/nginx/nginx.conf").read_text()
    for name, value in {"PLACE": place, "MODULES": modules, "ADDRESS": address}.items():
        text = text.replace(f"@{name}@", str(value))
    path = place / f"nginx-{address.rpartition(':')[2]}.conf"
    path.write_text(text)
    return [str(program), "-p", str(place), "-e", "stderr", "-c", str(path)]


def found(program):
    path = shutil.which(program)
    if path is None:
        raise Missing(f"{program} is missing")
    return path


def output(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True, timeout=60)
    return (done.stdout + done.stderr).strip()


def locked_version(crate, lock=COMPARE / "Cargo.lock"):
    """The version that the peers' lock file names."""
    for package in tomllib.loads(lock.read_text())["package"]:
        if package["name"] == crate:
            return package["version"]
    raise Missing(f"{crate} is not in {lock.name}")


def midge_version():
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
