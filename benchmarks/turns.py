"""`python -m benchmarks.turns ATTACK ...`: the processor time that turns of the event loop take beside attacks.

A datagram waits for one turn at the most, so the longest turn is the bound that no client can notice more than. The
server runs with a probe: what the loop's thread takes between two looks at its sockets, and where it was when a turn
took more than a millisecond (a profiling signal samples that). The signals disturb little: one a millisecond.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import os
import pathlib
import runpy
import signal
import sys
import tempfile
import time
from types import FrameType
from typing import Any, Final

_LONG_S: Final = 0.001
_SAMPLE_S: Final = 0.001
_DEPTH: Final = 5
_SHOWN: Final = 3


class Probe:
    """Writes a line for each long turn of the hub's loop of this thread."""

    def __init__(self, path: str) -> None:
        self._out = open(path, "w", buffering=1)  # noqa: SIM115 - until the process is killed
        self._began_s: float | None = None
        self._garbage_s = self._garbage_began_s = 0.0
        self._seen: list[str] = []

    def start(self) -> None:
        """Measure from now on."""
        import gevent

        loop = gevent.get_hub().loop
        # First behind the wait for sockets, and last before it: gevent runs what was spawned, or slept, in between.
        self._watchers = loop.check(priority=loop.MAXPRI), loop.prepare(priority=loop.MINPRI)
        self._watchers[0].start(self._begins)
        self._watchers[1].start(self._ends)
        gc.callbacks.append(self._collects)
        signal.signal(signal.SIGPROF, self._sampled)
        signal.setitimer(signal.ITIMER_PROF, _SAMPLE_S, _SAMPLE_S)

    def _begins(self) -> None:
        self._seen.clear()
        self._garbage_s, self._began_s = 0.0, time.thread_time()

    def _ends(self) -> None:
        if self._began_s is not None:
            taken_s = time.thread_time() - self._began_s
            if taken_s > _LONG_S:
                where = max(set(self._seen), key=self._seen.count, default="")
                self._out.write(f"{taken_s * 1000:.2f} {self._garbage_s * 1000:.2f} {where}\n")

    def _collects(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._garbage_began_s = time.thread_time()
        else:
            self._garbage_s += time.thread_time() - self._garbage_began_s

    def _sampled(self, _: int, frame: FrameType | None) -> None:
        places: list[str] = []
        while frame is not None and len(places) < _DEPTH:
            places.append(f"{pathlib.Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}")
            frame = frame.f_back
        self._seen.append(" < ".join(places))


def serve(path: str, words: list[str]) -> None:
    """Be `python -m streamdns ...` with a probe that begins with the service."""
    from streamdns import app

    run = app.run

    def probed(*arguments: Any) -> int:
        Probe(path).start()
        return run(*arguments)

    app.run = probed
    sys.argv = words[1:]  # without -m
    runpy.run_module(words[1], run_name="__main__", alter_sys=True)


def measure(names: list[str], seconds: float) -> None:
    """Run the attacks one after the other and print what the turns took."""
    from benchmarks import hardening
    from benchmarks.options import Options, cores

    server_core, load_cores = cores()
    hardening.missing = lambda *_: "left out"  # type: ignore[assignment]  # other servers
    os.sched_setaffinity(0, load_cores)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            found, python = work / "turns", work / "python"
            python.write_text(f'#!/bin/sh\nexec {sys.executable} -m benchmarks.turns --serve {found} "$@"\n')
            python.chmod(0o755)
            options = dataclasses.replace(
                Options(python=str(python), work=work, server_core=server_core, load_cores=load_cores),
                attacks=(name,), attack_seconds=seconds,
            )
            hardening.run(options)
            lines = sorted(found.read_text().splitlines(), key=lambda line: -float(line.split()[0]))
            longest = float(lines[0].split()[0]) if lines else 0.0
            print(f"{name}: {len(lines)} turns of more than {_LONG_S * 1000:g} ms, the longest {longest:.2f} ms")
            for line in lines[:_SHOWN]:
                taken, garbage, *where = line.split(" ", 2)
                print(f"    {taken} ms, of which garbage {garbage}: {' '.join(where)}")


def main() -> int:
    """Measure, or be the server that is measured."""
    from tests.attacks import NAMES

    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description="How long turns of the loop take.")
    parser.add_argument("names", nargs="+", choices=NAMES, metavar="ATTACK", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each attack goes on (4)")
    arguments = parser.parse_args()
    measure(arguments.names, arguments.seconds)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main())
