"""Aliases where rules meet: DNAMEs that lead back to where they began, names behind them, names with unusual octets."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import pytest

from streamdns.dns import name
from streamdns.dns.node import CNAME, LOCAL, Origin, RRset, encode, pack_records
from streamdns.dns.outcome import MAX_ADDITIONAL_TARGETS
from tests.unit.dns.answering import EXAMPLE, SOA_TEXT, Memory, answerer, ask, section, wire_reply, zones


@pytest.mark.parametrize("rdtype", ["CNAME", "ANY"])
def test_who_asks_for_the_alias_below_a_dname_gets_the_one_that_it_makes(rdtype: str) -> None:
    """RFC 6672 §3.1: and no other one, though there is one at the target."""
    text = EXAMPLE + "d.example. 60 DNAME t.example.\nx.t.example. 60 CNAME ns.example.\n"
    assert section(ask(text, "x.d.example", rdtype).answer) == [
        "d.example. DNAME t.example.", "x.d.example. CNAME x.t.example.",
    ]


def test_a_dname_at_the_root_is_applied_once() -> None:
    """Every target is below it."""
    reply = ask(f". 60 SOA {SOA_TEXT}\n. 60 DNAME t.\n", "a.b", tcp=True)
    assert section(reply.answer) == [". DNAME t.", "a.b. CNAME a.b.t."]


def test_dnames_that_lead_to_each_other_are_said_once() -> None:
    text = EXAMPLE + "g.example. 60 DNAME h.example.\nh.example. 60 DNAME x.g.example.\n"
    packet = dns.message.make_query("a.g.example", "A").to_wire()
    wire = answerer(text).reply(packet, True, 0)
    assert wire is not None
    read = dns.message.from_wire(wire, one_rr_per_rrset=True)
    assert sorted(each.name.to_text() for each in read.answer if each.rdtype == 39) == ["g.example.", "h.example."]
    assert len({each.to_text() for each in read.answer}) == len(read.answer) > 10


def test_what_stands_at_a_dname_is_answered_though_the_chain_has_passed_it() -> None:
    """RFC 6672 §2.3: the owner itself is not redirected; its DNAME is an RRset as others are."""
    text = EXAMPLE + "d.example. 60 DNAME e.example.\nx.e.example. 60 CNAME d.example.\nd.example. 60 TXT here\n"
    assert section(ask(text, "x.d.example", "TXT").answer) == [
        "d.example. DNAME e.example.", "x.d.example. CNAME x.e.example.", "x.e.example. CNAME d.example.",
        'd.example. TXT "here"',
    ]
    assert section(ask(text, "d.example", "DNAME").answer) == ["d.example. DNAME e.example."]


@pytest.mark.parametrize("rotate", [False, True])
def test_addresses_that_go_with_others(rotate: bool) -> None:
    """An alias has none of its own (RFC 2181 §10.3), but for the apex of a zone, where the CNAME is hidden; they are
    there for so many names at the most; octets that keys escape do no harm.
    """
    mail = "".join(f"many.example. 60 MX {n} t{n}.example.\nt{n}.example. 60 A 192.0.2.{n}\n" for n in range(40))
    made = answerer(EXAMPLE + mail + r"""
        alias.example. 60 CNAME ns.example.
        alias.example. 60 A 192.0.2.99
        to-alias.example. 60 MX 1 alias.example.
        apex.example. 60 SOA ns.example. host.example. 1 2 3 4 5
        apex.example. 60 CNAME ns.example.
        apex.example. 60 A 192.0.2.98
        apex.example. 60 MX 1 apex.example.
        \001a.example. 60 A 192.0.2.97
        odd.example. 60 MX 1 \001a.example.
        to-odd.example. 60 CNAME \001a.example.
    """, rotate=rotate)
    assert section(ask(made, "to-alias.example", "MX").additional) == []
    assert section(ask(made, "apex.example", "MX").additional) == ["apex.example. A 192.0.2.98"]
    assert section(ask(made, "odd.example", "MX").additional) == [r"\001a.example. A 192.0.2.97"]
    assert section(ask(made, "to-odd.example", "A").answer)[1:] == [r"\001a.example. A 192.0.2.97"]
    reply = ask(made, "many.example", "MX", tcp=True)
    assert (len(reply.answer[0]), len(reply.additional)) == (40, MAX_ADDITIONAL_TARGETS)


def test_a_pair_comes_in_both_orders() -> None:
    made = answerer(EXAMPLE + "w.example. 60 A 192.0.2.1\nw.example. 60 A 192.0.2.2\n", rotate=True)
    assert {section(ask(made, "w.example").answer)[0] for _ in range(2)} == {
        "w.example. A 192.0.2.1", "w.example. A 192.0.2.2",
    }


@pytest.mark.parametrize("rotate", [False, True])
def test_types_with_two_octets_are_asked_for_by_both(rotate: bool) -> None:
    made = answerer(EXAMPLE + 'w.example. 60 CAA 0 issue "ca.example"\nw.example. 60 A 192.0.2.1\n', rotate=rotate)
    assert section(ask(made, "w.example", "CAA").answer) == ['w.example. CAA 0 issue "ca.example"']
    assert ask(made, "ns.example", "CAA").answer == []


@pytest.mark.parametrize("rdtype", ["NS", "DNAME"])
@pytest.mark.parametrize("is_there", [False, True])
def test_bounds_without_their_records_are_no_answer(rdtype: str, is_there: bool) -> None:
    """Nothing is denied, and nothing said, where the tables of a damaged view do not fit each other."""
    view = Memory(EXAMPLE + f"cut.example. 60 {rdtype} far.invalid.\nother.example. 60 TXT x\n")
    held = view.node
    other = held(b"example\0other\0") if is_there else None

    def node(key: bytes) -> bytes | None:
        return other if key == b"example\0cut\0" else held(key)

    view.node = node  # type: ignore[assignment]
    reply = ask(answerer(view), "x.cut.example")
    assert (reply.rcode(), reply.answer, reply.authority) == (dns.rcode.SERVFAIL, [], [])


@pytest.mark.parametrize("rotate", [False, True])
def test_an_alias_that_records_of_this_instance_hide_is_not_answered(rotate: bool) -> None:
    """Neither by itself nor as the way to something else."""
    view, origin = Memory(EXAMPLE + "w.example. 60 A 192.0.2.1\n"), Origin(0, 0, 0, 0, b"")
    raw = encode([
        RRset(1, LOCAL, 1, pack_records(1, 60, [b"\xc0\0\2\x09"]), origin),
        RRset(CNAME, 0, 1, pack_records(CNAME, 60, [name.from_text("ns.example.")]), origin),
    ], owner=name.from_text("w.example."))
    held = view.node
    view.node = lambda key: raw if key == b"example\0w\0" else held(key)  # type: ignore[assignment]
    made = answerer(view, rotate=rotate)
    assert section(ask(made, "w.example", "A").answer) == ["w.example. A 192.0.2.9"]
    for rdtype in ("CNAME", "TXT"):
        reply = ask(made, "w.example", rdtype)
        assert (reply.rcode(), reply.answer, section(reply.authority)) == (0, [], [f"example. SOA {SOA_TEXT}"])


def test_an_apex_without_a_soa_is_asked_for_it() -> None:
    """A listed zone whose apex has other records has the SOA that is made for it all the same."""
    made = answerer("example. 60 TXT x\nwww.example. 60 A 192.0.2.1\n", zones=zones("example"))
    soa = ["example. SOA example. hostmaster.example. 1 3600 600 604800 60"]
    assert section(ask(made, "example", "SOA").answer) == soa
    assert section(ask(made, "example", "TXT").answer) == ['example. TXT "x"']
    assert section(ask(made, "example", "A").authority) == soa


def test_a_flattened_apex_that_does_not_fit_is_cut_off() -> None:
    text = EXAMPLE + "example. 60 CNAME big.example.\n"
    text += "".join(f"big.example. 60 A 192.0.2.{number}\n" for number in range(40))
    made = answerer(text, flatten_apex_cname=True)
    reply = ask(made, "example")
    assert (bool(reply.flags & dns.flags.TC), reply.answer) == (True, [])
    whole = ask(made, "example", tcp=True)
    assert (bool(whole.flags & dns.flags.TC), len(whole.answer[0])) == (False, 40)
    assert wire_reply(made, "example", "A")[2] & 2
