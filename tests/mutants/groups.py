"""The modules that are mutated, and the unit tests that have to notice."""

from __future__ import annotations

from typing import Final, NamedTuple


class Group(NamedTuple):
    """Modules of one room, the tests of that room, and those left out that play thousands of random inputs: a mutant
    that lives costs the time of all tests that touch it.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    sampled: bool = True
    """A sample of any group may take it; not before a whole run has said how many of its mutants are killed."""


GROUPS: Final[dict[str, Group]] = {
    "dns": Group(
        tuple(f"streamdns/dns/{name}.py" for name in (
            "answer", "canonical", "cookies", "lookup", "name", "negative", "node", "outcome", "rdata", "rdata_plain",
            "unusual", "wire",
        )),
        ("tests/unit/dns",), ("tests/unit/dns/test_answer_hostile.py",),
    ),
    # What reads and writes zone files is tested by the commands that do it.
    "zonefiles": Group(
        tuple(f"streamdns/dns/{name}.py" for name in (
            "generate", "master", "portable", "rdata_old", "rdata_parse", "served",
        )),
        ("tests/unit/dns", "tests/unit/commands/test_cli_zonefile.py"), ("tests/unit/dns/test_answer_hostile.py",),
        sampled=False,
    ),
    "events": Group(("streamdns/events/*",), ("tests/unit/events",)),
    "view": Group(
        tuple(f"streamdns/view/{name}.py" for name in ("transaction", "candidates", "zones", "digest")),
        ("tests/unit/view",),
    ),
    "resolver": Group(
        tuple(f"streamdns/resolver/resolution/{name}.py" for name in ("verdict", "job", "walk", "cache")),
        ("tests/unit/resolver",),
        tuple(f"tests/unit/resolver/test_{name}.py" for name in (
            "resolution_trees", "resolution_random", "transport", "pace", "greenlets", "configured",
        )),
    ),
}
