"""The one judge of RRsets, and that every way to the view goes by it."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import msgspec
import pytest

from streamdns.commands import CommandError
from streamdns.commands.zonefile import read
from streamdns.consumer.local_records import parse
from streamdns.dns import name, rdata
from streamdns.errors import BadEvent, ConfigError
from streamdns.events.event import decode
from streamdns.events.rrset import MAX_RECORDS, MAX_RRSET_OCTETS, octets_sent

OWNER = "a.example.org."
Way = Callable[[str, list[str]], int]


def by_event(mnemonic: str, contents: list[str]) -> int:
    records = [{"name": OWNER, "type": mnemonic, "content": content, "ttl": 5} for content in contents]
    return len(decode(f"{OWNER}|{mnemonic}".encode(), msgspec.json.encode(records), default_ttl=1).rdatas)


def by_local_records(mnemonic: str, contents: list[str]) -> int:
    (rrset,) = parse([f"{OWNER} 5 IN {mnemonic} {content}" for content in contents], 1)
    return len(rrset.rdatas)


@pytest.fixture(params=["event", "local records", "zone file"])
def way(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Way:
    """A function that brings in one RRset; the number of its records."""

    def by_zone_file(mnemonic: str, contents: list[str]) -> int:
        file = tmp_path / "zone"
        file.write_text("".join([f"{OWNER} 5 IN {mnemonic} {content}\n" for content in contents]))
        found = read(str(file), name.from_text(OWNER))
        (rrset,) = found.values()
        return len(rrset.rdatas)

    return {"event": by_event, "local records": by_local_records, "zone file": by_zone_file}[request.param]


@pytest.mark.parametrize(
    ("mnemonic", "contents"),
    [
        ("CNAME", ["a.", "b."]), ("DNAME", ["a.", "b."]), ("SOA", ["a. b. 1 2 3 4 5", "a. b. 2 2 3 4 5"]),
        ("MB", ["\\# 4 deadbeef"]), ("TYPE7", ["\\# 6 016200aabbcc"]), ("MINFO", ["\\# 0"]), ("TYPE3", ["\\# 2 c00c"]),
        ("TXT", [f'"{"x" * 250}" "{number}"' for number in range(300)]),
        ("A", [f"10.0.{number >> 8}.{number & 255}" for number in range(MAX_RECORDS + 1)]),
        ("LOC", ["50 0 0 N 4 0 0 E 99999999m"]), ("A", ["192.0.2"]),
    ],
)
def test_no_way_leads_around_it(way: Way, mnemonic: str, contents: list[str]) -> None:
    with pytest.raises((BadEvent, ConfigError, CommandError)):
        way(mnemonic, contents)


@pytest.mark.parametrize(
    ("mnemonic", "contents", "count"),
    [
        ("CNAME", ["x.Example.", "X.example."], 1), ("NS", ["ns.example.", "NS.example.", "b."], 2),
        ("MX", ["10 mail.example.", "10 MAIL.example.", "20 mail.example."], 2), ("TXT", ['"a"', '"A"', '"a"'], 2),
        ("SRV", ["1 2 3 x.", "1 2 3 X."], 1), ("A", ["192.0.2.1", "192.0.2.1"], 1),
        # 60 KB as they are sent, with their names compressed; 77 KB without.
        ("MX", [f"10 mail{number}.a-longer-name-of-hosts.example.org." for number in range(1200)], 1200),
    ],
)
def test_records_are_the_same_by_their_canonical_form(way: Way, mnemonic: str, contents: list[str], count: int) -> None:
    assert way(mnemonic, contents) == count


def test_the_size_of_an_rrset_is_that_of_an_answer() -> None:
    owner = name.from_text(OWNER)
    rdtype = rdata.type_from_text("MX")
    wires = [rdata.from_text(rdtype, f"10 mail{number}.a-longer-name-of-hosts.example.org.") for number in range(3000)]
    assert sum(map(len, wires[:1200])) + 12 * 1200 > MAX_RRSET_OCTETS > octets_sent(owner, rdtype, tuple(wires[:1200]))
    for end in range(2000, 3000):
        if octets_sent(owner, rdtype, tuple(wires[:end])) > MAX_RRSET_OCTETS:
            break
    with pytest.raises(BadEvent, match="65000 octets"):
        by_event("MX", [rdata.to_text(rdtype, wire) for wire in wires[:end]])
    assert by_event("MX", [rdata.to_text(rdtype, wire) for wire in wires[: end - 1]]) == end - 1
