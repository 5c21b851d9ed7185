"""Counts what an event of each kind takes on its way from the line of a file log into the view, in one process and
without a clock, and compares it with the figures kept in event_kinds.json, as benchmarks/kinds.py does for replies.

An event is parsed, decoded, checked, hashed, and put with 99 others into one transaction that also writes the journal,
the digests and the position; what the transaction takes is shared by them. `--time` shows microseconds beside the
counts; with a compiled tree first on the path these are those of compiled modules, in which there is nothing to count.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from benchmarks.kinds import TOLERANCE, Cost, counting, dearer, keep, kept_figures, version
from benchmarks.report import Result
from streamdns.events.batch import Batch
from streamdns.runtime.interpreter import Stint
from streamdns.sources.filelog import TOPIC, decode_line
from streamdns.view.store import Store
from streamdns.view.writer import Applied, Writer

FIGURES = pathlib.Path(__file__).with_name("event_kinds.json")
ORIGIN = "bench.example."
EVENTS = 100
_NOW_MS = 1_700_000_000_000
_SOA = f"ns1.{ORIGIN} hostmaster.{ORIGIN} 1 3600 600 604800 300"

_FIELDS = '"name":"{0}","type":"{1}","content":{2},"ttl":300'


class Kind(NamedTuple):
    """Events of one kind: a type and contents, each with a place for a number; none delete.

    `before` are types and contents that the names have before, one event after the other.
    """

    name: str
    rdtype: str
    contents: tuple[str, ...]
    before: tuple[tuple[str, tuple[str, ...]], ...] = ()
    fields: str = _FIELDS
    key: str = "{0}|{1}"
    is_good: bool = True


_A, _OTHER = ("10.0.0.{}",), ("10.0.1.{}",)
_PRODUCED = ('"name":"{0}","type":"{1}","content":{2},"ttl":300,'
             '"metadatas":{{"createdAt":1579024540,"producer":"deployd"}}')
KINDS = (
    Kind("A, new name", "A", _A),
    Kind("A, replaced", "A", _A, (("A", _OTHER),)),
    Kind("A, the same again", "A", _A, (("A", _A),)),
    Kind("A, three records", "A", ("10.0.0.{}", "10.0.1.{}", "10.0.2.{}"), (("A", _OTHER),)),
    Kind("A, of a producer", "A", _A, (("A", _OTHER),), _PRODUCED),
    Kind("AAAA, new name", "AAAA", ("2001:db8::{}",)),
    Kind("AAAA beside A", "AAAA", ("2001:db8::{}",), (("A", _A),)),
    Kind("CNAME, new name", "CNAME", (f"h{{}}.{ORIGIN}",)),
    Kind("MX, new name", "MX", (f"10 mail{{}}.{ORIGIN}",)),
    Kind("SRV, new name", "SRV", (f"0 5 5060 sip{{}}.{ORIGIN}",)),
    Kind("TXT, new name", "TXT", ('"v=spf1 ip4:192.0.2.{} -all"',)),
    Kind("NS, a new cut", "NS", (f"ns1.s{{}}.{ORIGIN}", f"ns2.s{{}}.{ORIGIN}")),
    Kind("delete", "A", (), (("A", _A),)),
    Kind("A, deleted before", "A", _A, (("A", _OTHER), ("A", ()))),
    Kind("unknown fields", "A", _A, (("A", _OTHER),), '"Name":"{0}","Type":"{1}","Content":{2},"Ttl":300,"id":7'),
    Kind("rejected", "A", ("10.0.0.{}.1",), (("A", _OTHER),), is_good=False),
)


def _lines(rdtype: str, contents: tuple[str, ...], fields: str) -> Iterator[bytes]:
    for number in range(EVENTS):
        owner = f"h{number}.{ORIGIN}"
        records = ",".join(
            "{" + fields.format(owner, rdtype, json.dumps(each.format(number))) + "}" for each in contents
        )
        yield f'{{"key":"{owner}|{rdtype}","value":[{records}],"timestamp":{_NOW_MS}}}'.encode()


class Log:
    """A view in a folder of its own, and the lines that are applied to it."""

    def __init__(self, store: Store) -> None:
        self.writer = Writer(store, default_ttl=3600, journal_size=1000, quarantine_size=1000)
        self._position = 0
        owner = f'"name":"{ORIGIN}","type":"SOA","content":"{_SOA}"'
        self.apply([f'{{"key":"{ORIGIN}|SOA","value":[{{{owner}}}],"timestamp":{_NOW_MS}}}'.encode()])

    def apply(self, lines: list[bytes]) -> Applied:
        """Apply lines in one transaction."""
        records = []
        position = self._position
        for line in lines:
            record = decode_line(line, 0, position)
            if record is not None:
                records.append(record)
            position += len(line) + 1
        self._position = position
        return self.writer.apply(Batch(records, {(TOPIC, 0): position}, True), {}, _NOW_MS)


@contextmanager
def prepared(kind: Kind) -> Iterator[tuple[Log, list[bytes]]]:
    """A view that has what stands before events of a kind, and their lines."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder, max_bytes=1 << 30)
        try:
            log = Log(store)
            for rdtype, contents in kind.before:
                assert not log.apply(list(_lines(rdtype, contents, _FIELDS))).rejections
            yield log, list(_lines(kind.rdtype, kind.contents, kind.fields))
        finally:
            store.close()


def _check(kind: Kind, applied: Applied) -> None:
    good = EVENTS if kind.is_good else 0
    assert (applied.events, len(applied.rejections)) == (good, EVENTS - good), f"{kind.name}: {applied.rejections[:1]}"


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep the collector of garbage and other threads off: they come at any time, and are of no event."""
    collects = gc.isenabled()
    gc.disable()
    Stint.ends_s = math.inf
    try:
        yield
    finally:
        Stint.ends_s = 0.0
        if collects:
            gc.enable()


def cost(kind: Kind) -> Cost:
    """Count what events of a kind take, an event."""
    counts: list[Cost] = []
    with prepared(kind) as (log, lines):
        log.apply(lines)  # Once before, so that what is remembered of names lately seen is the same each time.
    with prepared(kind) as (log, lines), _undisturbed():
        with counting(counts):
            applied = log.apply(lines)
        _check(kind, applied)
    return counts[0].times(1 / EVENTS)


def microseconds(*, rounds: int = 40) -> dict[str, float]:
    """CPU time an event of each kind, in turns: the median of the better half, for others share the machine."""
    found: dict[str, list[float]] = {kind.name: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            with prepared(kind) as (log, lines):
                began = time.thread_time_ns()
                log.apply(lines)
                found[kind.name].append((time.thread_time_ns() - began) / 1000 / EVENTS)
    return {name: statistics.median(sorted(each)[: rounds // 2]) for name, each in found.items()}


def _table(found: dict[str, Cost], figures: dict[str, list[float]], us: dict[str, float]) -> str:
    columns = [("kind", "kind"), ("instructions", "instructions"), ("kept", "kept"), ("calls", "calls in C")]
    result = Result("what an event takes in one process", tuple([*columns, ("us", "us")] if us else columns))
    for name, now in found.items():
        row: dict[str, Any] = {"kind": name, "instructions": round(now.instructions, 1), "calls": round(now.calls, 1),
                               "kept": figures.get(name, [None])[0]}
        result.rows.append(row | ({"us": us[name]} if us else {}))
    return result.table()


def main(arguments: list[str] | None = None) -> int:
    """Count, print a table, compare; 1 where a kind takes more than is kept for it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.event_kinds", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep these figures from now on")
    parser.add_argument("--time", action="store_true", help="show CPU time, too")
    asked = parser.parse_args(arguments)
    found = {kind.name: cost(kind) for kind in KINDS}
    us = microseconds() if asked.time else {}
    if asked.write:
        keep(found, FIGURES)
    figures = kept_figures(FIGURES)
    print(_table(found, figures or {}, us))
    if figures is None:
        print(f"no figures of Python {version()} are kept, so nothing is compared; --write keeps these")
        return 0
    problems = dearer(found, figures, what="an event")
    print("\n".join(problems) or f"no kind takes more than is kept for it and {TOLERANCE:.0%}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
