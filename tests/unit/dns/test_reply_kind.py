"""Which replies are of one kind: what each outcome of a lookup is counted as, and of which zone the log says it is."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from streamdns.dns import name
from streamdns.dns.reply_kind import ABSENT, ANSWER, ERROR, NODATA, REFERRAL, Kind, kind_of, zone_of
from streamdns.dns.unusual import cookie_of, cut_short
from tests.unit.dns.answering import EXAMPLE, Memory, answerer, cookies_of, wire_reply

ZONES = EXAMPLE + """
www.example. 300 A 192.0.2.1
www.example. 300 TXT "text"
far.example. 300 CNAME host.other.
gone.example. 300 CNAME nothing.sub.example.
*.wild.example. 300 TXT "text"
deep.wild.example. 300 TXT "text"
*.sub.wild.example. 300 CNAME www.example.
below.example. 300 DNAME elsewhere.invalid.
cut.example. 300 NS ns.cut.example.
ns.cut.example. 300 A 192.0.2.9
empty.terminal.example. 300 A 192.0.2.2
sub.example. 300 SOA ns.example. hostmaster.example. 1 3600 600 604800 60
sub.example. 300 NS ns.example.
od\\000d.example. 300 A 192.0.2.3
www.example. 300 CAA 0 issue "ca.example"
*.wild.example. 300 CAA 0 issue "ca.example"
*.odd.example. 300 TYPE295 \\# 1 00
x.y.wild.example. 300 A 192.0.2.4
a\\000b.wild.example. 300 A 192.0.2.5
"""
VIEW = Memory(ZONES)


def wire(text: str) -> bytes:
    return name.from_text(text).lower() if text else b""


def kind(owner: str, rdtype: str, **options: object) -> Kind:
    return kind_of(wire_reply(answerer(VIEW), owner, rdtype, **options), VIEW)


@pytest.mark.parametrize(("owner", "rdtype", "what", "of", "zone"), [
    ("WWW.example", "A", ANSWER, "www.example.", "example."),
    ("od\\000d.example", "A", ANSWER, "od\\000d.example.", "example."),
    ("far.example", "A", ANSWER, "far.example.", "example."),
    ("example", "SOA", ANSWER, "example.", "example."),
    ("a.wild.example", "TXT", ANSWER, "*.wild.example.", "example."),
    ("a.b.c.Wild.example", "TXT", ANSWER, "*.wild.example.", "example."),
    ("*.wild.example", "TXT", ANSWER, "*.wild.example.", "example."),
    ("deep.wild.example", "TXT", ANSWER, "deep.wild.example.", "example."),
    ("x.sub.wild.example", "A", ANSWER, "*.sub.wild.example.", "example."),
    ("a.below.example", "A", ANSWER, "below.example.", "example."),
    ("a.wild.example", "A", NODATA, "example.", "example."),
    ("www.example", "MX", NODATA, "example.", "example."),
    ("terminal.example", "A", NODATA, "example.", "example."),
    ("nothing.example", "A", ABSENT, "example.", "example."),
    ("a.b.sub.example", "A", ABSENT, "sub.example.", "sub.example."),
    ("gone.example", "A", ABSENT, "sub.example.", "sub.example."),
    ("a.cut.example", "A", REFERRAL, "cut.example.", "example."),
    ("cut.example", "NS", REFERRAL, "cut.example.", "example."),
    ("www.foreign", "A", ERROR, "", ""),
    ("www.example", "CAA", ANSWER, "www.example.", "example."),
    ("a.b.wild.example", "CAA", ANSWER, "*.wild.example.", "example."),
    ("a.odd.example", "TYPE295", ANSWER, "*.odd.example.", "example."),
    # In keys these would be names that are there, if their odd octets were taken for what separates labels.
    ("y\\000x.wild.example", "TXT", ANSWER, "*.wild.example.", "example."),
    ("a\\001\\001b.wild.example", "TXT", ANSWER, "*.wild.example.", "example."),
])
def test_kinds(owner: str, rdtype: str, what: str, of: str, zone: str) -> None:
    found = kind(owner, rdtype)
    number = dns.rdatatype.from_text(rdtype) if what == ANSWER else dns.rcode.REFUSED if what == ERROR else 0
    assert found == Kind(what, wire(of), number)
    assert zone_of(found, VIEW) == wire(zone)


def test_names_below_one_wildcard_are_one_kind() -> None:
    """As are all names that a zone does not have, and all below a cut; not types, and not names that are there."""
    for form, rdtype in (
        ("{}.wild.example", "TXT"), ("{}.nothing.example", "A"), ("{}.cut.example", "A"), ("{}.foreign", "A"),
    ):
        assert len({kind(form.format("x" * length), rdtype) for length in range(1, 60)}) == 1, form
    assert kind("www.example", "A") != kind("www.example", "TXT")
    assert kind("www.example", "A") != kind("ns.example", "A")


def test_a_hundred_labels_below_a_wildcard_take_few_looks() -> None:
    """The wildcard is found from above, so what a name is counted as costs little, however long a client makes it."""
    view = Memory(ZONES)
    node, asked = view.node, []

    def counted(key: bytes) -> bytes | None:
        asked.append(key)
        return node(key)

    reply = wire_reply(answerer(view), "a." * 110 + "wild.example", "TXT")
    view.node = counted
    assert kind_of(reply, view) == Kind(ANSWER, wire("*.wild.example."), 16)
    assert len(asked) == 3, asked


def test_the_version_of_edns_and_tc_do_not_make_kinds_of_their_own() -> None:
    """A name whose answer is cut is the same as in full; what has no zone at all is one kind."""
    long = Memory(ZONES + "\n".join(f'*.long.example. 300 TXT "{number} {"x" * 200}"' for number in range(9)))
    made = answerer(long)
    cut = [wire_reply(made, f"{owner}.long.example", "TXT", use_edns=use) for owner, use in (("a", False), ("b", 0))]
    assert all(reply[2] & 2 for reply in cut)
    assert {kind_of(reply, long) for reply in cut} == {Kind(ANSWER, wire("*.long.example."), 16)}
    assert kind("www.example", "A", use_edns=1) == Kind(NODATA, b"", 0)


def test_without_a_view_each_name_is_its_own_kind() -> None:
    """A reply that came from elsewhere, or later."""
    reply = wire_reply(answerer(VIEW), "a.wild.example", "TXT")
    assert kind_of(reply, None) == Kind(ANSWER, wire("a.wild.example."), 16)
    assert kind_of(reply[:2] + bytes((reply[2] & ~4,)) + reply[3:], VIEW).name == wire("a.wild.example.")


@pytest.mark.parametrize("packet", [b"", b"\0" * 12, b"ab\x81\x05" + b"\0" * 8])
def test_a_header_alone_is_an_error(packet: bytes) -> None:
    reply = packet.ljust(12, b"\0")
    assert kind_of(reply, VIEW) == Kind(ERROR, b"", reply[3] & 15)


def test_any_octets_have_a_kind() -> None:
    """Pieces of a reply: what cannot be read is an error, and never an exception."""
    for owner in ("www.example", "gone.example", "a.cut.example", "a.below.example"):
        reply = wire_reply(answerer(VIEW), owner, "A")
        for end in range(12, len(reply)):
            found = kind_of(reply[:end], VIEW)
            assert found.what
            assert found.what != ERROR or found == Kind(ERROR, b"", reply[3] & 15)


def test_a_reply_that_is_cut_short_says_tc_and_nothing_else() -> None:
    made = answerer(VIEW, cookies=cookies_of(1559731985))
    made.client = lambda slot: b"\x7f\0\0\1"
    for options, edns in (({"use_edns": False}, -1), ({"use_edns": 0, "want_dnssec": True}, 0)):
        query = dns.message.make_query("WWW.example", "A", **options)
        packet = query.to_wire()
        reply = made.reply(packet, False, 0)
        assert reply is not None
        read = dns.message.from_wire(cut_short(made, packet, reply, 0))
        assert query.is_response(read)
        assert (read.answer, read.authority, read.additional, read.edns) == ([], [], [], edns)
        assert dns.flags.to_text(read.flags) == "QR TC RD"
        assert read.question[0].name.labels == query.question[0].name.labels


@pytest.mark.parametrize("slot", [0, None])
def test_a_cookie_comes_with_it(slot: int | None) -> None:
    """A client that has none yet is known from then on; where the reply comes later it asks again over TCP."""
    made = answerer(VIEW, cookies=cookies_of(1559731985))
    made.client = lambda slot: b"\x7f\0\0\1"
    query = dns.message.make_query("www.example", "A", use_edns=0, options=[dns.edns.CookieOption(b"clientco", b"")])
    packet = query.to_wire()
    reply = made.reply(packet, False, 0)
    assert reply is not None
    read = dns.message.from_wire(cut_short(made, packet, reply, slot))
    assert [len(option.to_wire()) for option in read.options] == ([24] if slot == 0 else [])
    assert cookie_of(packet) == b"clientco"


def test_no_cookie() -> None:
    for options in ({"use_edns": False}, {"use_edns": 0}, {"use_edns": 0, "options": [dns.edns.GenericOption(3, b"")]}):
        assert cookie_of(dns.message.make_query("www.example", "A", **options).to_wire()) == b""
    assert cookie_of(b"\0" * 11 + b"\5" + b"\0" * 20) == b""


def made(owner: str, *authority: tuple[str, str, str], aa: bool, rcode: int = 0) -> bytes:
    """A reply without an answer, that has such records in the authority section."""
    reply = dns.message.make_response(dns.message.make_query(owner, "A"))
    reply.flags = dns.flags.Flag(reply.flags | dns.flags.AA if aa else reply.flags)
    reply.set_rcode(dns.rcode.Rcode(rcode))
    reply.authority = [dns.rrset.from_text(name, 60, "IN", rdtype, content) for name, rdtype, content in authority]
    return reply.to_wire()


SOA, NS = ("example.", "SOA", "ns. host. 1 2 3 4 5"), ("sub.example.", "NS", "ns.example.")


@pytest.mark.parametrize(("authority", "aa", "rcode", "found"), [
    ((), True, 0, Kind(NODATA, b"", 0)), ((), True, 3, Kind(ABSENT, b"", 0)),
    ((SOA,), True, 0, Kind(NODATA, wire("example."), 0)), ((SOA,), False, 0, Kind(NODATA, wire("example."), 0)),
    ((SOA,), False, 3, Kind(ABSENT, wire("example."), 0)),
    ((NS,), False, 0, Kind(REFERRAL, wire("sub.example."), 0)), ((NS,), True, 0, Kind(NODATA, b"", 0)),
    ((NS, SOA), False, 0, Kind(REFERRAL, wire("sub.example."), 0)),
    ((("a.example.", "TYPE258", "\\# 1 00"),), False, 0, Kind(NODATA, b"", 0)),
    ((("a.example.", "TYPE262", "\\# 1 00"),), True, 0, Kind(NODATA, b"", 0)),
])
def test_what_the_first_record_of_the_authority_section_says(
    authority: tuple[tuple[str, str, str], ...], aa: bool, rcode: int, found: Kind
) -> None:
    """Replies of the resolver, and of zones that have no SOA, are of these kinds, too."""
    assert kind_of(made("www.sub.example.", *authority, aa=aa, rcode=rcode), VIEW) == found


def test_wildcards_at_the_top() -> None:
    """Of a zone at one label, and of the root; however deep the name is."""
    view = Memory("""
. 300 SOA ns. host. 1 3600 600 604800 60
. 300 NS ns.
ns. 300 A 192.0.2.1
*. 300 TXT "root"
w. 300 SOA ns. host. 1 3600 600 604800 60
w. 300 NS ns.
*.w. 300 TXT "w"
""")
    for depth in range(1, 6):
        for top in ("w.", ""):
            reply = wire_reply(answerer(view), "x." * depth + "y" * (not top) + top, "TXT")
            assert kind_of(reply, view) == Kind(ANSWER, wire(f"*.{top}"), 16), (depth, top)


def test_the_longest_name_is_of_its_zone() -> None:
    """The name of the zone stands far behind in the question."""
    for octets in range(245, 256):
        left = octets - len(wire("example."))
        labels = []
        while left:
            size = min(left, 60) if left - min(left, 60) != 1 else 59
            labels.append("n" * (size - 1))
            left -= size
        assert kind(".".join([*labels, "example"]), "A") == Kind(ABSENT, wire("example."), 0), octets


def test_an_rrset_of_256_records_is_an_answer() -> None:
    many = Memory(ZONES + "\n".join(f"*.many.example. 300 A 10.0.{each >> 8}.{each & 255}" for each in range(256)))
    reply = answerer(many).reply(dns.message.make_query("x.many.example", "A").to_wire(), True, 0)
    assert reply is not None
    assert reply[6:8] == b"\1\0"
    assert kind_of(reply, many) == Kind(ANSWER, wire("*.many.example."), 1)


def test_a_name_that_is_not_of_ours_has_no_zone() -> None:
    for owner in ("www.foreign.", "foreign.", "."):
        assert zone_of(Kind(ANSWER, wire(owner), 1), VIEW) == b""
    assert zone_of(Kind(ERROR, b"", 5), VIEW) == b""


def test_what_is_hidden_below_a_dname_does_not_make_kinds() -> None:
    """Its names are there, and never answered: all that the DNAME redirects is one kind."""
    view = Memory(ZONES + "www.below.example. 300 A 192.0.2.6\n")
    reply = wire_reply(answerer(view), "www.below.example", "A")
    assert kind_of(reply, view) == Kind(ANSWER, wire("below.example."), 1)


def test_what_an_apex_does_not_have_is_of_its_zone() -> None:
    """The SOA then stands at the very name that was asked for, and is no answer."""
    for owner, rdtype in (("example", "A"), ("EXAMPLE", "MX"), ("sub.example", "CAA")):
        assert kind(owner, rdtype) == Kind(NODATA, wire(f"{owner}.".lower()), 0)


def test_the_zone_of_a_referral_is_above_the_cut() -> None:
    """Also where the zone below is held here as well."""
    for cut, zone in (
        ("sub.example.", "example."), ("a.sub.example.", "sub.example."), ("x.y.cut.example.", "example."),
    ):
        assert zone_of(Kind(REFERRAL, wire(cut), 0), VIEW) == wire(zone)
    assert zone_of(Kind(ANSWER, wire("sub.example."), 1), VIEW) == wire("sub.example.")
    assert zone_of(Kind(ANSWER, wire("a.b.cut.example."), 1), VIEW) == wire("example.")


@pytest.mark.parametrize(("asked", "owner"), [
    ("www.example.", "a.b.example."), ("www.example.", "A.B.Example."), ("www.example.", "far.invalid."),
    ("x.y.z.", "y.z."), ("x.y.z.", "w.y.z."), ("y.", "y."), (".", "a.b."), ("x.y.z.", "z."),
    ("n" * 60 + "." + "m" * 60 + "." + "o" * 60 + "." + "p" * 50 + ".y.z.", "w.y.z."),
])
def test_the_name_of_a_record_is_read_however_it_is_written(asked: str, owner: str) -> None:
    """In full, as a pointer, or as labels that end in one; labels may be one octet long."""
    found = kind_of(made(asked, (owner, "NS", "ns.example."), aa=False), VIEW)
    assert found == Kind(REFERRAL, wire(owner.lower()), 0)
    assert kind_of(made(asked, (owner, "SOA", SOA[2]), aa=True, rcode=3), VIEW) == Kind(ABSENT, wire(owner.lower()), 0)


def test_a_name_whose_answer_does_not_fit_is_itself_where_it_is_there() -> None:
    """Beside a wildcard, too; and an empty name whose SOA does not fit is no wildcard's."""
    text = "".join(f'big.wild.example. 300 TXT "{number} {"x" * 200}"\n' for number in range(9))
    mname, rname = (".".join([letter * 60] * 3) + "." for letter in "mr")
    empty = ".".join(["e" * 60] * 3) + ".long."
    text += f"long. 300 SOA {mname} {rname} 1 2 3 4 5\nx.{empty} 300 A 192.0.2.1\n"
    view = Memory(ZONES + text)
    for owner, rdtype in (("big.wild.example.", "TXT"), (empty, "A")):
        reply = wire_reply(answerer(view), owner, rdtype)
        assert reply[2] & 2
        assert kind_of(reply, view) == Kind(ANSWER, wire(owner), dns.rdatatype.from_text(rdtype))
