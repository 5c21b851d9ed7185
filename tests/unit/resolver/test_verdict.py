"""What a response means, said directly: DNAMEs above a name, denials, referrals, last resorts."""

from __future__ import annotations

import pytest

from streamdns.dns import name as names
from streamdns.dns.wire import AAAA, CNAME, DNAME, NS, NXDOMAIN, SOA, TXT, A
from streamdns.resolver.resolution import verdict as says
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.verdict import Verdict, is_within, judge, labels
from tests.harness.hierarchy import wire

ZONE = wire("example.org.")
SOA_RRSET = RRset(ZONE, SOA, 60, (wire("ns.example.org.") * 2 + bytes(20),))


def response(*answer: RRset, authority: tuple[RRset, ...] = (), additional: tuple[RRset, ...] = (), rcode: int = 0,
             aa: bool = True, ra: bool = False) -> Response:
    return Response(0, wire("www.example.org."), A, rcode, aa, False, ra, True, answer, authority, additional)


def judged(given: Response, qname: str = "www.example.org.", qtype: int = A, **more: object) -> Verdict:
    return judge(given, zone=ZONE, qname=wire(qname), qtype=qtype, **more)  # type: ignore[arg-type]


def dname(owner: str, target: str = "example.net.") -> RRset:
    return RRset(wire(owner), DNAME, 60, (wire(target),))


@pytest.mark.parametrize(("owner", "made"), [
    ("d.example.org.", "www.a.b.c.example.net."), ("c.d.example.org.", "www.a.b.example.net."),
    ("b.c.d.example.org.", "www.a.example.net."), ("a.b.c.d.example.org.", "www.example.net."),
    ("example.org.", "www.a.b.c.d.example.net."),
])
def test_a_dname_anywhere_above_the_name(owner: str, made: str) -> None:
    found = judged(response(dname(owner)), "www.a.b.c.d.example.org.")
    assert (found.kind, found.target) == (says.ALIAS, wire(made))
    assert found.rrsets == (dname(owner), RRset(wire("www.a.b.c.d.example.org."), CNAME, 60, (wire(made),)))


@pytest.mark.parametrize("owner", ["org.", ".", "www.example.org.", "x.www.example.org.", "other.example.org."])
def test_a_dname_that_is_not_above_the_name_in_the_zone(owner: str) -> None:
    assert judged(response(dname(owner))).kind == says.BROKEN


def test_the_root_has_nothing_above_it() -> None:
    given = response(dname("."), authority=(SOA_RRSET._replace(owner=b"\0"),))
    assert judge(given, zone=b"\0", qname=b"\0", qtype=A).kind == says.NO_DATA


def test_names_within_and_their_labels() -> None:
    for name, zone, expected in (("example.org.", "example.org.", True), ("a.b.example.org.", "example.org.", True),
                                 ("xexample.org.", "example.org.", False), ("org.", "example.org.", False),
                                 (".", ".", True), ("org.", ".", True), (".", "org.", False)):
        assert is_within(wire(name), wire(zone)) is expected, (name, zone)
    assert [labels(wire(each)) for each in (".", "org.", "a.b.c.")] == [0, 1, 3]


@pytest.mark.parametrize(("given", "kind", "resort"), [
    (response(rcode=NXDOMAIN, authority=(SOA_RRSET,)), says.NO_NAME, None),
    (response(rcode=NXDOMAIN), says.NO_NAME, None),
    (response(rcode=NXDOMAIN, authority=(SOA_RRSET,), aa=False), says.NO_NAME, None),
    (response(rcode=NXDOMAIN, authority=(SOA_RRSET,), aa=False, ra=True), says.LAME, says.NO_NAME),
    (response(rcode=NXDOMAIN, aa=False), says.LAME, None),
    (response(authority=(SOA_RRSET,)), says.NO_DATA, None),
    (response(), says.NO_DATA, None),
    (response(authority=(SOA_RRSET,), aa=False), says.NO_DATA, None),
    (response(authority=(SOA_RRSET,), aa=False, ra=True), says.LAME, says.NO_DATA),
    (response(aa=False), says.LAME, says.NO_DATA),
    (response(rcode=5), says.LAME, None), (response(rcode=9), says.LAME, None),
    (response(rcode=2), says.BROKEN, None), (response(rcode=6), says.BROKEN, None),
    (response(RRset(wire("other.example.org."), A, 60, (b"\1\2\3\4",))), says.BROKEN, None),
    (response(RRset(wire("www.example.org."), A, 60, (b"\1\2\3\4",))), says.ANSWER, None),
    (response(RRset(wire("www.example.org."), A, 60, (b"\1\2\3\4",)), aa=False), says.ANSWER, None),
    (response(RRset(wire("www.example.org."), A, 60, (b"\1\2\3\4",)), aa=False, ra=True), says.LAME, says.ANSWER),
])
def test_what_a_response_means(given: Response, kind: str, resort: str | None) -> None:
    found = judged(given)
    assert (found.kind, found.resort and found.resort.kind) == (kind, resort)
    assert (found.reason != "") == (kind in (says.LAME, says.BROKEN))
    assert found.resort is None or found.resort.reason == ""
    assert judged(given._replace(truncated=True)).kind in (says.BROKEN, says.LAME)


def test_reasons_name_the_rcode() -> None:
    assert [judged(response(rcode=rcode)).reason for rcode in (1, 2, 4, 5, 9, 16, 11)] == [
        "FORMERR", "SERVFAIL", "NOTIMP", "REFUSED", "NOTAUTH", "BADVERS", "rcode 11"
    ]
    assert judged(response(rcode=6)).reason == "YXDOMAIN without a DNAME"
    recursive = response(RRset(wire("www.example.org."), A, 60, (b"\1\2\3\4",)), aa=False, ra=True)
    assert judged(recursive).reason == "it answers for others, as a resolver"
    assert judged(response(aa=False)).reason == "neither an answer nor a referral downwards"
    assert judged(response()._replace(truncated=True)).reason == "truncated where it need not be"
    assert judged(response(rcode=NXDOMAIN, aa=False)).reason == "NXDOMAIN without authority"
    sideways = response(authority=(cut("org.", "ns.example.org."),), aa=False)
    assert judged(sideways).reason == "a referral that does not lead down to the name"
    other = response(RRset(wire("other.example.org."), A, 60, (b"\1\2\3\4",)))
    assert judged(other).reason == "an answer to something else"


def test_a_forwarder_is_believed_as_resolvers_are() -> None:
    answer = RRset(wire("www.example.org."), A, 60, (b"\1\2\3\4",))
    for given, kind in ((response(answer, aa=False, ra=True), says.ANSWER), (response(aa=False, ra=True), says.NO_DATA),
                        (response(rcode=NXDOMAIN, aa=False, ra=True), says.NO_NAME)):
        assert judged(given, forwarded=True).kind == kind


def test_last_resorts_by_their_worth() -> None:
    ranks = [Verdict(says.ANSWER, "", (SOA_RRSET,)), Verdict(says.ALIAS), Verdict(says.NO_NAME, "", (SOA_RRSET,)),
             Verdict(says.NO_DATA, "", (SOA_RRSET,)), Verdict(says.NO_DATA)]
    assert [each.rank for each in ranks] == [3, 3, 2, 2, 1]


def cut(owner: str, *names: str) -> RRset:
    return RRset(wire(owner), NS, 60, tuple(wire(name) for name in names))


def address(owner: str, rdtype: int = A) -> RRset:
    return RRset(wire(owner), rdtype, 60, (bytes(4 if rdtype == A else 16),))


def test_a_referral_goes_down_to_the_nearest_cut_with_the_glue_of_its_servers() -> None:
    glue = (address("ns.a.example.org."), address("ns.a.example.org.", AAAA), address("www.example.org."),
            address("ns.example.net."), RRset(wire("ns.a.example.org."), TXT, 60, (b"\1x",)))
    given = response(authority=(cut("a.b.example.org.", "ns.b.org."), cut("b.example.org.", "NS.a.example.org.",
                                                                         "ns.example.net.")),
                     additional=glue, aa=False)
    found = judged(given, "www.a.b.example.org.")
    assert (found.kind, found.reason, found.rrsets[0].owner) == (says.REFERRAL, "", wire("b.example.org."))
    assert found.rrsets[1:] == glue[:2], "not that of others, nor from outside of the zone"


@pytest.mark.parametrize("owner", ["example.org.", "org.", ".", "other.example.org.", "x.www.example.org."])
def test_a_referral_that_does_not_lead_down(owner: str) -> None:
    found = judged(response(authority=(cut(owner, "ns.example.org."),), aa=False))
    assert (found.kind, found.resort) == (says.LAME, None)
    assert judged(response(authority=(cut(owner, "ns.example.org."),))).kind == says.NO_DATA


def test_the_soa_and_what_proves_it() -> None:
    nsec = RRset(wire("a.example.org."), 47, 60, (wire("z.example.org.") + b"\0\1\x40",), (b"sig",))
    nsec3 = nsec._replace(owner=wire("hash.example.org."), rdtype=50)
    unsigned, foreign = nsec._replace(signatures=()), nsec._replace(owner=wire("a.net."))
    found = judged(response(authority=(nsec, SOA_RRSET, nsec3, unsigned, foreign), rcode=NXDOMAIN))
    assert found.rrsets == (SOA_RRSET, nsec, nsec3)
    for owner in ("org.", "other.org.", "sub.example.org."):
        assert judged(response(authority=(SOA_RRSET._replace(owner=wire(owner)),), rcode=NXDOMAIN)).rrsets == ()


def test_aliases_end_at_what_others_answer_for() -> None:
    alias = RRset(wire("www.example.org."), CNAME, 60, (wire("a.example.org."),))
    answer = address("a.example.org.")
    assert judged(response(alias, answer)).kind == says.ANSWER
    found = judged(response(alias, answer), beyond=lambda name: name == wire("a.example.org."))
    assert (found.kind, found.rrsets, found.target) == (says.ALIAS, (alias,), wire("a.example.org."))
    own = judged(response(address("www.example.org.")), beyond=lambda name: True)
    assert (own.kind, own.reason) == (says.ANSWER, ""), "the name itself was asked of the right server"


def test_aliases_in_a_circle() -> None:
    first = RRset(wire("www.example.org."), CNAME, 60, (wire("a.example.org."),))
    back = RRset(wire("a.example.org."), CNAME, 60, (wire("www.example.org."),))
    found = judged(response(first, back))
    assert (found.kind, found.reason, found.target) == (says.ALIAS, "in a circle", wire("www.example.org."))


@pytest.mark.parametrize("rdatas", [("B.example.org.", "a.example.org."), ("a.example.org.", "B.example.org.")])
def test_of_several_aliases_one_without_signatures(rdatas: tuple[str, ...]) -> None:
    several = RRset(wire("www.example.org."), CNAME, 60, tuple(names.from_text(each) for each in rdatas), (b"sig",))
    for qtype in (A, CNAME):
        found = judged(response(several), qtype=qtype)
        assert found.rrsets == (several._replace(rdatas=(wire("a.example.org."),), signatures=()),)
    one = several._replace(rdatas=several.rdatas[:1])
    assert judged(response(one), qtype=CNAME).rrsets == (one,), "one alone keeps its signatures"


def test_a_circle_that_does_not_go_back_to_the_name() -> None:
    links = [RRset(wire(f"{one}.example.org."), CNAME, 60, (wire(f"{other}.example.org."),))
             for one, other in (("www", "a"), ("a", "b"), ("b", "a"))]
    found = judged(response(*links))
    assert (found.kind, found.reason, found.target) == (says.ALIAS, "in a circle", wire("a.example.org."))
    assert found.rrsets == tuple(links)


def test_how_long_a_chain_in_one_response_is_followed() -> None:
    """Seventeen aliases, and what they lead to is asked for; one more is for the next query."""
    links = [RRset(wire(f"c{each}.example.org."), CNAME, 60, (wire(f"c{each + 1}.example.org."),))
             for each in range(30)]
    for count in (1, says.MAX_CHAIN, says.MAX_CHAIN + 1):
        there = address(f"c{count}.example.org.")
        found = judged(response(*links[:count], there), "c0.example.org.")
        wanted = (*links[:count], there) if count <= says.MAX_CHAIN else tuple(links[:count])
        assert found.rrsets == wanted, count
    found = judged(response(*links), "c0.example.org.")
    believed = tuple(links[: says.MAX_CHAIN + 1])
    assert found == Verdict(says.ALIAS, "", believed, believed[-1].rdatas[0])


def test_any_is_answered_by_what_there_is_at_the_name() -> None:
    here, text = address("www.example.org."), RRset(wire("www.example.org."), TXT, 60, (b"\1x",))
    found = judged(response(here, text, address("other.example.org.")), qtype=255)
    assert found == Verdict(says.ANSWER, "", (here, text))


def test_a_dname_may_make_the_longest_name_and_no_longer_one() -> None:
    qname = b"\5" + b"a" * 5 + wire("example.org.")
    for octets, kind in ((255, says.ALIAS), (256, says.TOO_LONG)):
        left = octets - 6 - 1
        target = b""
        while left:
            size = min(63, left - 1) if left - min(64, left) != 1 else 62
            target += bytes((size,)) + b"b" * size
            left -= size + 1
        target += b"\0"
        above = RRset(ZONE, DNAME, 60, (target,))
        found = judge(response(above), zone=ZONE, qname=qname, qtype=A)
        reason = "" if kind == says.ALIAS else "a DNAME makes a name that is too long"
        assert (found.kind, found.reason) == (kind, reason)
        assert found.rrsets[0] == above
