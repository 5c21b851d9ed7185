"""What of a name is answered, what hides, and what contradicts itself; and the lines in which records are written."""

from __future__ import annotations

from itertools import product

import pytest

from streamdns.dns import name, rdata
from streamdns.dns.node import HAS_CNAME, HAS_SOA, LOCAL, Origin, RRset, node_flags
from streamdns.dns.portable import record_line
from streamdns.dns.served import Apexes, contradiction, is_alias, is_served

A, CNAME, SOA, TXT, RRSIG, NSEC = (rdata.type_from_text(each) for each in ("A", "CNAME", "SOA", "TXT", "RRSIG", "NSEC"))
KEY, OTHER = b"\3org\7example", b"\3org\5other"


def rrsets(*types: int, local: int = 0) -> list[RRset]:
    origin = Origin(0, 0, 0, 0, b"")
    return [RRset(rdtype, LOCAL if rdtype == local else 0, 0, b"", origin) for rdtype in sorted(types)]


@pytest.mark.parametrize(
    ("types", "listed", "flatten", "hidden"),
    [
        ((A, TXT), (), False, set()),
        ((A, CNAME, TXT), (), False, {A, TXT}),
        ((CNAME, RRSIG, NSEC, TXT), (), False, {TXT}),
        ((A, CNAME, SOA), (), False, {CNAME}),
        ((A, CNAME, SOA), (), True, set()),
        ((A, CNAME), (KEY,), False, {CNAME}),
        ((A, CNAME), (KEY,), True, set()),
        ((A, CNAME), (OTHER,), False, {A}),
        ((A, CNAME), (OTHER,), True, {A}),
        ((), (), False, set()),
    ],
)
def test_what_is_hidden(types: tuple[int, ...], listed: tuple[bytes, ...], flatten: bool, hidden: set[int]) -> None:
    assert Apexes(frozenset(listed), flatten).hidden(KEY, rrsets(*types)) == hidden
    if not listed:
        assert Apexes(flatten=flatten).hidden(KEY, rrsets(*types)) == hidden


def test_records_of_ones_own_win_over_the_cname_of_the_log() -> None:
    """It is the CNAME that is hidden then."""
    assert Apexes().hidden(KEY, rrsets(A, CNAME, local=A)) == {CNAME}


@pytest.mark.parametrize(
    ("flags", "at_apex"), list(product((0, HAS_CNAME, HAS_SOA, HAS_CNAME | HAS_SOA), (False, True))),
)
def test_a_cname_hides_others_only_where_it_is_answered(flags: int, at_apex: bool) -> None:
    alias = is_alias(flags, at_apex=at_apex)
    assert alias == (bool(flags & HAS_CNAME) and not at_apex)
    assert is_served(CNAME, flags, at_apex=at_apex) == alias
    assert is_served(CNAME, flags, at_apex=at_apex, flatten=True) == bool(flags & HAS_CNAME)
    assert is_served(A, flags, at_apex=at_apex) is not alias
    assert is_served(RRSIG, flags, at_apex=at_apex)
    assert is_served(NSEC, flags, at_apex=at_apex)


APEX = "a CNAME at a zone apex, which is not served, or flattened to addresses (DNS_APEX_CNAME)"
OWN = "records of this instance's own hide the CNAME of the log"


@pytest.mark.parametrize(
    ("types", "local", "said"),
    [
        ((), 0, ""), ((CNAME,), 0, ""), ((A, TXT), 0, ""), ((A, SOA), 0, ""),
        ((A, CNAME), 0, "a CNAME shadows the other types"),
        ((CNAME, RRSIG, TXT), 0, "a CNAME shadows the other types"),
        ((CNAME, RRSIG), 0, ""), ((CNAME, NSEC), 0, ""), ((CNAME, NSEC, RRSIG), 0, ""),
        ((CNAME, SOA), 0, APEX), ((A, CNAME, SOA), 0, APEX), ((CNAME, SOA), SOA, APEX),
        ((A, CNAME), A, OWN), ((A, CNAME, TXT), TXT, OWN),
        ((A, CNAME), CNAME, "a CNAME shadows the other types"),
    ],
)
def test_what_contradicts_itself(types: tuple[int, ...], local: int, said: str) -> None:
    held = rrsets(*types, local=local)
    assert contradiction(held) == said
    assert contradiction(iter(held)) == said
    if said == OWN:
        assert not node_flags(held) & HAS_CNAME


@pytest.mark.parametrize(
    ("mnemonic", "content", "line"),
    [
        ("A", "192.0.2.1", "A 192.0.2.1"),
        ("HTTPS", "1 . alpn=h2 key8", 'HTTPS 1 . alpn="h2" key8'),
        # An escape within an escape is written so that Knot reads it, too.
        ("HTTPS", '1 . alpn="a\\\\\\\\,b"', "TYPE65 \\# 12 0001000001000502615c0162"),
        ("TXT", '"a\\\\b"', 'TXT "a\\\\b"'),
        ("TYPE65280", "\\# 2 beef", "TYPE65280 \\# 2 beef"),
        ("A6", "0 2001:db8::1", "TYPE38 \\# 17 0020010db8000000000000000000000001"),
        ("MB", "x.", "TYPE7 \\# 3 017800"),
    ],
)
def test_lines_that_others_read(mnemonic: str, content: str, line: str) -> None:
    """A type that NSD, BIND or Knot has no text for is in the generic form of RFC 3597."""
    rdtype = rdata.type_from_text(mnemonic)
    wire = rdata.from_text(rdtype, content)
    shown = record_line(name.from_text("*.Example."), 300, rdtype, wire)
    assert shown == f"*.Example. 300 IN {line}"
