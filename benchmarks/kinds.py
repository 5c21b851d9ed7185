"""Counts what a reply of each kind takes in one process, without sockets and without a clock, and compares it with the
figures kept in kinds.json: a change that makes one kind of answer dear is seen on any machine, however busy.

What is counted are the instructions of Python and the calls of functions in C that answering takes; both are the same
in each run of the same code by the same version of Python. `--time` shows microseconds beside them.
"""

from __future__ import annotations

import argparse
import gc
import json
import pathlib
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

import dns.edns
import dns.flags
import dns.message
import dns.rcode

from benchmarks import hostile_kinds
from benchmarks.report import Result
from streamdns.dns.answer import Answerer
from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import Policy
from streamdns.events.batch import Batch, Record
from streamdns.view.reader import snapshot
from streamdns.view.store import Store
from streamdns.view.writer import Writer

FIGURES = pathlib.Path(__file__).with_name("kinds.json")
#: How much more of either count than its figure a kind may take.
TOLERANCE = 0.10
ORIGIN = "bench.example."
_NAMES = 500
_QUERIES = 40
_PAYLOAD = 1232
_Checked = Callable[[dns.message.Message], bool]


class Kind(NamedTuple):
    """Queries of one kind: a name with a place for a number, a type, and what is right of a reply to them."""

    name: str
    owner: str
    rdtype: str
    is_right: _Checked
    weight: int = 0
    """The share of the kind in the weighted mix, percent."""
    has_cookie: bool = False
    """Whether queries have the EDNS option of a client that is asking for the first time, as BIND's do."""

    def qname(self, number: int) -> str:
        """The name that is asked for with a number in its place."""
        owner = self.owner.format(number)
        return owner if owner.endswith(".") else f"{owner}.{ORIGIN}".removeprefix(".")


def _holds(rcode: int, answers: int, authorities: int, additionals: int, *, aa: bool = True) -> _Checked:
    """Whether a reply has this RCODE, and so many records in its sections."""
    def is_right(reply: dns.message.Message) -> bool:
        counts = tuple(sum(map(len, part)) for part in (reply.answer, reply.authority, reply.additional))
        return (
            reply.rcode() == rcode and counts == (answers, authorities, additionals)
            and bool(reply.flags & dns.flags.AA) is aa and not reply.flags & dns.flags.TC
        )
    return is_right


def _is_cut_off(reply: dns.message.Message) -> bool:
    return bool(reply.flags & dns.flags.TC) and not reply.answer and not reply.authority


KINDS = (
    Kind("hit", "h{}", "A", _holds(0, 1, 0, 0), 45),
    Kind("hit, cookie", "h{}", "A", _holds(0, 1, 0, 0), has_cookie=True),
    Kind("NXDOMAIN", "x{}", "A", _holds(3, 0, 1, 0), 12),
    Kind("NODATA", "h{}", "MX", _holds(0, 0, 1, 0), 10),
    Kind("CNAME in zone", "alias{}", "A", _holds(0, 2, 0, 0), 15),
    Kind("CNAME, NODATA", "alias{}", "AAAA", _holds(0, 1, 1, 0)),
    Kind("CNAME, two links", "far{}", "A", _holds(0, 3, 0, 0)),
    Kind("CNAME out of zone", "out{}", "A", _holds(0, 1, 0, 0)),
    Kind("MX", "mail{}", "MX", _holds(0, 2, 0, 2), 5),
    Kind("SRV", "_sip._tcp.s{}", "SRV", _holds(0, 1, 0, 1), 2),
    Kind("referral", "www.sub{}", "A", _holds(0, 0, 2, 2, aa=False), 3),
    Kind("DS", "sub{}", "DS", _holds(0, 0, 1, 0)),
    Kind("NS", "", "NS", _holds(0, 2, 0, 2), 2),
    Kind("SOA", "", "SOA", _holds(0, 1, 0, 0), 2),
    Kind("wildcard", "y{}.wild", "A", _holds(0, 1, 0, 0), 4),
    Kind("PTR", "p{}", "PTR", _holds(0, 1, 0, 0)),
    Kind("REFUSED", "h{}.elsewhere.invalid.", "A", _holds(5, 0, 0, 0, aa=False)),
    Kind("large, TC", "big", "TXT", _is_cut_off),
)
MIX = "weighted mix"


class Cost(NamedTuple):
    """What one reply takes, on average."""

    instructions: float
    calls: float

    def __add__(self, other: object) -> Cost:
        assert isinstance(other, Cost)
        return Cost(self.instructions + other.instructions, self.calls + other.calls)

    def times(self, factor: float) -> Cost:
        """So many replies."""
        return Cost(self.instructions * factor, self.calls * factor)


def records(names: int) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Owners below the origin, types and contents: what each kind needs for so many names."""
    yield "", "SOA", (f"ns1.{ORIGIN} hostmaster.{ORIGIN} 1 3600 600 604800 300",)
    yield "", "NS", (f"ns1.{ORIGIN}", f"ns2.{ORIGIN}")
    for number, owner in enumerate(("ns1.", "ns2.", "mx1.", "mx2.", "sip.", "*.wild.")):
        yield owner, "A", (f"192.0.2.{number}",)
    yield "big.", "TXT", tuple(f'"{number:0200}"' for number in range(10))
    for number in range(names):
        yield f"h{number}.", "A", (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",)
        yield f"alias{number}.", "CNAME", (f"h{number}.{ORIGIN}",)
        yield f"far{number}.", "CNAME", (f"alias{number}.{ORIGIN}",)
        yield f"out{number}.", "CNAME", (f"www{number}.elsewhere.invalid.",)
        yield f"mail{number}.", "MX", (f"10 mx1.{ORIGIN}", f"20 mx2.{ORIGIN}")
        yield f"_sip._tcp.s{number}.", "SRV", (f"0 5 5060 sip.{ORIGIN}",)
        yield f"p{number}.", "PTR", (f"h{number}.{ORIGIN}",)
        yield f"sub{number}.", "NS", (f"ns1.sub{number}.{ORIGIN}", f"ns2.sub{number}.{ORIGIN}")
        yield f"ns1.sub{number}.", "A", ("192.0.2.10",)
        yield f"ns2.sub{number}.", "A", ("192.0.2.11",)


def _batch() -> Batch:
    made = []
    for position, (owner, rdtype, contents) in enumerate(records(_NAMES)):
        name = owner + ORIGIN
        value = [{"name": name, "type": rdtype, "content": each, "ttl": 300} for each in contents]
        made.append(Record("zones", 0, position, position, f"{name}|{rdtype}".encode(), json.dumps(value).encode()))
    return Batch(made, {("zones", 0): len(made)}, True)


@contextmanager
def answering() -> Iterator[Answerer]:
    """An Answerer that is bound to a view on the disk with the records of every kind."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder, max_bytes=1 << 30)
        writer = Writer(store, default_ttl=3600, journal_size=10, quarantine_size=10)
        assert not writer.apply(_batch(), {}, 0).rejections
        view = snapshot(store)
        answerer = Answerer(Policy(), cookies=Cookies(bytes(16), float))
        answerer.client = lambda slot: b"\x7f\0\0\1"
        answerer.bind(view)
        try:
            yield answerer
        finally:
            answerer.unbind()
            view.close()
            store.close()


def queries(kind: Kind) -> list[bytes]:
    """Some queries of one kind in wire form, as resolvers send them: with EDNS."""
    options = [dns.edns.CookieOption(b"8 octets", b"")] if kind.has_cookie else []
    return [
        dns.message.make_query(
            kind.qname(number * 7 % _NAMES), kind.rdtype, id=number, use_edns=0, payload=_PAYLOAD, options=options
        ).to_wire()
        for number in range(_QUERIES)
    ]


def _counters() -> tuple[dict[str, int], Callable[..., Any], Callable[..., None]]:
    """What is counted, and the functions for sys.settrace() and sys.setprofile() that count it."""
    counts = {"opcode": 0, "c_call": 0}

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        if event == "opcode":
            counts[event] += 1
        return trace

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            counts[event] += 1

    return counts, trace, profile


@contextmanager
def counting(counts: list[Cost]) -> Iterator[None]:
    """Add to a list what is done inside, and what belongs to counting itself."""
    found, trace, profile = _counters()
    before = sys.gettrace(), sys.getprofile()
    sys.setprofile(profile)
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
        counts.append(Cost(found["opcode"], found["c_call"]))


def cost(answerer: Answerer, packets: list[bytes]) -> Cost:
    """Count what the replies to these messages take, a reply."""
    counts, trace, profile = _counters()
    before = sys.gettrace(), sys.getprofile()
    reply = answerer.reply
    # What the collector calls comes at any time, and is not of these replies.
    collects = gc.isenabled()
    gc.disable()
    sys.setprofile(profile)
    sys.settrace(trace)
    try:
        for packet in packets:
            reply(packet, False, 0)
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
        if collects:
            gc.enable()
    # The call that ends the count is counted, too.
    return Cost(counts["opcode"] / len(packets), (counts["c_call"] - 1) / len(packets))


def counted_kinds() -> dict[str, list[bytes]]:
    """The messages of every kind by its name, those of hostile clients last."""
    return {kind.name: queries(kind) for kind in KINDS} | {
        kind.name: kind.packets for kind in hostile_kinds.messages(ORIGIN)
    }


def microseconds(answerer: Answerer, kinds: dict[str, list[bytes]], *, rounds: int = 60) -> dict[str, float]:
    """CPU time a reply of each kind, in turns: the median of the better half, for others share the machine."""
    reply = answerer.reply
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, packets in kinds.items():
            began = time.process_time_ns()
            for _ in range(5):
                for packet in packets:
                    reply(packet, False, 0)
            found[name].append((time.process_time_ns() - began) / 5000 / len(packets))
    return {name: statistics.median(sorted(each)[: rounds // 2]) for name, each in found.items()}


def measure(answerer: Answerer) -> dict[str, Cost]:
    """Count each kind, after its replies were found to be right."""
    found = {}
    for kind in KINDS:
        packets = queries(kind)
        for packet in packets:
            reply = answerer.reply(packet, False, 0)
            assert reply is not None
            assert kind.is_right(dns.message.from_wire(reply)), f"{kind.name}: {dns.message.from_wire(reply)}"
        found[kind.name] = cost(answerer, packets)
    for hostile in hostile_kinds.messages(ORIGIN):
        for packet in hostile.packets:
            made = answerer.reply(packet, False, 0)
            assert hostile.is_right(made), f"{hostile.name}: {made!r} to {packet!r}"
        found[hostile.name] = cost(answerer, hostile.packets)
    answerer.tally.clear()
    found[MIX] = _mixed(found)
    return found


def _mixed(found: dict[str, Cost]) -> Cost:
    total = Cost(0, 0)
    for kind in KINDS:
        total += found[kind.name].times(kind.weight / 100)
    return total


def dearer(found: dict[str, Cost], figures: dict[str, list[float]], *, what: str = "a reply") -> list[str]:
    """A sentence for each kind that takes more than its figure and the tolerance, or has none."""
    problems = []
    for name, now in found.items():
        kept = figures.get(name)
        if kept is None:
            problems.append(f"{name}: no figure is kept for it")
            continue
        for counted, count, figure in zip(Cost._fields, now, kept, strict=True):
            if count > figure * (1 + TOLERANCE):
                more = count / figure - 1
                problems.append(f"{name}: {count:.1f} {counted} {what}, {more:+.0%} of the {figure:.1f} kept")
    return problems


def version() -> str:
    """The version of Python that the counts belong to."""
    return ".".join(platform.python_version_tuple()[:2])


def kept_figures(path: pathlib.Path = FIGURES) -> dict[str, list[float]] | None:
    """The figures of this version of Python, None where there are none."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    figures: dict[str, list[float]] | None = kept.get(version())
    return figures


def _table(found: dict[str, Cost], figures: dict[str, list[float]], us: dict[str, float]) -> str:
    columns = [("kind", "kind"), ("instructions", "instructions"), ("kept", "kept"), ("calls", "calls in C"),
               ("hits", "x hit")]
    if us:
        columns += [("us", "us"), ("us_hits", "us x hit")]
    result = Result("what a reply takes in one process", tuple(columns))
    for name, now in found.items():
        row = {"kind": name, "instructions": round(now.instructions, 1), "calls": round(now.calls, 1),
               "kept": figures.get(name, [None])[0], "hits": now.instructions / found["hit"].instructions}
        if us:
            row |= {"us": us[name], "us_hits": us[name] / us["hit"]}
        result.rows.append(row)
    return result.table()


def keep(found: dict[str, Cost], path: pathlib.Path = FIGURES) -> None:
    """Write these figures over those of this version of Python."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept[version()] = {name: [round(count, 1) for count in now] for name, now in found.items()}
    lines = json.dumps(kept, indent=1, sort_keys=False)
    path.write_text(lines + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Count, print a table, compare; 1 where a kind takes more than is kept for it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kinds", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep these figures from now on")
    parser.add_argument("--time", action="store_true", help="show CPU time, too")
    asked = parser.parse_args(arguments)
    with answering() as answerer:
        found = measure(answerer)
        us = microseconds(answerer, counted_kinds()) if asked.time else {}
    if us:
        us[MIX] = sum(us[kind.name] * kind.weight / 100 for kind in KINDS)
    if asked.write:
        keep(found)
    figures = kept_figures()
    print(_table(found, figures or {}, us))
    if figures is None:
        print(f"no figures of Python {version()} are kept, so nothing is compared; --write keeps these")
        return 0
    problems = dearer(found, figures)
    print("\n".join(problems) or f"no kind takes more than is kept for it and {TOLERANCE:.0%}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
