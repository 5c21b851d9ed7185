"""The modules that are changed, the unit tests that have to notice, and the changes that make no difference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple


class Group(NamedTuple):
    """Modules of one room, the tests of that room, and those left out that play thousands of random inputs: a change
    that nobody notices costs the time of all tests that touch it.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    least_of_sample: float = 75.0
    """Of 100 changes that were chosen by chance tests have to notice so many. A sample of 95 or more of a group of
    which they notice 90 falls below 75 once in sixty thousand runs; where it is 96 of all, below 85 once in a hundred
    thousand.
    """


GROUPS: Final[dict[str, Group]] = {
    "dns": Group(
        tuple(f"streamdns/dns/{name}.py" for name in (
            "answer", "canonical", "compression", "cookies", "lookup", "name", "negative", "node", "octets", "outcome",
            "rdata", "rdata_plain", "ready", "reply_kind", "response_rates", "unusual", "wire",
        )),
        ("tests/unit/dns", "tests/conformance/test_in_process.py"), ("tests/unit/dns/test_answer_hostile.py",),
    ),
    # What reads and writes zone files is tested by the commands that do it.
    "zonefiles": Group(
        tuple(f"streamdns/dns/{name}.py" for name in (
            "generate", "master", "portable", "rdata_old", "rdata_parse", "served",
        )),
        (
            "tests/unit/dns", "tests/unit/commands/test_cli_zonefile.py", "tests/unit/commands/test_cli_transfer.py",
            "tests/unit/view/test_view.py",
        ),
        ("tests/unit/dns/test_answer_hostile.py",), least_of_sample=85.0,
    ),
    "events": Group(("streamdns/events/*",), ("tests/unit/events",)),
    "view": Group(
        tuple(f"streamdns/view/{name}.py" for name in (
            "aside", "below", "bounds", "candidates", "claims", "delete_guard", "digest", "transaction", "zones",
        )),
        ("tests/unit/view",),
        # What these are about stands elsewhere; with a change they wait long for what never comes.
        tuple(f"tests/unit/view/test_{name}.py" for name in ("file_length", "readers", "rebuild_request", "store")),
    ),
    "resolver": Group(
        tuple(f"streamdns/resolver/resolution/{name}.py" for name in (
            "cache", "costs", "job", "load", "places", "verdict", "walk",
        )),
        ("tests/unit/resolver",),
        tuple(f"tests/unit/resolver/test_{name}.py" for name in (
            "resolution_trees", "resolution_random", "transport", "pace", "configured",
        )),
        least_of_sample=85.0,
    ),
}

#: Pieces of code that mean the same wherever they stand, and why.
SAME: Final = (
    (', "big")', ", )", "Octets are read and written in this order by default."),
    ('"utf-8"', '"UTF-8"', "Names of encodings are the same in any case."),
    ('"ascii"', '"ASCII"', "Names of encodings are the same in any case."),
)
EQUIVALENT: Final = Path(__file__).with_name("equivalent.txt")


def equivalent() -> dict[str, str]:
    """Changes that make no difference to anybody, as "function: old -> new", and why.

    Of a line that its function has at several places one alone is meant with " (2 of 3)" behind, otherwise all are.
    """
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines()
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return {change: reason.strip() for change, reason in pairs}


def split_place(what: str) -> tuple[str, str]:
    """Take " (2 of 3)" off the end of a change; "" where it is not there."""
    found = re.search(r" \(\d+ of \d+\)$", what)
    return (what, "") if found is None else (what[: found.start()], found[0])


def is_equivalent(function: str, what: str, known: Mapping[str, str]) -> bool:
    """Whether a change, as "old -> new", makes no difference; `known` is what equivalent() gives."""
    what, place = split_place(what)
    if not known.keys().isdisjoint((f"{function}: {what}", f"{function}: {what}{place}")):
        return True
    old, _, new = what.rpartition(" -> ") if what.count(" -> ") == 1 else ("", "", "")
    pieces = ((before, after, old.split(before)) for before, after, _ in SAME if before in old)
    return any(
        before.join(parts[:cut]) + after + before.join(parts[cut:]) == new
        for before, after, parts in pieces for cut in range(1, len(parts))
    )


def outdated(changes: Iterable[tuple[str, str]], known: Iterable[str]) -> list[str]:
    """Listed changes that are made no more; `changes` are all of some modules, as function and "old -> new"."""
    made = {f"{function}: {each}" for function, what in changes for each in (what, split_place(what)[0])}
    functions = {change.partition(": ")[0] for change in made}
    return [change for change in known if change.partition(": ")[0] in functions and change not in made]
