"""`python -m benchmarks.turns ATTACK ...`: the processor time that turns of the event loop take beside attacks.

Without a name it is all of them; `--write` puts the table into docs/hardening.md.

A datagram waits for one turn at the most, so the longest turn is the bound that no client can notice more than. The
server runs with a probe (turn_probe.py): what the loop's thread takes between two looks at its sockets, and where a
turn took more than a millisecond, what of: one piece of work or many, garbage collection, or waiting for somebody else.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import runpy
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from benchmarks.turn_probe import LONG_S, Probe, Turn, idle_gaps

_SHOWN: Final = 3
_IDLE_S: Final = 3.0
BEGIN, END = "<!-- turns of one run: begin -->", "<!-- turns of one run: end -->"


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
    """What was seen beside one attack: the turns that took long, the longest first, and those that only waited."""

    attack: str
    long: list[Turn]
    waited: list[Turn]

    def row(self) -> str:
        """It as a line of the table in the document."""
        waited = f"{len(self.waited)}, {self.waited[0].wall_ms:.1f}" if self.waited else "0"
        if not self.long:
            return f"| `{self.attack}` | 0 | | | | {waited} |"
        causes = Counter(each.cause() for each in self.long)
        longest = self.long[0]
        place = longest.where.partition(" < ")[0]
        where = f"{longest.piece}{place and f', `{place}`'}"
        why = "; ".join(f"{count} x {cause}" for cause, count in causes.most_common(_SHOWN))
        return f"| `{self.attack}` | {len(self.long)} | {longest.cpu_ms:.1f} | {why} | {where} | {waited} |"


def sorted_turns(attack: str, lines: Iterable[str], began_s: float) -> Turns:
    """Sort what a probe wrote since `began_s`: what was before, at the start for instance, is not of the attack."""
    turns = [turn for turn in map(Turn.parse, lines) if turn.at_s >= began_s]
    long = sorted((turn for turn in turns if turn.cpu_ms > LONG_S * 1000), key=lambda turn: -turn.cpu_ms)
    waited = sorted((turn for turn in turns if turn.cpu_ms <= LONG_S * 1000), key=lambda turn: -turn.wall_ms)
    return Turns(attack, long, waited)


def table(found: list[Turns], facts: Mapping[str, Any], seconds: float) -> str:
    """What was measured, in Markdown."""
    how = "compiled" if facts["compiled"] else "in Python"
    where = f"{facts['commit'][:12]}, Python {facts['python']}, {how}, {facts['cpu']}"
    gaps = facts["idle_gaps_ms"]
    idle = f"{len(gaps)} such gaps, the longest of {gaps[0]:.1f} ms" if gaps else "none"
    return "\n".join([
        f"One run, {seconds:g} s of each attack: {where}.",
        f"A process that only looked at its clock for {_IDLE_S:g} s saw {idle}.", "",
        "| attack | turns of more than 1 ms | the longest, ms | made of | its longest piece | others that waited; ms |",
        "| --- | --- | --- | --- | --- | --- |",
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
    os.sched_setaffinity(0, {server_core})
    facts["idle_gaps_ms"] = idle_gaps(_IDLE_S)
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
            began_s = rows[0]["began_s"] if rows else 0.0
            turns = sorted_turns(name, found.read_text().splitlines(), began_s)
            longest = turns.long[0].cpu_ms if turns.long else 0.0
            print(f"{name}: {len(turns.long)} turns of more than {LONG_S * 1000:g} ms, the longest {longest:.2f} ms; "
                  f"{len(turns.waited)} that waited")
            for turn in (*turns.long[:_SHOWN], *turns.waited[:1]):
                print(f"    {turn.cpu_ms:.2f} ms of {turn.wall_ms:.2f}, {turn.cause()}; {turn.piece_ms:.2f} ms "
                      f"{turn.piece}; garbage {turn.garbage_ms:.2f}, faults {turn.faults}, preempted {turn.preempted}; "
                      f"{turn.where}", flush=True)
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
