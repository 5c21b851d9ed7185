"""Replies made of outcomes, messages as they are kept, and where our own zones end: beside an answerer in memory."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import gevent
import pytest
from gevent.hub import Waiter

from streamdns.addresses import Within
from streamdns.dns import name
from streamdns.dns.lookup import Policy
from streamdns.metrics.registry import Registry
from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution.cache import Cache
from streamdns.resolver.resolution.message import RRset
from streamdns.resolver.resolution.question import Knowledge, Outcome, Question
from streamdns.resolver.resolution.ready_answers import Messages, key_of, ttl_offsets
from streamdns.resolver.resolution.servers import Address, Servers
from streamdns.resolver.service.answering import OwnZones, RecursiveAnswerer, reply_of
from streamdns.resolver.service.flattening import OwnAnswerer
from streamdns.resolver.service.recursor import Recursor, Running
from streamdns.resolver.transport.pace import Pace
from streamdns.resolver.transport.transport import Transport
from tests.unit.dns.answering import EXAMPLE, SOA_TEXT, Memory, errors, section

OURS = EXAMPLE + """
www.example. 300 A 192.0.2.1
out.example. 300 CNAME www.elsewhere.
down.example. 300 DNAME elsewhere.
sub.example. 300 NS ns.sub.example.
ns.sub.example. 300 A 192.0.2.54
"""
CLIENT, STRANGER = b"\x7f\0\0\1", b"\xc0\0\2\1"


def wire(text: str) -> bytes:
    return name.from_text(text).lower()


def outcome(*answer: RRset, rcode: int = 0, authority: tuple[RRset, ...] = (), ede: int = -1) -> Outcome:
    return Outcome(rcode, answer, authority, ede, "why" if ede >= 0 else "", 1)


A = RRset(wire("www.elsewhere."), 1, 300, (b"\1\2\3\4", b"\1\2\3\5"), (b"\0\1" + bytes(17) + b"\0sig",))
SOA = RRset(wire("elsewhere."), 6, 60, (wire("ns.elsewhere.") + b"\0" + bytes(20),))


class Bench:
    """A recursive answerer over records in memory and a cache; nothing can be sent, `now_s` is the time."""

    def __init__(self, text: str = OURS, **policy: Any) -> None:
        self.now_s = 1000.0
        registry, rng = Registry(), random.Random(1)
        self.memory = Memory(text)
        own = OwnZones(OwnAnswerer(Policy(**policy), cookies=None), lambda: self.memory)  # type: ignore[arg-type]
        self.known = Knowledge(
            Cache(1 << 20), Servers(rng), (Address("127.0.0.1", 9),), rng, local=own, may_ask=lambda address: False
        )
        self.messages = Messages(1 << 20)
        self.recursor = Recursor(
            # The tests ask one question after another without a turn of the loop, and want no limit for one.
            self.known, Transport(registry, pace=Pace(clock=float, cpu_clock=float)), messages=self.messages,
            registry=registry, limit=10, client_limit=10, clock=lambda: self.now_s,
        )
        self.answerer = RecursiveAnswerer(
            Policy(**policy), cookies=None, recursor=self.recursor, clock=lambda: self.now_s,
            allowed=Within([ipaddress.ip_network("127.0.0.0/8")]),
        )
        self.client = CLIENT
        self.answerer.client = lambda slot: self.client

    def put(self, rrset: RRset, *, zone: bytes = b"\0") -> None:
        self.known.cache.put(rrset.owner, rrset.rdtype, rrset.rdatas, trust=store.ANSWER, ttl_s=rrset.ttl_s,
                             now_s=self.now_s, signatures=rrset.signatures, do=True, zone=zone)

    def ask(self, owner: str, rdtype: str = "A", *, tcp: bool = False, **options: Any) -> dns.message.Message:
        query = dns.message.make_query(owner, rdtype, **options)
        self.answerer.bind(self.memory)  # type: ignore[arg-type]
        made = self.answerer.reply(query.to_wire(), tcp, 0)
        assert made is not None
        reply = dns.message.from_wire(made)
        assert query.is_response(reply)
        return reply


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.recursor.stop()


def replied(of: Outcome, owner: str, rdtype: str, *, limit: int = 1232, **options: Any) -> dns.message.Message:
    query = dns.message.make_query(owner, rdtype, **options)
    packet = query.to_wire()
    end = 12 + len(name.from_text(owner)) + 4
    opt = packet[end:]
    made = reply_of(of, packet, end, limit, opt, do=bool(query.ednsflags & dns.flags.DO))
    assert len(made) <= limit
    reply = dns.message.from_wire(made)
    assert query.is_response(reply)
    return reply


def test_a_reply_has_what_was_found() -> None:
    reply = replied(outcome(A), "WWW.elsewhere.", "A")
    assert section(reply.answer) == ["WWW.elsewhere. A 1.2.3.4", "WWW.elsewhere. A 1.2.3.5"]
    assert reply.flags == dns.flags.QR | dns.flags.RD | dns.flags.RA
    assert reply.edns == -1


def test_signatures_are_for_those_who_want_them() -> None:
    alias = RRset(wire("alias.elsewhere."), 5, 60, (wire("www.elsewhere."),))
    plain = replied(outcome(alias, A), "alias.elsewhere.", "A", use_edns=0)
    signed = replied(outcome(alias, A), "alias.elsewhere.", "A", want_dnssec=True)
    assert [rrset.rdtype for rrset in plain.answer] == [5, 1]
    assert [rrset.rdtype for rrset in signed.answer] == [5, 1, 46]


def test_cd_is_given_back() -> None:
    reply = replied(outcome(A), "www.elsewhere.", "A", flags=dns.flags.RD | dns.flags.CD)
    assert reply.flags & (dns.flags.CD | dns.flags.AD) == dns.flags.CD


def test_a_negative_reply() -> None:
    reply = replied(outcome(rcode=3, authority=(SOA,)), "nx.elsewhere.", "A")
    assert (reply.rcode(), reply.answer, len(reply.authority)) == (dns.rcode.NXDOMAIN, [], 1)


def test_an_error_says_why_where_there_is_edns() -> None:
    assert errors(replied(outcome(rcode=2, ede=22), "x.elsewhere.", "A", use_edns=0)) == [22]
    assert replied(outcome(rcode=2, ede=22), "x.elsewhere.", "A").rcode() == dns.rcode.SERVFAIL
    reply = replied(outcome(rcode=2, ede=22)._replace(detail="ä" * 5000), "x.elsewhere.", "A", use_edns=0)
    assert errors(reply) == [22]


@pytest.mark.parametrize("options", [{}, {"use_edns": 0}, {"want_dnssec": True}])
def test_what_does_not_fit_is_left_out_whole(options: dict[str, Any]) -> None:
    big = RRset(wire("www.elsewhere."), 16, 300, tuple(bytes((200,)) + bytes(200) for _ in range(9)))
    reply = replied(outcome(big), "www.elsewhere.", "TXT", limit=512, **options)
    assert reply.flags & dns.flags.TC
    assert (reply.answer, reply.edns) == ([], 0 if options else -1)


def test_a_message_counts_down_and_ends(bench: Bench) -> None:
    bench.put(A)
    assert bench.ask("www.elsewhere.").answer[0].ttl == 300
    assert (len(bench.messages), bench.messages.hits) == (1, 0)
    for passed, left in ((0.5, 300), (1.0, 299), (299.4, 1), (10.0, 290)):
        bench.now_s = 1000.0 + passed
        reply = bench.ask("wWw.elsewhere.", use_edns=0)
        assert (reply.answer[0].ttl, str(reply.answer[0].name)) == (left, "wWw.elsewhere.")
    assert bench.messages.hits == 4
    bench.now_s = 1300.0
    assert bench.ask("www.elsewhere.").answer[0].ttl == 30  # stale: nothing may be sent here
    assert bench.messages.hits == 4


@pytest.mark.parametrize("question", [b"", b"\0"])
def test_a_message_that_counts_a_question_it_does_not_have(bench: Bench, question: bytes) -> None:
    """FORMERR, as where no name is known yet; an OPT stands where the question would."""
    bench.put(A)
    assert bench.ask("www.elsewhere.", use_edns=0).answer
    assert bench.ask("www.elsewhere.", use_edns=0).answer
    bench.answerer.bind(bench.memory)  # type: ignore[arg-type]
    packet = b"\1\2\1\0\0\1\0\0\0\0\0\1" + question + b"\0\0\x29\4\xd0" + bytes(6)
    made = bench.answerer.reply(packet, False, 0)
    assert made is not None
    assert made[:2] == packet[:2]
    assert made[3] & 15 == dns.rcode.FORMERR


def test_do_and_cd_and_types_are_kept_apart(bench: Bench) -> None:
    bench.put(A)
    for _ in range(2):
        assert len(bench.ask("www.elsewhere.").answer) == 1
        assert len(bench.ask("www.elsewhere.", want_dnssec=True).answer) == 2
        assert bench.ask("www.elsewhere.", flags=dns.flags.RD | dns.flags.CD).flags & dns.flags.CD
    assert (len(bench.messages), bench.messages.hits) == (2, 2)
    assert bench.ask("www.elsewhere.", "TYPE97").rcode() == dns.rcode.SERVFAIL


def test_a_flush_forgets_messages(bench: Bench) -> None:
    bench.put(A)
    bench.ask("www.elsewhere.")
    assert bench.recursor.flush(wire("elsewhere."), below=True, pause=lambda: None) == 2
    assert (len(bench.messages), bench.messages.bytes, len(bench.known.cache)) == (0, 0, 0)
    assert bench.ask("www.elsewhere.").rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize(("owner", "answer"), [
    ("out.example.", ["out.example. CNAME www.elsewhere.", "www.elsewhere. A 1.2.3.4", "www.elsewhere. A 1.2.3.5"]),
    ("www.down.example.", ["down.example. DNAME elsewhere.", "www.down.example. CNAME www.elsewhere.",
                           "www.elsewhere. A 1.2.3.4", "www.elsewhere. A 1.2.3.5"]),
    ("x.sub.example.", ["x.sub.example. A 192.0.2.9"]),
])
def test_what_leaves_our_zones_goes_on(bench: Bench, owner: str, answer: list[str]) -> None:
    bench.put(A)
    bench.put(RRset(wire("x.sub.example."), 1, 300, (b"\xc0\0\2\x09",)), zone=wire("sub.example."))
    for _ in range(2):
        reply = bench.ask(owner)
        assert section(reply.answer) == answer
        assert reply.flags & (dns.flags.RA | dns.flags.AA) == dns.flags.RA
    # What is of our own zones may change at any moment.
    assert len(bench.messages) == (1 if owner == "x.sub.example." else 0)


@pytest.mark.parametrize("owner", ["www.elsewhere.", "to.there.", "www.down.there."])
@pytest.mark.parametrize("ours", ["the zone", "the name as an alias", "a zone that delegates it", "a zone below it"])
def test_what_was_answered_before_a_name_became_ours(bench: Bench, owner: str, ours: str) -> None:
    """Also where it is the target of an alias: what is known of it is not what we say from now on."""
    bench.put(A)
    bench.put(RRset(wire("to.there."), 5, 300, (wire("www.elsewhere."),)))
    bench.put(RRset(wire("down.there."), 39, 300, (wire("elsewhere."),)))
    for _ in range(4):
        assert section(bench.ask(owner).answer)[-1] == "www.elsewhere. A 1.2.3.5"
    assert bench.messages.hits == 3
    bench.memory = Memory(OURS + {
        "the zone": f"elsewhere. 300 SOA {SOA_TEXT}\nwww.elsewhere. 300 A 192.0.2.99",
        "the name as an alias": f"elsewhere. 300 SOA {SOA_TEXT}\nwww.elsewhere. 300 CNAME www.example.",
        "a zone that delegates it": f". 300 SOA {SOA_TEXT}\nelsewhere. 300 NS ns.elsewhere.\nthere. 300 NS ns.there.",
        "a zone below it": f"www.elsewhere. 300 SOA {SOA_TEXT}\nwww.elsewhere. 300 A 192.0.2.99",
    }[ours])
    expected = {"the name as an alias": "www.example. A 192.0.2.1"}.get(ours, "www.elsewhere. A 192.0.2.99")
    for _ in range(3):
        reply = bench.ask(owner)
        if ours == "a zone that delegates it":  # whose servers cannot be asked here
            assert reply.rcode() == dns.rcode.SERVFAIL
            assert not any("1.2.3" in each for each in section(reply.answer))
        else:
            assert section(reply.answer)[-1] == expected
    bench.memory = Memory(OURS)


@pytest.mark.parametrize("apart", ["", "x"])
def test_a_chain_is_a_message_as_well(bench: Bench, apart: str) -> None:
    """Kept as it is sent, looked at again once for each state of the view."""
    bench.put(A)
    bench.put(RRset(wire("to.there."), 5, 300, (wire("www.elsewhere."),)))
    for _ in range(3):
        bench.memory = Memory(OURS + f"\nother{apart}.example. 300 A 192.0.2.7")
        hits = bench.messages.hits
        for number in range(4):
            assert len(bench.ask("to.there.").answer) == 2
            assert bench.messages.hits == hits + number
        assert bench.ask("www.elsewhere.").answer


def test_our_own_names_and_those_who_may_not(bench: Bench) -> None:
    bench.put(A)
    ours = bench.ask("www.example.")
    assert ours.flags & (dns.flags.AA | dns.flags.RA) == dns.flags.AA | dns.flags.RA
    assert bench.ask("www.elsewhere.", flags=0, use_edns=0).rcode() == dns.rcode.REFUSED
    assert bench.ask("www.elsewhere.", "AXFR").rcode() == dns.rcode.REFUSED
    assert bench.ask("www.elsewhere.", "ANY", flags=0).flags & dns.flags.RA
    assert bench.ask("x.sub.example.", flags=0).authority
    bench.ask("www.elsewhere.")
    bench.client = STRANGER
    for owner in ("www.elsewhere.", "www.example.", "out.example.", "x.sub.example."):
        reply = bench.ask(owner, use_edns=0)
        assert not reply.flags & dns.flags.RA
        assert not any("1.2.3.4" in each for each in section(reply.answer))
    assert errors(bench.ask("www.elsewhere.", use_edns=0)) == [20]


def test_a_view_that_is_not_ready_resolves_nothing() -> None:
    """Any name may be ours; where the zones are listed, those elsewhere are not."""
    bench = Bench()
    bench.put(A)
    bench.memory = Memory(OURS, ready=False)
    assert errors(bench.ask("www.elsewhere.", use_edns=0)) == [14]
    bench = Bench(zones=frozenset([b"example\0"]))
    bench.put(A)
    bench.memory = Memory(OURS, ready=False)
    assert bench.ask("www.elsewhere.").answer
    assert errors(bench.ask("www.example.", use_edns=0)) == [14]


def test_a_listed_zone_is_ours_without_an_event() -> None:
    bench = Bench("", zones=frozenset([b"elsewhere\0"]))
    bench.put(A)
    assert bench.ask("www.elsewhere.").rcode() == dns.rcode.NXDOMAIN


def waiter(running: Outcome | Running, client: bytes) -> Waiter[Outcome]:
    """One more query that waits for a question, in a greenlet that calls `get`."""
    assert isinstance(running, Running)
    made: Waiter[Outcome] = Waiter()
    running.join(client, made)
    return made


def test_limits_are_told_at_once(bench: Bench) -> None:
    bench.known.may_ask = lambda address: True
    waiting = [bench.recursor.begin(Question(wire(f"n{number}."), 1), b"c") for number in range(11)]
    same = bench.recursor.begin(Question(wire("n0."), 1), b"d")
    assert same is waiting[0]
    assert [isinstance(each, Outcome) for each in waiting] == [False] * 10 + [True]
    greenlets = [gevent.spawn(waiter(running, b"c").get) for running in waiting[:10]]
    refused = bench.recursor.begin(Question(wire("n0."), 1), b"c")
    assert isinstance(refused, Outcome)
    assert refused.rcode == dns.rcode.SERVFAIL
    bench.recursor.stop()
    gevent.joinall(greenlets, timeout=10)
    assert [each.get(block=False).rcode for each in greenlets] == [dns.rcode.SERVFAIL] * 10
    assert not bench.recursor.transport.open
    assert bench.recursor.summary()["clients_waiting"] == 0


def test_not_everybody_may_wait_for_the_same(bench: Bench) -> None:
    """However many clients ask one question, those that are held have a bound."""
    bench.known.may_ask = lambda address: True
    waiting = []
    for number in range(30):
        found = bench.recursor.begin(Question(wire("n."), 1), b"%d" % number)
        waiting.append(None if isinstance(found, Outcome) else gevent.spawn(waiter(found, b"%d" % number).get))
    assert [each is None for each in waiting] == [False] * 20 + [True] * 10
    bench.recursor.stop()
    gevent.joinall([each for each in waiting if each], timeout=10)
    assert bench.recursor.summary()["clients_waiting"] == 0
    assert not isinstance(bench.recursor.begin(Question(wire("m."), 1), b"c"), Outcome)
    bench.recursor.stop()


@pytest.mark.plain
def test_the_loop_is_shared_with_those_who_are_answered_at_once(bench: Bench) -> None:
    """But not because of those who wait."""
    shared: list[bool] = []
    bench.recursor.pace.share = lambda: shared.append(True)  # type: ignore[method-assign]
    bench.known.may_ask = lambda address: True
    bench.answerer.later = lambda slot: lambda reply: None
    for owner, at_once in (("www.elsewhere.", 0), ("www.example.", 1)):
        bench.answerer.bind(bench.memory)  # type: ignore[arg-type]
        made = bench.answerer.reply(dns.message.make_query(owner, "A").to_wire(), False, 0)
        bench.answerer.unbind()
        assert (made is not None, len(shared)) == (bool(at_once), at_once)


def test_what_has_to_wait_is_replied_to_later(bench: Bench) -> None:
    """Two who ask the same wait for one resolution; one whose reply cannot be sent does not keep it from the other."""
    bench.known.may_ask = lambda address: True
    sent: dict[int, bytes] = {}

    def later(slot: int) -> Any:
        def deliver(reply: bytes) -> None:
            if slot == 0:
                raise OSError("nobody is there any more")
            sent[slot] = reply

        return deliver

    bench.answerer.later = later
    bench.answerer.bind(bench.memory)  # type: ignore[arg-type]
    queries = [dns.message.make_query("www.elsewhere.", "A") for _ in range(2)]
    assert [bench.answerer.reply(query.to_wire(), False, slot) for slot, query in enumerate(queries)] == [None, None]
    assert bench.answerer.deferred == 2
    assert bench.recursor.summary()["running"] == 1
    bench.recursor.stop()
    with gevent.Timeout(10):
        while not sent:
            gevent.sleep(0.001)
    assert list(sent) == [1]
    reply = dns.message.from_wire(sent[1])
    assert queries[1].is_response(reply)
    assert reply.rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize("rdtype", ["A", "MX"])
def test_what_was_known_last_is_better_than_nothing(bench: Bench, rdtype: str) -> None:
    """With a TTL of 30 and EDE 3, through aliases, for a day; negative answers, too. Never kept as a message."""
    bench.put(A)
    bench.put(RRset(wire("alias.elsewhere."), 5, 60, (wire("www.elsewhere."),)))
    bench.known.cache.put_negative(wire("www.elsewhere."), 15, store.NODATA, soa_owner=SOA.owner, soa=SOA.rdatas,
                                   ttl_s=60, now_s=bench.now_s)
    bench.now_s += 1000
    for owner in ("www.elsewhere.", "alias.elsewhere."):
        reply = bench.ask(owner, rdtype, use_edns=0)
        assert (reply.rcode(), errors(reply)) == (dns.rcode.NOERROR, [3])
        assert {rrset.ttl for rrset in reply.answer + reply.authority} == {30}
        assert section(reply.answer)[-2:] == ["www.elsewhere. A 1.2.3.4", "www.elsewhere. A 1.2.3.5"] or rdtype == "MX"
    assert len(bench.messages) == 0
    bench.now_s += 86_400
    assert bench.ask("www.elsewhere.", rdtype, use_edns=0).rcode() == dns.rcode.SERVFAIL


@pytest.mark.plain
def test_what_is_asked_for_often_is_asked_again_before_its_end(bench: Bench) -> None:
    bench.known.may_ask = lambda address: True
    begun: list[Question] = []
    bench.recursor.refresh = begun.append  # type: ignore[method-assign]
    bench.put(A)
    for at_s in (0.0, 1.0, 269.0, 271.0, 272.0):
        bench.now_s = 1000.0 + at_s
        bench.ask("WWW.elsewhere.")
        assert begun == ([Question(wire("www.elsewhere."), 1)] if at_s > 270 else [])


def test_messages_are_bounded_and_the_used_stay() -> None:
    messages = Messages(20_000)
    query = dns.message.make_query("www.elsewhere.", "A")
    packet = query.to_wire()
    made = reply_of(outcome(A), packet, len(packet), 65535, b"", do=False)
    for number in range(100):
        messages.put(b"%d" % number, made, len(packet), 0.0)
        first = messages.get(b"0")
        assert first is not None
        first.used = True
        assert messages.bytes <= 20_000
    assert 5 < len(messages) < 60
    assert messages.evicted == 100 - len(messages)
    assert messages.bytes == sum(each.cost for each in messages._messages.values())
    assert sum(messages.clearing()) > 5
    assert (len(messages), messages.bytes) == (0, 0)


def test_what_ends_at_once_is_not_kept() -> None:
    messages = Messages(20_000)
    packet = dns.message.make_query("www.elsewhere.", "A").to_wire()
    for of in (outcome(A._replace(ttl_s=0)), outcome(rcode=3)):
        messages.put(b"k", reply_of(of, packet, len(packet), 65535, b"", do=False), len(packet), 0.0)
    assert len(messages) == 0


def test_where_ttls_stand() -> None:
    packet = dns.message.make_query("WWW.elsewhere.", "A").to_wire()
    made = reply_of(outcome(A, authority=(SOA,)), packet, len(packet), 65535, b"", do=True)
    ttls = [int.from_bytes(made[len(packet) + at :][:4], "big") for at in ttl_offsets(made, len(packet))]
    assert ttls == [300, 300, 300, 60]
    assert key_of(packet, len(packet), True) == wire("www.elsewhere.") + b"\0\1\1"
