"""Queries, from the octets of a datagram to the reply, over a real view (LMDB) and the responder of the service.

The first octet chooses the policy and the transport, the rest is the message.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack

import dns.flags
import dns.message
import dns.opcode

from streamdns.consumer.propagation import Propagation
from streamdns.dns import unusual
from streamdns.dns.answer import Answerer
from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import Policy
from streamdns.dns.reply_kind import ERROR, kind_of
from streamdns.dns.unusual import cookie_of, cut_short
from streamdns.metrics.registry import Registry
from streamdns.serving.responder import Responder
from streamdns.serving.statistics import Statistics
from streamdns.view.reader import ViewSnapshot, snapshot
from tests.fuzz.work import lines
from tests.harness.model import Event
from tests.harness.viewing import Reading, apply, folder, opened, writer
from tests.unit.dns import packets
from tests.unit.dns.answering import zones

INCLUDE = ("streamdns.dns", "streamdns.serving")
MOST_OCTETS = 4096
#: What a reply takes: so many lines, and for each octet of the query and of the reply so many more.
LINES, LINES_AN_OCTET = 3000, 12
CLIENT = b"\x7f\0\0\1"
_stack = ExitStack()


def _events() -> list[Event]:
    """The zone of hostile packets, an alias at its apex and a large RRset, as a log."""
    text = packets.ZONE + "fuzz.example. 300 CNAME www.fuzz.example.\n"
    text += "".join(f"big.fuzz.example. 1 A 10.0.{n >> 8}.{n & 255}\n" for n in range(400))
    text += "".join(f"d{n}.fuzz.example. 1 DNAME d{n + 1}.fuzz.example.\n" for n in range(15))
    rrsets: dict[tuple[str, str], list[str]] = {}
    for line in filter(None, text.splitlines()):
        owner, _, rdtype, content = line.split(maxsplit=3)
        rrsets.setdefault((owner, rdtype), []).append(content)
    made = []
    for (owner, rdtype), contents in rrsets.items():
        escaped = [content.replace("\\", "\\\\").replace('"', '\\"') for content in contents]
        name = owner.replace("\\", "\\\\")
        records = ",".join(f'{{"name":"{name}","type":"{rdtype}","content":"{each}"}}' for each in escaped)
        made.append(Event(0, 0, f"{owner}|{rdtype}", f"[{records}]"))
    return made


class _Bench:
    """The view, and a responder for each policy; built once."""

    def __init__(self) -> None:
        self.store = _stack.enter_context(opened(_stack.enter_context(folder())))
        writing, reading = writer(self.store), Reading()
        assert not apply(writing, _events(), reading=reading).rejections
        writing.apply(reading.batch([], caught_up=True), {}, 1)
        registry = Registry()
        self.statistics = Statistics(registry, Propagation(registry, lambda: 0.0))
        self.responders = [
            self._responder(),
            self._responder(flatten_apex_cname=True, rotate=True),
            self._responder(zones=zones("fuzz.example", "x.fuzz.example")),
            self._responder(edns_size=4096),
        ]
        self.responders[1].answerer.stale = True

    def _responder(self, **policy: object) -> Responder:
        made = Answerer(
            Policy(instance_id=b"i" * 200, version=b"v", **policy),  # type: ignore[arg-type]
            cookies=Cookies(bytes(16), lambda: 1.0),
        )
        made.client = lambda slot: CLIENT
        return Responder(made, self.snapshot, self.statistics)

    def snapshot(self) -> ViewSnapshot:
        """The view as it is."""
        return snapshot(self.store)


_bench: list[_Bench] = []


def bench() -> _Bench:
    """The bench, made when it is first asked for."""
    if not _bench:
        _bench.append(_Bench())
    return _bench[0]


def seeds(rng: random.Random) -> Iterator[bytes]:
    """Valid queries for each policy and both transports."""
    for number in range(300):
        yield bytes((number & 7,)) + packets.valid(rng)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Another hostile message of those that the unit tests know, for the same policy."""
    return (data[:1] or b"\0") + packets.mutated(rng)


def check(data: bytes, *, whole: bool) -> None:
    """The reply is to this question, fits, says nothing it may not, and comes again when it is asked again."""
    if not data:
        return
    choice, packet = data[0], data[1:]
    responder, tcp = bench().responders[choice & 3], bool(choice & 4)
    reply = answer(responder, packet, tcp=tcp)
    if reply is None:
        assert len(packet) < 12 or packet[2] & 0x80, "a query was not answered"
        return
    policy = responder.answerer.policy
    _header(packet, reply)
    assert len(reply) <= (65535 if tcp else policy.edns_size), "longer than a datagram may be"
    rcode = reply[3] & 15
    if reply[4:6] == b"\0\0":
        assert len(reply) == 12 or (len(reply), reply[11:15]) == (23, b"\1\0\0\x29"), "something stands there"
        assert rcode, "no error, and no question"
    elif rcode in (1, 4, 5) and reply[6:8] == b"\0\0":
        # An error brings nothing but what the question brought, and an OPT record with the options asked for.
        assert len(reply) <= len(packet) + 11 + len(policy.instance_id) + 70, "a long error"
    if whole:
        _whole(responder, packet, reply, tcp=tcp)


def answer(responder: Responder, packet: bytes, *, tcp: bool) -> bytes | None:
    """The reply of the service; what failed inside it is raised here."""
    failed = responder._statistics.exceptions.value
    (reply,) = responder.answer([packet], tcp)
    if responder._statistics.exceptions.value != failed:
        answerer = responder.answerer
        answerer.bind(bench().snapshot())
        answerer.reply(packet, tcp, 0)
        raise AssertionError("answering failed once, and not again")
    return reply


def _header(packet: bytes, reply: bytes) -> None:
    assert reply[:2] == packet[:2], "another id"
    assert reply[2] & 0x80, "no reply"
    assert reply[2] & 0x79 == packet[2] & 0x79, "another opcode or RD"
    assert not reply[3] & 0xB0, "RA, Z or CD"


def _whole(responder: Responder, packet: bytes, reply: bytes, *, tcp: bool) -> None:
    """What dnspython makes of the reply."""
    message = dns.message.from_wire(reply)
    answerer = responder.answerer
    if message.question:
        (asked,) = message.question
        end = 12 + len(asked.name.to_wire()) + 4
        assert reply[12:end] == packet[12:end], "another question, or another case of it"
        size = _announced(packet, end)
        if message.opcode() != dns.opcode.QUERY:
            assert len(reply) <= end + 11, "a long refusal"
        elif size is None:
            assert message.edns < 0, "EDNS without being asked for it"
            assert tcp or len(reply) <= 512
        else:
            assert message.edns == 0, "no EDNS though it was asked for"
            assert tcp or len(reply) <= max(512, min(size, answerer.policy.edns_size))
    everything = dns.message.from_wire(reply, one_rr_per_rrset=True)
    for section in (everything.answer, everything.authority, everything.additional):
        shown = [rrset.to_text().lower() for rrset in section]
        assert len(shown) == len(set(shown)), "a record stands twice"
    if message.flags & dns.flags.TC:
        assert not tcp, "cut over TCP"
    _limited(answerer, packet, reply)
    if not answerer.policy.rotate:
        assert answer(responder, packet, tcp=tcp) == reply, "not the same reply again"
    answerer.bind(bench().snapshot())
    lines(lambda: answerer.reply(packet, tcp, 0),
          most=LINES + LINES_AN_OCTET * (len(packet) + len(reply)))
    answerer.unbind()


def _limited(answerer: Answerer, packet: bytes, reply: bytes) -> None:
    """What rate limiting makes of it: a kind that is the same each time, and a short reply that is in order."""
    view = bench().snapshot()
    try:
        kind = kind_of(reply, view)
        assert kind == kind_of(reply, view)
    finally:
        view.close()
    assert len(kind.name) <= 255
    assert kind.what != ERROR or not kind.name
    assert (kind.what == ERROR) == (reply[3] & 15 not in (0, 3) or len(reply) == 12), "another kind than its code"
    assert len(cookie_of(packet)) <= 40 or kind.what == ERROR
    if kind.what != ERROR:
        short = cut_short(answerer, packet, reply, 0)
        message = dns.message.from_wire(short)
        assert message.flags & dns.flags.TC
        assert not message.answer
        assert short[:2] == packet[:2]
        assert len(short) <= 512, "held back, and longer than a plain reply may be"


def _announced(packet: bytes, end: int) -> int | None:
    """The size in the OPT record of a query whose question ends here, None where there is none that can be read."""
    try:
        edns = unusual.parse_edns(packet, end, packet[10] << 8 | packet[11])
    except unusual.FormatError:
        return None
    return None if edns is None else edns.size

