"""What the figures were taken on: nothing that names the machine itself."""

import os
import platform
import re
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def describe():
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "processor": processor(Path("/proc/cpuinfo").read_text()),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "rustc": subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split(" (")[0].strip(),
        "load_before": load_average(),
    }


def processor(cpuinfo):
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()


def load_average():
    """Of the last minute: how many others wanted the cores."""
    return round(os.getloadavg()[0], 1)


def without_paths(text):
    """What is kept says nothing of where this checkout, a home or a temporary folder lies: reasons for failures quote commands."""
    for folder in (str(ROOT), str(Path.home()), tempfile.gettempdir()):
        text = re.sub(re.escape(folder) + r"/?", "", text)
    return text
