"""What an answerer hands on: names that are not ours, to whoever looks them up elsewhere, and who it is that asks."""

from __future__ import annotations

import struct
from typing import Any

import dns.flags
import dns.message
import pytest

from streamdns.dns import name
from streamdns.dns.answer import Answerer
from streamdns.dns.lookup import Policy, Question, Zone
from streamdns.dns.wire import Reply
from tests.unit.dns.answering import EXAMPLE, Memory, answerer, cookies_of, reply_to

pytestmark = pytest.mark.plain

TEXT = EXAMPLE + """
www.example. 60 A 192.0.2.1
out.example. 60 CNAME mail.elsewhere.invalid.
in.example. 60 CNAME www.example.
sub.example. 60 NS ns.sub.example.
to-sub.example. 60 CNAME www.sub.example.
"""


class Elsewhere(Answerer):
    """Notes what it is asked to look up elsewhere."""

    def __init__(self, policy: Policy, *, may: bool = True) -> None:
        super().__init__(policy, cookies=None)
        self.may = may
        self.asked: list[bytes] = []
        self.resolved: list[tuple[bytes, int, int, bytes]] = []
        self.keys: list[bytes] = []
        self.flattened: list[tuple[bytes, int, bytes, int, bytes]] = []

    def goes_on(self, packet: bytes) -> bool:
        """Whether this client may."""
        self.asked.append(packet)
        return self.may

    def foreign(self, packet: bytes, end: int, limit: int, opt: bytes, key: bytes) -> bytes | None:
        self.keys.append(key)
        self.resolved.append((packet[12:end], end, limit, opt))
        return super().foreign(packet, end, limit, opt, key)

    def resolve(self, packet: bytes, end: int, limit: int, opt: bytes, *, any_class: bool = False) -> bytes | None:
        self.resolved.append((packet[12:end], end, limit, opt))
        return super().resolve(packet, end, limit, opt, any_class=any_class)

    def flatten_elsewhere(self, question: Question, target: bytes, ttl_s: int, zone: Zone, reply: Reply) -> None:
        self.flattened.append((question.wire, question.qtype, target, ttl_s, zone.key))


def elsewhere(text: str = TEXT, *, may: bool = True, **policy: bool) -> Elsewhere:
    made = Elsewhere(Policy(**policy), may=may)
    made.bind(Memory(text))
    return made


@pytest.mark.parametrize("may", [False, True])
@pytest.mark.parametrize(("owner", "leaves"), [
    ("www.example", False), ("in.example", False), ("none.example", False), ("out.example", True),
    ("x.sub.example", True), ("sub.example", True),
])
def test_what_leaves_our_zones_goes_on_where_the_client_may(may: bool, owner: str, leaves: bool) -> None:
    """A chain that ends elsewhere, and a name below a cut; all else is answered at once, and so is everybody else."""
    made = elsewhere(may=may)
    query = dns.message.make_query(owner, "A")
    reply_to(made, query)
    assert bool(made.resolved) is (may and leaves)
    # Whether it may is asked for the whole query: RD is in it.
    assert made.asked == ([query.to_wire()] if leaves else [])


@pytest.mark.parametrize(("options", "limit", "opt"), [
    ({}, 512, b""), ({"use_edns": 0, "payload": 1000}, 1000, b"\0\0\x29\x04\xd0\0\0\0\0\0\0"),
    ({"use_edns": 0, "payload": 4000, "want_dnssec": True}, 1232, b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"),
    ({"use_edns": 0, "payload": 100}, 512, b"\0\0\x29\x04\xd0\0\0\0\0\0\0"),
])
@pytest.mark.parametrize("owner", ["out.example", "x.sub.example", "to-sub.example", "Www.Foreign.INVALID"])
def test_what_is_handed_on_is_the_query_and_what_its_client_takes(
    options: dict[str, Any], limit: int, opt: bytes, owner: str
) -> None:
    made = elsewhere()
    query = dns.message.make_query(owner, "A", **options)
    reply_to(made, query)
    question = query.question[0].to_text().split()[0].encode()
    ((handed, end, room, record),) = made.resolved
    assert (room, record) == (limit, opt)
    assert handed == name.from_text(question.decode()) + b"\0\1\0\1"
    assert end == 12 + len(handed)
    # Of a name that is in no zone its key comes with it.
    assert made.keys == ([b"invalid\0foreign\0www\0"] if "Foreign" in owner else [])


def test_the_apex_that_is_flattened_elsewhere() -> None:
    """The question, the name that the chain of our zones leads to, the lowest TTL of the chain, and the zone."""
    text = EXAMPLE + "example. 300 CNAME a.example.\na.example. 60 CNAME b.elsewhere.invalid.\n"
    made = elsewhere(text, flatten_apex_cname=True)
    reply_to(made, dns.message.make_query("Example", "AAAA"))
    assert made.flattened == [(b"\7Example\0", 28, name.from_text("b.elsewhere.invalid."), 60, b"example\0")]


TSIG = b"\3key\0\0\xfa\0\xff\0\0\0\0\0\x19\3alg\0\0\0\0\0\0\0\1\x2c\0\4abcd\0\0\0\0\0\0"


def _query(cookie: bytes, *, more: bytes = b"", behind: bytes = b"", rdclass: str = "IN", version: int = 0) -> bytes:
    rdtype, owner = ("TXT", "big.example") if rdclass != "CH" else ("TXT", "id.server")
    wire = dns.message.make_query(owner, rdtype, rdclass, id=7).to_wire()
    options = struct.pack(">HH", 10, len(cookie)) + cookie + more
    opt = b"\0" + struct.pack(">HHBBHH", 41, 4096, 0, version, 0, len(options)) + options
    return wire[:10] + struct.pack(">H", 2 if behind else 1) + wire[12:] + opt + behind


@pytest.mark.parametrize("form", [
    {}, {"more": b"\xfd\xe9\0\0"}, {"behind": TSIG}, {"rdclass": "ANY"}, {"rdclass": "CH"}, {"version": 1},
    {"rdclass": "HS", "more": b"\xfd\xe9\0\0"},
])
@pytest.mark.parametrize("slot", [0, 7])
def test_a_cookie_is_made_for_the_client_that_asks(form: dict[str, Any], slot: int) -> None:
    """However the query is made up: the address is that of its slot, and a cookie of another client is not good."""
    made = answerer(EXAMPLE + f"big.example. 60 TXT {'x' * 250}\nbig.example. 60 TXT {'y' * 250}\n",
                    cookies=cookies_of(1_559_731_985), no_cookie_size=512, instance_id=b"i")
    made.client = lambda slot: bytes((192, 0, 2, slot))
    assert made.cookies is not None
    good = made.cookies.answer(b"clientco", made.client(slot)) or b""
    assert len(good) == 24
    for sent, answered in ((b"clientco", good), (good, good)):
        wire = made.reply(_query(sent, **form), False, slot)
        assert wire is not None
        read = dns.message.from_wire(wire)
        cookies = [each.to_wire() for each in read.options if each.otype == 10]
        assert cookies == ([] if "version" in form else [answered])
    wires = [made.reply(_query(good, **form), False, each) or b"" for each in (slot, slot + 1)]
    cut = [bool(dns.message.from_wire(wire).flags & dns.flags.TC) for wire in wires]
    answers = form.get("rdclass", "IN") in ("IN", "ANY") and "version" not in form
    assert cut == ([False, True] if answers else [False, False])


def test_an_answerer_without_a_server_knows_no_addresses() -> None:
    made = answerer(cookies=cookies_of(1_559_731_985))
    assert made.cookies is not None
    assert (made.deferred, made.truncated, made.stale, made.ra) == (0, 0, False, 0)
    made.later(3)(b"a reply that nobody waits for")
    wire = made.reply(_query(b"clientco"), False, 3)
    assert wire is not None
    assert wire.endswith(made.cookies.answer(b"clientco", b"") or b"nothing")
