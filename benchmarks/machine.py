"""Measures what processes take of the machine: cores, CPU time, memory, page cache."""

from __future__ import annotations

import os
import pathlib
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.harness.peers import find_tool
from tests.harness.process import ROOT

_DROP_CACHES = pathlib.Path("/proc/sys/vm/drop_caches")
_PYTHON_FACTS = (
    "import platform, sys; print(platform.python_version()); print(sys.executable);"
    "print(*platform.python_build(), platform.python_compiler())"
)
_VERSIONS = {"dnsperf": ("-h",), "nsd": ("-v",), "knotd": ("--version",), "named": ("-v",), "unbound": ("-V",),
             "pdns_recursor": ("--version",), "pdns_server": ("--version",)}


@contextmanager
def on_cores(cores: Iterable[int]) -> Iterator[None]:
    """Whatever is started inside, with its later threads and children, stays on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def processes(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for each in found:
        try:
            for task in pathlib.Path(f"/proc/{each}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue  # It ended meanwhile.
    return found


def cpu_s(pid: int) -> float:
    """User and system seconds that a process and its descendants have used.

    The kernel's clock of each process has nanoseconds where /proc/<pid>/stat, from the same account, has 10 ms.
    """
    total = 0.0
    for each in processes(pid):
        try:
            total += time.clock_gettime((~each << 3) | 2)
        except OSError:
            continue
    return total


def memory_bytes(pid: int, field: str = "RssAnon") -> int:
    """A field of /proc/<pid>/status summed over a process and its descendants.

    RssAnon is resident memory without the page cache, so without the pages of the view's map.
    """
    total = 0
    for each in processes(pid):
        try:
            lines = pathlib.Path(f"/proc/{each}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))
    return total


class Disturbance:
    """How much of the machine others took between its making and share(): other processes, and the hypervisor."""

    def __init__(self) -> None:
        self._began = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float]:
        user, nice, system, idle, waiting, irq, softirq, stolen = (
            int(ticks) / os.sysconf("SC_CLK_TCK")
            for ticks in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        )
        busy = user + nice + system + irq + softirq
        return busy + idle + waiting + stolen, busy - sum(os.times()[:4]), stolen

    def share(self) -> dict[str, float]:
        """Shares (0..1) of all the cores' time; children that still run count as others."""
        whole, others, stolen = (now - began for now, began in zip(self._now(), self._began, strict=True))
        return {"others": max(others, 0.0) / whole, "stolen": stolen / whole}


def drop_page_cache() -> bool:
    """Empty the page cache; False where that is not allowed."""
    os.sync()
    try:
        _DROP_CACHES.write_text("1\n")
    except OSError:
        return False
    return True


def allocated_bytes(folder: pathlib.Path) -> int:
    """What the files below `folder` take on disk; holes do not count."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def commit() -> dict[str, Any]:
    """What is measured: the commit of the checkout, and whether tracked files differ from it."""
    name = _git("rev-parse", "HEAD")
    return {"commit": name, "modified": bool(_git("status", "--porcelain", "--untracked-files=no")) if name else None}


def describe(python: str) -> dict[str, Any]:
    """The machine, the interpreter that runs the server, and the versions of the peers."""
    models = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    facts = subprocess.run([python, "-c", _PYTHON_FACTS], capture_output=True, text=True, check=True).stdout.split("\n")
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
        "python": facts[0],
        "python_path": facts[1],
        "python_build": facts[2],
        "tools": {tool: _version(tool) for tool in _VERSIONS},
    }


def _version(tool: str) -> str | None:
    path = find_tool(tool)
    if path is None:
        return None
    done = subprocess.run([path, *_VERSIONS[tool]], capture_output=True, text=True, check=False)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    return next((line for line in lines if any(c.isdigit() for c in line)), None)
