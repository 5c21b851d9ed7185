"""Each outcome of a lookup: what is in the sections, AA, RCODE and extended error."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rcode
import pytest

from streamdns.dns.outcome import MAX_CHAIN
from tests.unit.dns.answering import EXAMPLE, SOA_TEXT, Memory, answerer, ask, errors, section, zones

SOA = f"example. SOA {SOA_TEXT}"
NOERROR, SERVFAIL, NXDOMAIN, REFUSED, YXDOMAIN = (
    dns.rcode.NOERROR, dns.rcode.SERVFAIL, dns.rcode.NXDOMAIN, dns.rcode.REFUSED, dns.rcode.YXDOMAIN,
)


def authoritative(reply: dns.message.Message) -> bool:
    return bool(reply.flags & dns.flags.AA)


def test_an_rrset_of_its_own_name() -> None:
    """All records of the type, none of another, AA; the header copies RD and not CD (RFC 4035 §3.1.6)."""
    text = EXAMPLE + "www.example. 60 A 192.0.2.1\nwww.example. 60 A 192.0.2.2\nwww.example. 60 AAAA 2001:db8::1"
    reply = ask(text, "WWW.example", flags=dns.flags.RD | dns.flags.CD | dns.flags.AD)
    assert section(reply.answer) == ["WWW.example. A 192.0.2.1", "WWW.example. A 192.0.2.2"]
    assert reply.answer[0].ttl == 60
    assert reply.flags == dns.flags.QR | dns.flags.AA | dns.flags.RD
    assert not reply.authority
    assert not reply.additional


def test_nodata_and_nxdomain_carry_the_soa_with_the_lower_ttl() -> None:
    """RFC 2308 §2.1, §2.2, §3: SOA in authority, its TTL the lower of its own and MINIMUM."""
    nodata, nxdomain = ask(EXAMPLE, "ns.example", "TXT"), ask(EXAMPLE, "nothing.example")
    assert (nodata.rcode(), nxdomain.rcode()) == (NOERROR, NXDOMAIN)
    for reply in (nodata, nxdomain):
        assert authoritative(reply)
        assert not reply.answer
        assert section(reply.authority) == [SOA]
        assert reply.authority[0].ttl == 60
    short = EXAMPLE.replace("example. 300 SOA", "example. 7 SOA")
    assert ask(short, "nothing.example").authority[0].ttl == 7


def test_an_empty_non_terminal_is_nodata() -> None:
    """RFC 8020, also where only a wildcard or a name with odd octets is below."""
    for below in ("a.b.ent", "*.ent", r"\000.ent", r"\001\000.ent", r"\255.ent"):
        reply = ask(EXAMPLE + f"{below}.example. 60 A 192.0.2.1", "ent.example")
        assert (reply.rcode(), section(reply.authority)) == (NOERROR, [SOA]), below


def test_a_name_that_only_looks_like_a_parent_is_no_empty_non_terminal() -> None:
    """`ent` is not above `enter`, nor is `a` above the label `a` + zero octet."""
    text = EXAMPLE + "x.enter.example. 60 A 192.0.2.1\n" + r"a\000b.example. 60 A 192.0.2.1"
    for owner in ("ent.example", "a.example", "b.a.example", "a.b.example"):
        assert ask(text, owner).rcode() == NXDOMAIN, owner


@pytest.mark.parametrize(
    ("owner", "rcode", "answered"),
    [
        ("x.wild", NOERROR, True),  # one label below
        ("y.x.wild", NOERROR, True),  # several labels
        ("wild", NOERROR, False),  # above its wildcard: an empty non-terminal
        ("*.wild", NOERROR, True),  # the wildcard itself
        ("x.*.wild", NXDOMAIN, False),  # the wildcard exists, and is the closest encloser
        ("there.wild", NOERROR, False),  # exists with another type
        ("x.there.wild", NXDOMAIN, False),  # the closest encloser has no wildcard
        ("x.deep.wild", NXDOMAIN, False),  # an empty non-terminal is a closest encloser too
        ("deep.wild", NOERROR, False),
    ],
)
def test_wildcards(owner: str, rcode: int, answered: bool) -> None:
    """RFC 4592 §2.2.1, §3.3: the source of synthesis is below the closest encloser and nowhere else."""
    text = EXAMPLE + "*.wild.example. 60 A 192.0.2.7\nthere.wild.example. 60 TXT x\na.deep.wild.example. 60 TXT x"
    reply = ask(text, f"{owner}.example")
    assert reply.rcode() == rcode
    assert section(reply.answer) == ([f"{owner}.example. A 192.0.2.7"] if answered else [])
    assert section(reply.authority) == ([] if answered else [SOA])


def test_a_wildcard_that_is_an_empty_non_terminal() -> None:
    """RFC 4592 §4.9 by way of §2.2.2: names below it exist, so it matches with NODATA."""
    assert ask(EXAMPLE + "a.*.w.example. 60 A 192.0.2.1", "x.w.example").rcode() == NOERROR


def test_a_cname_is_followed_through_our_zones() -> None:
    """The chain in order, then the RRset; where it leaves our zones it ends without an error."""
    text = EXAMPLE + (
        "a.example. 60 CNAME b.example.\nb.example. 60 CNAME c.other.\n"
        "out.example. 60 CNAME far.invalid.\ngone.example. 60 CNAME nothing.example.\n"
        f"other. 60 SOA {SOA_TEXT}\nother. 60 NS ns.other.\nc.other. 60 A 192.0.2.9"
    )
    reply = ask(text, "a.example")
    assert section(reply.answer) == ["a.example. CNAME b.example.", "b.example. CNAME c.other.", "c.other. A 192.0.2.9"]
    assert reply.rcode() == NOERROR
    assert section(ask(text, "a.example", "CNAME").answer) == ["a.example. CNAME b.example."]
    reply = ask(text, "out.example")
    assert (reply.rcode(), section(reply.answer), reply.authority) == (NOERROR, ["out.example. CNAME far.invalid."], [])
    reply = ask(text, "gone.example")
    assert (reply.rcode(), len(reply.answer), section(reply.authority)) == (NXDOMAIN, 1, [SOA])  # RFC 6604


def test_a_cname_to_a_cut_gives_a_referral_with_aa() -> None:
    """AA belongs to the first name (RFC 1035 §4.1.1)."""
    text = EXAMPLE + "a.example. 60 CNAME x.sub.example.\nsub.example. 60 NS ns.sub.example."
    reply = ask(text, "a.example")
    assert authoritative(reply)
    assert section(reply.authority) == ["sub.example. NS ns.sub.example."]


def test_loops_and_long_chains_end() -> None:
    """A loop is shown once round; a chain is followed for MAX_CHAIN links."""
    loop = EXAMPLE + "a.example. 60 CNAME b.example.\nb.example. 60 CNAME a.example.\n"
    loop += "self.example. 60 CNAME self.example."
    assert (ask(loop, "a.example").rcode(), len(ask(loop, "a.example").answer)) == (NOERROR, 2)
    assert len(ask(loop, "self.example").answer) == 1
    links = "".join(f"l{n}.example. 60 CNAME l{n + 1}.example.\n" for n in range(40))
    text = EXAMPLE + links + f"l{MAX_CHAIN}.other. 60 A 192.0.2.1\n"
    assert len(ask(text, "l0.example", tcp=True).answer) == MAX_CHAIN + 1
    ended = ask(text + "l40.example. 60 A 192.0.2.3", "l25.example", tcp=True)
    assert section(ended.answer)[-1] == "l40.example. A 192.0.2.3"


def test_a_cname_shadows_the_other_types_of_its_name() -> None:
    """events.md 4: the CNAME stands, the others are there but not answered."""
    text = EXAMPLE + "a.example. 60 CNAME ns.example.\na.example. 60 A 192.0.2.66\na.example. 60 NS ns.example."
    assert section(ask(text, "a.example").answer) == ["a.example. CNAME ns.example.", "ns.example. A 192.0.2.53"]
    assert ask(text, "x.a.example").rcode() == NXDOMAIN


def test_dname() -> None:
    """RFC 6672 §3.1: the DNAME, a CNAME with its TTL, what is at the new name; the owner itself is not redirected."""
    text = EXAMPLE + "d.example. 77 DNAME t.example.\nx.t.example. 60 A 192.0.2.5\nd.example. 60 TXT here"
    reply = ask(text, "X.d.example")
    assert section(reply.answer) == [
        "d.example. DNAME t.example.", "X.d.example. CNAME X.t.example.", "X.t.example. A 192.0.2.5",
    ]
    assert [rrset.ttl for rrset in reply.answer] == [77, 77, 60]
    assert section(ask(text, "d.example", "TXT").answer) == ['d.example. TXT "here"']
    assert section(ask(text, "d.example", "A").authority) == [SOA]
    assert section(ask(text, "x.d.example", "CNAME").answer)[1:] == ["x.d.example. CNAME x.t.example."]


def test_dname_overflow_is_yxdomain() -> None:
    """RFC 6672 §2.2: a name longer than 255 octets; one of exactly 255 is a name."""
    target = ".".join(["l" * 63, "m" * 63, "n" * 63, "o" * 40]) + ".example."
    text = EXAMPLE + f"d.example. 60 DNAME {target}"
    fits = "p" * (255 - len(target) - 2)
    reply = ask(text, f"{fits}p.d.example", tcp=True)
    assert (reply.rcode(), section(reply.answer)) == (YXDOMAIN, [f"d.example. DNAME {target}"])
    reply = ask(text, f"{fits}.d.example", tcp=True)
    assert (reply.rcode(), len(reply.answer)) == (NXDOMAIN, 2)


@pytest.mark.parametrize(
    ("dname", "owner", "links"), [("d.example.", "x.d", 1), ("d.d.example.", "x.d", 1), (".", "example.d", 2)]
)
def test_dname_loops_end(dname: str, owner: str, links: int) -> None:
    """A DNAME whose target is at or below itself is applied once; no RRset comes twice."""
    text = EXAMPLE + f"d.example. 60 DNAME {dname}"
    answer = section(ask(text, f"{owner}.example", tcp=True).answer)
    assert len(answer) == len(set(answer)) == links + 1 if dname != "." else answer


def test_a_long_dname_chain_needs_few_compression_pointers() -> None:
    """Clients give up on names that are spread over many pointers: Go's after 10, dnspython after 16."""
    text = EXAMPLE + "".join(f"d{n}.example. 60 DNAME d{n + 1}.example.\n" for n in range(20))
    packet = dns.message.make_query("a.b.d0.example", "A").to_wire()
    wire = answerer(text).reply(packet, True, 0)
    assert wire is not None
    assert len(dns.message.from_wire(wire).answer) == 2 * (MAX_CHAIN + 1)
    grown = EXAMPLE + "g.example. 60 DNAME h.example.\nh.example. 60 DNAME x.g.example.\n"
    wire = answerer(grown).reply(dns.message.make_query("a.g.example", "A").to_wire(), True, 0)
    assert wire is not None
    dns.message.from_wire(wire)
    most = 0
    for start in range(12, len(wire)):
        at, pointers = start, 0
        while at < len(wire) and wire[at] and pointers < 20:
            if wire[at] >= 0xC0:
                at, pointers = (wire[at] & 0x3F) << 8 | wire[at + 1] if at + 1 < len(wire) else len(wire), pointers + 1
            else:
                at += wire[at] + 1
        most = max(most, pointers if at < start else 0)
    assert most <= 10


DIGEST = "00" * 32
DELEGATION = EXAMPLE + f"""
sub.example. 60 NS ns.sub.example.
sub.example. 60 NS ns.sib.example.
sub.example. 60 NS ns.example.
sub.example. 60 NS ns.far.invalid.
sub.example. 60 DS 1 8 2 {DIGEST}
sub.example. 60 TXT occluded
sib.example. 60 NS ns.sib.example.
ns.sub.example. 60 A 192.0.2.11
ns.sub.example. 60 AAAA 2001:db8::11
ns.sib.example. 60 A 192.0.2.12
deep.sub.example. 60 NS ns.deep.sub.example.
*.sub.example. 60 A 192.0.2.13
"""


@pytest.mark.parametrize(
    ("owner", "rdtype"),
    [("sub", "A"), ("sub", "NS"), ("sub", "TXT"), ("x.sub", "A"), ("ns.sub", "A"), ("deep.sub", "DS")],
)
def test_referral(owner: str, rdtype: str) -> None:
    """RFC 1034 §4.3.2 step 3b: everything at or below the topmost cut is referred, without AA, with glue."""
    reply = ask(DELEGATION, f"{owner}.example", rdtype)
    assert (reply.rcode(), authoritative(reply), reply.answer) == (NOERROR, False, [])
    assert {rrset.name.to_text() for rrset in reply.authority} == {"sub.example."}
    assert len(reply.authority[0]) == 4
    assert set(section(reply.additional)) == {
        "ns.sub.example. A 192.0.2.11", "ns.sub.example. AAAA 2001:db8::11", "ns.sib.example. A 192.0.2.12",
        "ns.example. A 192.0.2.53",
    }
    assert reply.additional[0].name.to_text() == "ns.sub.example."


def test_ds_is_answered_by_the_parent() -> None:
    """RFC 4035 §3.1.4.1, also where the child's zone is served here."""
    assert section(ask(DELEGATION, "sub.example", "DS").answer) == [f"sub.example. DS 1 8 2 {DIGEST}"]
    reply = ask(DELEGATION, "sib.example", "DS")
    assert (authoritative(reply), section(reply.authority)) == (True, [SOA])
    served = DELEGATION + f"sub.example. 60 SOA {SOA_TEXT}\nsib.example. 60 SOA {SOA_TEXT}"
    assert section(ask(served, "sub.example", "DS").answer) == [f"sub.example. DS 1 8 2 {DIGEST}"]
    assert section(ask(served, "sib.example", "DS").authority) == [SOA]
    alone = f"sub.example. 60 SOA {SOA_TEXT}\nsub.example. 60 NS ns.sub.example."
    assert section(ask(alone, "sub.example", "DS").authority) == [f"sub.example. SOA {SOA_TEXT}"]


def test_glue_that_must_be_there_sets_tc() -> None:
    """RFC 9471 §3: in-domain glue that does not fit truncates, other addresses are left out silently."""
    text = EXAMPLE + "sub.example. 60 NS ns.sib.example.\nsub.example. 60 NS ns.sub.example.\n"
    crowd = "".join(f"ns.sub.example. 60 AAAA 2001:db8::{n:x}\n" for n in range(20))
    sibling = ask(text + crowd.replace("ns.sub.", "ns.sib.") + "ns.sub.example. 60 A 192.0.2.1", "x.sub.example")
    assert section(sibling.additional) == ["ns.sub.example. A 192.0.2.1"]
    assert not sibling.flags & dns.flags.TC
    own = ask(text + crowd, "x.sub.example")
    assert own.flags & dns.flags.TC
    assert section(own.authority) == ["sub.example. NS ns.sib.example.", "sub.example. NS ns.sub.example."]
    whole = ask(text + crowd, "x.sub.example", tcp=True)
    assert (len(section(whole.additional)), whole.flags & dns.flags.TC) == (20, 0)


def test_more_servers_than_other_types_may_have_targets() -> None:
    """Glue of every in-domain server is there over TCP."""
    servers = "".join(f"sub.example. 60 NS n{n}.sub.example.\nn{n}.sub.example. 60 A 192.0.2.{n}\n" for n in range(60))
    assert len(ask(EXAMPLE + servers, "sub.example", tcp=True).additional) == 60


def test_additional_addresses() -> None:
    """Of MX, SRV and NS targets in the zone, each once however often it is named, in any case."""
    text = EXAMPLE + (
        "s.example. 60 SRV 0 0 1 ns.example.\ns.example. 60 SRV 0 0 2 NS.example.\n"
        "s.example. 60 SRV 0 0 3 ns.far.invalid.\n"
        "m.example. 60 MX 1 ns.example.\nalias.example. 60 CNAME ns.example.\nm.example. 60 MX 1 alias.example."
    )
    for owner, rdtype in (("s", "SRV"), ("m", "MX"), ("example.", "NS")):
        reply = ask(text, owner if owner.endswith(".") else f"{owner}.example", rdtype)
        assert section(reply.additional) == ["ns.example. A 192.0.2.53"], owner


def test_any_is_minimal() -> None:
    """RFC 8482 §4.1: one RRset; the CNAME where there is one, and it is not followed; a subset is enough."""
    text = EXAMPLE + "m.example. 60 A 192.0.2.1\nm.example. 60 TXT x\n"
    text += "a.example. 60 CNAME m.example.\na.example. 60 A 192.0.2.2"
    assert section(ask(text, "m.example", "ANY").answer) == ["m.example. A 192.0.2.1"]
    assert section(ask(text, "a.example", "ANY").answer) == ["a.example. CNAME m.example."]
    assert ask(text, "none.example", "ANY").rcode() == NXDOMAIN
    assert [rrset.rdtype for rrset in ask(text, "example", "ANY").answer] == [2]


def test_rotation_only_when_asked_for() -> None:
    """DNS_ROTATE: off, the order of the event; on, each record comes first in turn, none is lost."""
    text = EXAMPLE + "".join(f"w.example. 60 A 192.0.2.{n}\n" for n in range(3))
    fixed, turning = answerer(text), answerer(text, rotate=True)
    orders = [section(ask(fixed, "w.example").answer) for _ in range(4)]
    assert all(order == orders[0] for order in orders)
    orders = [section(ask(turning, "w.example").answer) for _ in range(3)]
    assert len({order[0] for order in orders}) == 3
    assert all(sorted(order) == sorted(orders[0]) for order in orders)


def test_the_root_zone() -> None:
    """"." as a zone: its apex, names below it, wildcards at the top, referrals."""
    text = f". 60 SOA {SOA_TEXT}\n. 60 NS a.root.\na.root. 60 A 192.0.2.1\ntop. 60 NS ns.top.\nns.top. 60 A 192.0.2.2"
    assert section(ask(text, ".", "NS").answer) == [". NS a.root."]
    assert section(ask(text, ".", "NS").additional) == ["a.root. A 192.0.2.1"]
    assert (ask(text, "nothing").rcode(), section(ask(text, "nothing").authority)) == (NXDOMAIN, [f". SOA {SOA_TEXT}"])
    assert ask(text, "root").rcode() == NOERROR
    assert section(ask(text, "x.top").additional) == ["ns.top. A 192.0.2.2"]
    assert section(ask(text, ".", "A").authority) == [f". SOA {SOA_TEXT}"]
    assert section(ask(text + "\n*. 60 A 192.0.2.3", "any.thing").answer) == ["any.thing. A 192.0.2.3"]
    assert section(ask(text, ".", "DS").authority) == [f". SOA {SOA_TEXT}"]
    listed = answerer(text, zones=zones("."))
    assert ask(listed, "x.y.nothing").rcode() == NXDOMAIN


def test_names_at_the_limits() -> None:
    """255 octets, labels of 63, the octets 0 and 1 in labels, escapes: found, and compressed without harm."""
    longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 53]) + ".example."
    odd = (r"\000\001.\001.\000.example.", r"a\.b.example.", r"\255\\.example.")
    for owner in (longest, "e" * 63 + ".example.", *odd):
        text = EXAMPLE + f"{owner} 60 MX 1 {owner}\n{owner} 60 A 192.0.2.1"
        reply = ask(text, owner, "MX", tcp=True)
        assert dns.name.from_text(owner) == reply.answer[0].name == reply.answer[0][0].exchange
        assert [rrset.name for rrset in reply.additional] == [reply.answer[0].name]
        assert section(ask(text, owner).answer) == section(reply.additional)
        if owner != longest:
            assert ask(text, r"\002." + owner[1 if owner[0] == "e" else 0 :]).rcode() == NXDOMAIN
    assert len(dns.name.from_text(longest).to_wire()) == 255


def test_stale_and_rejected_data_is_served_and_marked() -> None:
    """EDE 3 on everything while the log is out of reach, and on an RRset whose newest event was rejected."""
    made = answerer()
    made.stale = True
    made.bind(made.view)
    for owner in ("ns.example", "nothing.example"):
        assert errors(ask(made, owner, use_edns=0)) == [3]
    assert ask(made, "ns.example").edns == -1
    text = EXAMPLE + "a.example. 60 A 192.0.2.1\na.example. 60 TXT x\nc.example. 60 CNAME a.example."
    marked = Memory(text, rejected=[("a.example", "A"), ("c.example", "CNAME")])
    for owner, rdtype, expected in (("a", "A", [3]), ("a", "TXT", []), ("c", "TXT", [3]), ("c", "CNAME", [3])):
        reply = ask(marked, f"{owner}.example", rdtype, use_edns=0)
        assert (errors(reply), bool(reply.answer)) == (expected, True), (owner, rdtype)
