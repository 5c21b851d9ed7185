"""`python -m benchmarks.turns ATTACK ...`: the processor time that turns of the event loop take beside attacks.

Without a name it is all of them; `--write` puts the table into docs/hardening.md.

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
from collections.abc import Mapping
from types import FrameType
from typing import Any, Final, NamedTuple

_LONG_S: Final = 0.001
_SAMPLE_S: Final = 0.001
_DEPTH: Final = 5
_SHOWN: Final = 3
BEGIN, END = "<!-- turns of one run: begin -->", "<!-- turns of one run: end -->"


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
                now_s = time.monotonic()
                self._out.write(f"{now_s:.3f} {taken_s * 1000:.2f} {self._garbage_s * 1000:.2f} {where}\n")

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
    if "-P" in words:
        # From the compiled tree, which PYTHONPATH names, not from the checkout that this module is of.
        sys.path.append(sys.path.pop(0))
    from streamdns import app

    run = app.run
    def probed(*arguments: Any) -> int:
        Probe(path).start()
        return run(*arguments)

    app.run = probed
    sys.argv = words[words.index("-m") + 1 :]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


class Turns(NamedTuple):
    """What was seen beside one attack: the long turns, the longest first, each with its garbage and its places."""

    attack: str
    long: list[tuple[float, float, str]]

    def row(self) -> str:
        """It as a line of the table in the document."""
        longest, garbage, where = self.long[0] if self.long else (0.0, 0.0, "")
        if not self.long:
            return f"| `{self.attack}` | 0 | | | |"
        place = where.partition(" < ")[0]
        return f"| `{self.attack}` | {len(self.long)} | {longest:.1f} | {garbage:.1f} | {place and f'`{place}`'} |"


def table(found: list[Turns], facts: Mapping[str, Any], seconds: float) -> str:
    """What was measured, in Markdown."""
    how = "compiled" if facts["compiled"] else "in Python"
    where = f"{facts['commit'][:12]}, Python {facts['python']}, {how}, {facts['cpu']}"
    return "\n".join([
        f"One run, {seconds:g} s of each attack: {where}.", "",
        "| attack | turns of more than 1 ms | the longest, ms | of which garbage | where |",
        "| --- | --- | --- | --- | --- |",
        *(each.row() for each in found),
    ])


def measure(names: list[str], seconds: float) -> tuple[list[Turns], dict[str, Any]]:
    """Run the attacks one after the other and print what the turns took."""
    from benchmarks import hardening, machine
    from benchmarks.__main__ import compiled
    from benchmarks.options import Options, cores

    server_core, load_cores = cores()
    hardening.missing = lambda *_: "left out"  # type: ignore[assignment]  # other servers
    installed = compiled(sys.executable)
    facts = machine.describe(sys.executable) | machine.commit() | {"compiled": installed is not None}
    measured = []
    os.sched_setaffinity(0, load_cores)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            found, python = work / "turns", work / "python"
            python.write_text(f'#!/bin/sh\nexec {sys.executable} -m benchmarks.turns --serve {found} "$@"\n')
            python.chmod(0o755)
            options = dataclasses.replace(
                Options(python=str(python), work=work, installed=installed, server_core=server_core,
                        load_cores=load_cores),
                attacks=(name,), attack_seconds=seconds,
            )
            rows = hardening.run(options).rows
            # What it did before, at its start for instance, is not of the attack.
            began_s = rows[0]["began_s"] if rows else 0.0
            lines = [line.split(" ", 3) for line in found.read_text().splitlines()]
            turns = Turns(name, sorted(((float(taken), float(garbage), where) for at_s, taken, garbage, where in lines
                                        if float(at_s) >= began_s), reverse=True))
            longest = turns.long[0][0] if turns.long else 0.0
            print(f"{name}: {len(turns.long)} turns of more than {_LONG_S * 1000:g} ms, the longest {longest:.2f} ms")
            for taken, garbage, where in turns.long[:_SHOWN]:
                print(f"    {taken:.2f} ms, of which garbage {garbage:.2f}: {where}")
            measured.append(turns)
    return measured, facts


def main() -> int:
    """Measure, or be the server that is measured."""
    from tests.attacks import NAMES

    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description="How long turns of the loop take.")
    parser.add_argument("names", nargs="*", metavar="ATTACK", help=f"all, or some of {', '.join(NAMES)}")
    parser.add_argument("--write", action="store_true", help="put the table into docs/hardening.md")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each attack goes on (4)")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(NAMES)):
        parser.error(f"no attack: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    found, facts = measure(arguments.names or list(NAMES), arguments.seconds)
    made = table(found, facts, arguments.seconds)
    if not arguments.write:
        print(made)
        return 0
    from benchmarks.hardening_table import put

    return put(made, BEGIN, END)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main())
