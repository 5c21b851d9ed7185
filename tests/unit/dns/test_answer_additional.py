"""Records that come along, and what stands beside others: whose addresses they are, how their owners are written."""

from __future__ import annotations

import dns.message
import pytest

from tests.unit.dns.answering import EXAMPLE, answerer, ask, section

ZONE = EXAMPLE + """
own.example. 60 MX 1 own.example.
own.example. 60 A 192.0.2.1
parent.own.example. 60 MX 1 own.example.
none.example. 60 MX 0 .
some.example. 60 MX 0 .
some.example. 60 MX 1 ns.example.
some.example. 60 MX 2 .
alias.example. 60 CNAME ns.example.
order.example. 60 MX 1 alias.example.
order.example. 60 MX 2 absent.example.
order.example. 60 MX 3 far.other.
order.example. 60 MX 4 ns.example.
order.example. 60 MX 5 a.example.
a.example. 60 TXT x
a.example. 60 AAAA 2001:db8::1
a.example. 60 A 192.0.2.2
a.example. 60 A 192.0.2.3
self.example. 60 NS self.example.
self.example. 60 A 192.0.2.4
both.example. 60 CNAME ns.example.
both.example. 60 A 192.0.2.5
both.example. 60 RRSIG A 8 2 60 20300101000000 20290101000000 1 example. AAAA
other. 60 SOA ns.example. host.example. 1 2 3 4 5
far.other. 60 A 192.0.2.6
x.other. 60 MX 1 ns.example.
*.w.example. 60 MX 1 ns.example.
*.w.example. 60 SRV 1 2 3 ns.example.
*.w.example. 60 HTTPS 1 ns.example.
"""


@pytest.mark.parametrize("is_simple", [True, False])
@pytest.mark.parametrize(("owner", "rdtype", "additional"), [
    ("own.example", "MX", ["own.example. A 192.0.2.1"]), ("parent.own.example", "MX", ["own.example. A 192.0.2.1"]),
    ("none.example", "MX", []), ("some.example", "MX", ["ns.example. A 192.0.2.53"]),
    ("order.example", "MX", ["a.example. A 192.0.2.2", "a.example. A 192.0.2.3", "a.example. AAAA 2001:db8::1",
                             "ns.example. A 192.0.2.53"]),
    ("x.self.example", "A", ["self.example. A 192.0.2.4"]), ("self.example", "MX", ["self.example. A 192.0.2.4"]),
    ("x.other", "MX", []), ("x.w.example", "MX", ["ns.example. A 192.0.2.53"]),
    ("y.x.w.example", "SRV", ["ns.example. A 192.0.2.53"]), ("x.w.example", "HTTPS", ["ns.example. A 192.0.2.53"]),
])
def test_addresses_of_names_in_the_zone_come_along(
    owner: str, rdtype: str, additional: list[str], is_simple: bool
) -> None:
    """Neither those of an alias, nor those of another zone; "." has none (RFC 7505), and the others have theirs."""
    made = answerer(ZONE)
    made._simple = is_simple
    reply = ask(made, owner, rdtype)
    assert sorted(section(reply.additional)) == additional
    assert len(reply.answer) + len(reply.authority) == 1


@pytest.mark.parametrize("is_simple", [True, False])
@pytest.mark.parametrize("owner", ["own", "parent.own"])
def test_an_owner_that_stands_in_the_question_is_a_pointer_to_it(owner: str, is_simple: bool) -> None:
    """And not a pointer to a pointer: the fewer of them follow one another the better clients read it."""
    made = answerer(ZONE)
    made._simple = is_simple
    packet = dns.message.make_query(f"{owner}.example", "MX").to_wire()
    wire = made.reply(packet, False, 0)
    assert wire is not None
    to = b"\xc0" + bytes((12 + packet.index(b"\3own") - 12,))
    assert wire.endswith(to + to + b"\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1")


@pytest.mark.parametrize("is_simple", [True, False])
def test_an_alias_is_found_wherever_it_stands_among_the_types_of_its_name(is_simple: bool) -> None:
    """Whatever else there is: it hides all but the signatures (RFC 4035 §2.5)."""
    made = answerer(ZONE)
    made._simple = is_simple
    for rdtype in ("A", "MX", "TXT", "AAAA"):
        assert section(ask(made, "both.example", rdtype).answer)[0] == "both.example. CNAME ns.example."
    assert section(ask(made, "both.example", "A").answer)[1:] == ["ns.example. A 192.0.2.53"]
    assert [each.split()[1] for each in section(ask(made, "both.example", "RRSIG").answer)] == ["RRSIG"]


@pytest.mark.parametrize("mname", ["ns.example.", "example.", ".", "a.b.example.", "NS.Example.", "ns1.provider.net."])
@pytest.mark.parametrize("rname", [
    "host.example.", "example.", ".", "h.", "host.provider.net.", "host.ns1.provider.NET.", "h.net.", "other.org.",
])
def test_a_denial_takes_as_few_octets_in_both_ways(mname: str, rname: str) -> None:
    made = answerer(f"example. 300 SOA {mname} {rname} 1 2 3 4 5\n")
    sizes = []
    for is_simple in (True, False):
        made._simple = is_simple
        wire = made.reply(dns.message.make_query("none.example", "A").to_wire(), False, 0)
        assert wire is not None
        (soa,) = dns.message.from_wire(wire).authority
        assert soa[0].to_text().lower() == f"{mname} {rname} 1 2 3 4 5".lower()
        sizes.append(len(wire))
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(("octets", "rcode"), [(253, 0), (254, 0), (255, 0), (256, 6), (257, 6)])
@pytest.mark.parametrize("is_simple", [True, False])
def test_how_long_a_name_may_be_that_a_dname_makes(octets: int, rcode: int, is_simple: bool) -> None:
    """RFC 6672 §2.2: 255 octets, else YXDOMAIN; the DNAME is in the answer either way."""
    made = answerer(EXAMPLE + f"d.example. 60 DNAME {'t' * 60}.{'u' * 57}.example.\n")
    made._simple = is_simple
    left = octets - (61 + 58 + 9) - 61 - 4
    reply = ask(made, f"{'x' * 60}.{'y' * (left - 1)}.zzz.d.example", "TXT", tcp=True)
    assert reply.rcode() == (3 if rcode == 0 else rcode)
    assert [rrset.rdtype for rrset in reply.answer] == ([39, 5] if rcode == 0 else [39])


@pytest.mark.parametrize("is_simple", [True, False])
@pytest.mark.parametrize(("target", "tail"), [
    ("a.example.", "a.example. 60 A 192.0.2.1\n"), ("n.example.", ""),
    ("a.example.", "a.example. 60 MX 1 b.example.\na.example. 60 A 192.0.2.1\na.example. 60 A 192.0.2.2\n"),
    ("x.d.example.", "d.example. 60 DNAME e.example.\nx.e.example. 60 A 192.0.2.1\n"),
    ("x.cut.example.", "cut.example. 60 NS ns.cut.example.\nns.cut.example. 60 A 192.0.2.1\n"),
])
def test_the_end_of_a_chain_is_there_or_the_reply_is_cut_off(target: str, tail: str, is_simple: bool) -> None:
    """RFC 2181 §9: whatever it is that does not fit, and however much does."""
    long = f"{'l' * 60}.{'m' * 50}"
    links = "".join(f"c{number}.example. 60 CNAME {long}.c{number}.example.\n"
                    f"{long}.c{number}.example. 60 CNAME c{number + 1}.example.\n" for number in range(4))
    made = answerer(EXAMPLE + links + f"c4.example. 60 CNAME {target}\n" + tail)
    made._simple = is_simple
    whole = ask(made, "c0.example", use_edns=0, tcp=True)
    size = len(whole.to_wire()) + 40
    assert size > 600
    for payload in range(512, size, 5):
        reply = ask(made, "c0.example", use_edns=0, payload=payload)
        if not reply.flags & 0x0200:
            assert reply.answer == whole.answer
            assert reply.authority == whole.authority
