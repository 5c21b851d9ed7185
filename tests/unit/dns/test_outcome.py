"""Outcomes of a lookup step by step: counts, marks and limits, in the quick way and in the general one."""

from __future__ import annotations

import dns.flags
import dns.message
import pytest

from streamdns.dns import name
from streamdns.dns.lookup import synthesised_soa
from streamdns.dns.unusual import question_end
from streamdns.dns.wire import record_end
from tests.unit.dns.answering import EXAMPLE, Memory, answerer, ask, errors, section

COUNTED = EXAMPLE + """
far{0}.example. 60 CNAME a{0}.example.
nearer{0}.example. 60 CNAME far{0}.example.
"""


def counted(count: int) -> str:
    """Names with so many records of each kind."""
    numbers = range(count)
    return COUNTED.format(count) + "".join(
        f"a{count}.example. 60 A 10.0.{n >> 8}.{n & 255}\n"
        f"aaaa{count}.example. 60 AAAA 2001:db8::{n:x}\n"
        f"mx{count}.example. 60 MX 1 m{n}.invalid.\n"
        f"ptr{count}.example. 60 PTR m{n}.example.\n"
        f"cut{count}.example. 60 NS m{n}.invalid.\n" for n in numbers
    ) + f"one{count}.example. 60 MX 1 a{count}.example.\ncut-one{count}.example. 60 NS a{count}.example.\n"


@pytest.mark.parametrize("count", [1, 254, 255, 256, 257, 512])
def test_counts_of_records_are_right_beyond_one_octet(count: int) -> None:
    """Of each kind of reply and in each section; the OPT record is one more of the additional ones."""
    made = answerer(counted(count))
    for owner, rdtype, sizes in (
        ("a", "A", (count, 0, 0)), ("aaaa", "AAAA", (count, 0, 0)), ("mx", "MX", (count, 0, 0)),
        ("ptr", "PTR", (count, 0, 0)), ("far", "A", (count + 1, 0, 0)), ("nearer", "A", (count + 2, 0, 0)),
        ("x.cut", "A", (0, count, 0)), ("one", "MX", (1, 0, count)), ("x.cut-one", "A", (0, 1, count)),
    ):
        for use_edns in (-1, 0):
            query = dns.message.make_query(f"{owner}{count}.example", rdtype, use_edns=use_edns).to_wire()
            for is_simple in (True, False):
                made._simple = is_simple
                wire = made.reply(query, True, 0)
                assert wire is not None
                header = [int.from_bytes(wire[at : at + 2], "big") for at in (4, 6, 8, 10)]
                assert header == [1, *sizes[:2], sizes[2] + use_edns + 1], (owner, is_simple)
                at = question_end(wire)
                for _ in range(sum(header) - 1):
                    at = record_end(wire, at)
                assert at == len(wire)


MARKED = EXAMPLE + """
alias.example. 60 CNAME www.example.
www.example. 60 A 192.0.2.1
flat.example. 60 SOA ns.example. host.example. 1 2 3 4 5
flat.example. 60 CNAME alias.example.
"""


@pytest.mark.parametrize("is_simple", [True, False])
@pytest.mark.parametrize("flatten", [True, False])
@pytest.mark.parametrize(("rejected", "owners"), [
    (("www.example", "A"), {"www", "alias", "flat"}), (("alias.example", "CNAME"), {"alias", "flat"}),
    (("flat.example", "CNAME"), {"flat"}), (("ns.example", "A"), set()),
])
def test_what_came_from_a_stale_record_says_so(
    rejected: tuple[str, str], owners: set[str], flatten: bool, is_simple: bool
) -> None:
    """EDE 3 where any link of the way is stale (RFC 8914 §4.4), once, and the answer is there all the same."""
    made = answerer(Memory(MARKED, rejected=[rejected]), flatten_apex_cname=flatten)
    made._simple = is_simple
    for owner in ("www", "alias", "flat"):
        reply = ask(made, f"{owner}.example", use_edns=0)
        flat = owner == "flat"
        assert errors(reply) == ([3] if owner in owners and (flatten or not flat) else []), owner
        assert bool(reply.answer) is (flatten or not flat)
        assert ask(made, f"{owner}.example").edns == -1


@pytest.mark.parametrize("flatten", [True, False])
def test_a_server_that_is_stale_says_so_of_everything(flatten: bool) -> None:
    """Of answers, denials and what an apex stands for; whoever speaks no EDNS is not told."""
    made = answerer(MARKED + "cut.example. 60 NS ns.cut.example.\n", flatten_apex_cname=flatten)
    made.stale = True
    made.bind(made.view)
    for owner in ("www", "alias", "flat", "none", "x.cut"):
        assert errors(ask(made, f"{owner}.example", use_edns=0)) == [3], owner
        assert ask(made, f"{owner}.example").edns == -1


@pytest.mark.parametrize("octets", [100, 242, 243, 244, 245, 246, 254, 255])
def test_the_mailbox_of_a_soa_that_is_made_is_a_name(octets: int) -> None:
    """Where "hostmaster" before the apex would be longer than 255 octets the apex stands for it (RFC 1035 §2.3.4)."""
    labels, left = [], octets - 1
    while left:
        size = min(left, 60) if left - min(left, 60) != 1 else min(left, 60) - 1
        labels.append("a" * (size - 1))
        left -= size
    apex = name.from_text(".".join(labels) + ".")
    assert len(apex) == octets
    records = synthesised_soa(name.key(apex))
    rname = records[12 + octets : -20]
    assert records.startswith(apex, 12)
    assert rname == (b"\x0ahostmaster" + apex if octets + 11 <= 255 else apex)
    assert records[-20:] == b"".join(each.to_bytes(4, "big") for each in (1, 3600, 600, 604800, 60))


GLUE = EXAMPLE + "".join(f"""
cut.example. 60 NS ns{n}.cut.example.
ns{n}.cut.example. 60 A 192.0.2.{n}
ns{n}.cut.example. 60 AAAA 2001:db8::{n}
beside.example. 60 NS ns{n}.beside.example.
beside.example. 60 NS away{n}.example.
ns{n}.beside.example. 60 A 192.0.2.{n}
away{n}.example. 60 AAAA 2001:db8::{n}
""" for n in range(1, 9))


@pytest.mark.parametrize("is_simple", [True, False])
@pytest.mark.parametrize("payload", range(512, 900, 29))
@pytest.mark.parametrize("owner", ["x.cut", "x.beside"])
def test_glue_is_whole_or_the_referral_is_cut_off(owner: str, payload: int, is_simple: bool) -> None:
    """Addresses of servers below the cut must be there (RFC 9471 §3.1); those of others are left out without a word."""
    made = answerer(GLUE)
    made._simple = is_simple
    reply = ask(made, f"{owner}.example", use_edns=0, payload=payload)
    whole = ask(made, f"{owner}.example", tcp=True, use_edns=0)
    needed = {rrset.to_text() for rrset in whole.additional if rrset.name.to_text().startswith("ns")}
    assert len(needed) == (16 if owner == "x.cut" else 8)
    found = {rrset.to_text() for rrset in reply.additional}
    assert found <= {rrset.to_text() for rrset in whole.additional}
    assert needed <= found or reply.flags & dns.flags.TC
    # An address of a server elsewhere takes 28 octets, and never the place of one that must be there.
    least = len(whole.wire or b"") - (8 * 28 if owner == "x.beside" else 0)
    assert bool(reply.flags & dns.flags.TC) is (payload < least)
    assert not whole.flags & dns.flags.TC
    assert len(whole.additional) == 16


def test_a_server_that_is_named_twice_has_its_addresses_once() -> None:
    """In another spelling it is the same name."""
    spellings = ("NS.example", "ns.example", "ns.EXAMPLE")
    text = EXAMPLE + "".join(f"mx.example. 60 MX 1 {server}.\n" for server in spellings)
    for is_simple in (True, False):
        made = answerer(text)
        made._simple = is_simple
        assert [each.lower() for each in section(ask(made, "mx.example", "MX").additional)] == [
            "ns.example. a 192.0.2.53",
        ]


@pytest.mark.parametrize("is_simple", [True, False])
@pytest.mark.parametrize(("ttl", "minimum"), [
    (5, 60), (60, 5), (300, 300), (0, 5), (5, 0), (1 << 24, 5), (5, 1 << 24), (256, 255), (255, 256),
    (0x7FFFFFFF, 65536),
])
def test_a_denial_is_good_for_the_lower_of_two_times(ttl: int, minimum: int, is_simple: bool) -> None:
    """RFC 2308 §3: the TTL of the SOA, or its last field."""
    made = answerer(f"example. {ttl} SOA ns.example. host.example. 1 2 3 4 {minimum}\n")
    made._simple = is_simple
    (soa,) = ask(made, "none.example").authority
    assert (soa.ttl, soa[0].minimum) == (min(ttl, minimum), minimum)


def test_the_mailbox_of_a_zone_may_share_what_stands_above_its_apex() -> None:
    """The apex is in the question, and so is what is above it; the mailbox is not below the apex."""
    for mname, rname in (("ns.example.org.", "host.org."), ("ns.org.", "host.org."), ("org.", "example.org.")):
        made = answerer(f"example.org. 60 SOA {mname} {rname} 1 2 3 4 5\n")
        for is_simple in (True, False):
            made._simple = is_simple
            (soa,) = ask(made, "none.example.org").authority
            assert soa[0].to_text() == f"{mname} {rname} 1 2 3 4 5"
