"""The resolver's transport beside servers that do as they are told, over real sockets on the loopback."""

from __future__ import annotations

import itertools
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.message
import dns.rrset
import gevent
import pytest
from gevent import socket
from gevent.event import AsyncResult

from streamdns.metrics.registry import Registry
from streamdns.resolver.resolution.message import Options, Response
from streamdns.resolver.resolution.resolution import Ask
from streamdns.resolver.resolution.servers import Address
from streamdns.resolver.transport.pace import Pace
from streamdns.resolver.transport.transport import Transport, scrambled
from streamdns.runtime.turns import give_way
from tests.harness import wait_until
from tests.harness.process import open_descriptors

QNAME = b"\3www\7example\3org\0"
_PATIENCE_S = 10.0
#: What a server makes of a query: the replies it sends, one after another.
Script = Callable[[bytes], list[bytes]]


def good(packet: bytes) -> bytes:
    reply = dns.message.make_response(dns.message.from_wire(packet))
    reply.answer.append(dns.rrset.from_text(reply.question[0].name, 300, "IN", "A", "192.0.2.1"))
    return reply.to_wire()


def other_id(packet: bytes) -> bytes:
    made = good(packet)
    return bytes((made[0] ^ 1,)) + made[1:]


def other_question(packet: bytes) -> bytes:
    made = good(packet)
    return made[:13] + b"vvv" + made[16:]


def lower_case(packet: bytes) -> bytes:
    made = good(packet)
    return made[:12] + made[12:29].lower() + made[29:]


class Told:
    """Keeps what the transport tells."""

    def __init__(self) -> None:
        self.hurried = 0
        self.joins: list[int] = []
        self.spent_us: list[int] = []
        self._end: AsyncResult = AsyncResult()

    def responded(self, token: int, response: Response) -> None:
        self._end.set(("responded", token, response.rcode, len(response.answer)))

    def failed(self, token: int, why: str, *, unreachable: bool = False) -> None:
        self._end.set(("failed", token, why, unreachable))

    def hurry(self, token: int) -> None:
        self.hurried += 1

    def distrusted(self, token: int, *, case: bool) -> None:
        self._end.set(("distrusted", token, case))

    def joined(self, token: int) -> None:
        self.joins.append(token)

    def spent(self, token: int, us: int) -> None:
        self.spent_us.append(us)

    def wait(self) -> tuple[object, ...]:
        end: tuple[object, ...] = self._end.get(timeout=_PATIENCE_S)
        return end


@contextmanager
def udp_server(script: Script) -> Iterator[Address]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            packet, peer = sock.recvfrom(4096)
            for reply in script(packet):
                sock.sendto(reply, peer)

    greenlet = gevent.spawn(serve)
    try:
        yield Address("127.0.0.1", sock.getsockname()[1])
    finally:
        greenlet.kill()
        sock.close()


@contextmanager
def tcp_server(script: Callable[[bytes], bytes]) -> Iterator[Address]:
    """Answers each connection's first message with these octets, length and all, and closes."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", 0))
    sock.listen()

    def serve() -> None:
        while True:
            try:
                accepted, _ = sock.accept()
            except OSError:  # Here, too, there may be no descriptor left.
                gevent.sleep(0.01)
                continue
            length = int.from_bytes(accepted.recv(2), "big")
            accepted.sendall(script(accepted.recv(length)))
            accepted.close()

    greenlet = gevent.spawn(serve)
    try:
        yield Address("127.0.0.1", sock.getsockname()[1])
    finally:
        greenlet.kill()
        sock.close()


def ask(address: Address, *, tcp: bool = False, timeout_s: float = _PATIENCE_S, patience_s: float = 60.0) -> Ask:
    return Ask(7, address, b"\3org\0", QNAME, 1, Options(), tcp, False, patience_s, timeout_s)


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport(Registry())
    yield made
    made.close()
    assert not made.open


@pytest.mark.parametrize(("script", "end"), [
    (lambda packet: [good(packet)], ("responded", 7, 0, 1)),
    (lambda packet: [other_id(packet), other_question(packet), good(packet)], ("responded", 7, 0, 1)),
    (lambda packet: [other_id(packet)] * 3, ("distrusted", 7, False)),
    (lambda packet: [other_question(packet)] * 3, ("distrusted", 7, False)),
    (lambda packet: [good(packet)[:30]], ("failed", 7, "its response is malformed", False)),
    (lambda packet: [packet, b"", b"x", good(packet)], ("distrusted", 7, False)),
    (lambda packet: [packet[:2] + b"\x81\x85" + bytes(8)], ("responded", 7, 5, 0)),
], ids=["good", "good at last", "other ids", "other questions", "cut", "no replies", "no question"])
def test_over_udp(transport: Transport, script: Script, end: tuple[object, ...]) -> None:
    told = Told()
    with udp_server(script) as address:
        transport.send(ask(address), told)
        assert told.wait() == end


def test_case_that_is_not_kept(transport: Transport) -> None:
    """Told at once: one reply of that kind is enough. (Once in 2^13 the name is in lower case by chance.)"""
    told = Told()
    with udp_server(lambda packet: [lower_case(packet)]) as address:
        transport.send(ask(address), told)
        assert told.wait() in (("distrusted", 7, True), ("responded", 7, 0, 1))


def test_silence(transport: Transport) -> None:
    """First it is said that it takes long, then that nothing came."""
    told = Told()
    with udp_server(lambda packet: []) as address:
        transport.send(ask(address, timeout_s=0.1, patience_s=0.02), told)
        assert told.wait() == ("failed", 7, "no response", False)
    assert told.hurried == 1


def test_a_time_out_counts_from_when_it_was_sent(transport: Transport) -> None:
    """Not from when the loop last looked at its clock."""
    told = Told()
    with udp_server(lambda packet: [good(packet)]) as address:
        time.sleep(1.2)  # The loop stands still.
        transport.send(ask(address, timeout_s=1.0), told)
        assert told.wait() == ("responded", 7, 0, 1)


@pytest.mark.parametrize("tcp", [False, True])
def test_nobody_there(transport: Transport, tcp: bool) -> None:
    with udp_server(lambda packet: []) as address:
        pass
    told = Told()
    transport.send(ask(address, tcp=tcp), told)
    assert told.wait() == ("failed", 7, "connection refused", True)


def test_every_query_has_an_id_a_port_and_a_case_of_its_own(transport: Transport) -> None:
    seen: list[tuple[bytes, bytes]] = []
    ports = set()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(_PATIENCE_S)
    for number in range(24):
        transport.send(ask(Address("127.0.0.1", sock.getsockname()[1]))._replace(qtype=number + 1), Told())
        gevent.sleep(0.001)  # A few are sent at once; for more the loop has to turn.
        packet, peer = sock.recvfrom(4096)
        seen.append((packet[:2], packet[12:29]))
        ports.add(peer[1])
    sock.close()
    assert len({number for number, _ in seen}) > 20
    assert len({name for _, name in seen}) > 20
    assert {name.lower() for _, name in seen} == {QNAME}
    assert len(ports) > 20
    assert len(transport.open) == 24


def test_a_flood_is_sent_turn_by_turn() -> None:
    """Other callbacks of the loop get their turn in between; in the end all are sent."""
    told = [Told() for _ in range(100)]
    looks = itertools.count()
    transport = Transport(Registry(), pace=Pace(turn_s=20, clock=lambda: float(next(looks)), cpu_clock=float))
    with udp_server(lambda packet: [good(packet)]) as address:
        for number, each in enumerate(told):
            transport.send(ask(address)._replace(qtype=number + 1), each)
        assert 0 < len(transport.open) < 50
        assert [each.wait()[0] for each in told] == ["responded"] * 100
    assert not transport.open


@pytest.mark.parametrize(("script", "end"), [
    (lambda packet: [good(packet)], ("responded", 0, 1)),
    (lambda packet: [good(packet)[:30]], ("failed", "its response is malformed", False)),
    (lambda packet: [other_id(packet)] * 3, ("distrusted", False)),
    (lambda packet: [], ("failed", "no response", False)),
], ids=["good", "cut", "forged", "silent"])
def test_the_same_is_not_sent_twice_at_a_time(transport: Transport, script: Script, end: tuple[object, ...]) -> None:
    """A forger who has many questions asked at once gets no more ids to guess (birthday attack)."""
    seen: list[bytes] = []
    told = [Told() for _ in range(50)]

    def remember(packet: bytes) -> list[bytes]:
        seen.append(packet)
        return script(packet)

    with udp_server(remember) as address:
        for token, each in enumerate(told):
            transport.send(ask(address, timeout_s=0.3)._replace(token=token), each)
        assert [(each.wait()[0], *each.wait()[2:]) for each in told] == [end] * 50
    assert len(seen) == 1
    assert [each.joins for each in told] == [[], *[[token] for token in range(1, 50)]]
    assert not transport.joinable


def test_what_differs_is_sent_apart(transport: Transport) -> None:
    seen: list[bytes] = []

    def remember(packet: bytes) -> list[bytes]:
        seen.append(packet)
        return [good(packet)]

    with udp_server(remember) as address:
        first = ask(address)
        asks = [first, first._replace(qtype=28), first._replace(options=Options(do=True)),
                first._replace(keep_case=True), first._replace(qname=b"\3ww2\7example\3org\0")]
        told = [Told() for _ in asks]
        for each, its in zip(asks, told, strict=True):
            transport.send(each, its)
        assert {its.wait()[0] for its in told} == {"responded"}
    assert len(seen) == len(asks)


def test_what_takes_long_may_be_sent_again(transport: Transport) -> None:
    """Its packet may be lost: all who wait for it are told that it is slow, and the next one is sent anew."""
    seen: list[bytes] = []

    def second(packet: bytes) -> list[bytes]:
        seen.append(packet)
        return [good(packet)] if len(seen) == 2 else []

    with udp_server(second) as address:
        first, joined, again = Told(), Told(), Told()
        transport.send(ask(address, patience_s=0.02, timeout_s=0.5), first)
        transport.send(ask(address, patience_s=0.02, timeout_s=0.5), joined)
        while not joined.hurried:
            gevent.sleep(0.001)
        transport.send(ask(address), again)
        assert again.wait()[0] == "responded"
        assert [first.wait()[0], joined.wait()[0]] == ["failed", "failed"]
    assert [first.hurried, joined.hurried, len(seen), again.joins] == [1, 1, 2, []]


def test_queries_do_not_heed_what_is_said_of_smaller_packets(transport: Transport) -> None:
    """Forged messages about a path's MTU must not lead to fragments, which can be forged as well."""
    transport.send(ask(Address("127.0.0.1", 9)), Told())
    (flight,) = transport.open
    assert flight.socket is not None
    assert flight.socket.getsockopt(socket.IPPROTO_IP, 10) == 5  # IP_MTU_DISCOVER, IP_PMTUDISC_OMIT: linux/in.h


def test_scrambling_changes_letters_alone() -> None:
    name = b"\x05a-1\xe4z\x03\x41\x00b\x00"
    made = {scrambled(name) for _ in range(200)}
    assert len(made) == 8  # a, z, b
    assert {each.lower() for each in made} == {name.lower()}


@pytest.mark.parametrize(("script", "end"), [
    (lambda packet: len(good(packet)).to_bytes(2, "big") + good(packet), ("responded", 7, 0, 1)),
    (lambda packet: len(good(packet)).to_bytes(2, "big") + other_question(packet),
     ("failed", 7, "it answered another question", False)),
    (lambda packet: b"\0\5abcde", ("failed", 7, "it answered another question", False)),
    (lambda packet: b"\0\x20" + good(packet)[:32], ("failed", 7, "its response is malformed", False)),
    (lambda packet: b"\0\x20" + good(packet)[:20], ("failed", 7, "connection reset by peer", True)),
    (lambda packet: b"", ("failed", 7, "connection reset by peer", True)),
], ids=["good", "other question", "no message", "cut", "ends early", "ends at once"])
def test_over_tcp(transport: Transport, script: Callable[[bytes], bytes], end: tuple[object, ...]) -> None:
    told = Told()
    with tcp_server(script) as address:
        transport.send(ask(address, tcp=True), told)
        assert told.wait() == end


@pytest.mark.parametrize("pieces", [
    lambda whole: [whole[at : at + 1] for at in range(len(whole))], lambda whole: [whole[:2], whole[2:] + b"more"],
], ids=["octet by octet", "with more than was asked for"])
def test_a_response_over_tcp_in_pieces(transport: Transport, pieces: Callable[[bytes], list[bytes]]) -> None:
    told = Told()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    transport.send(ask(Address("127.0.0.1", listener.getsockname()[1]), tcp=True), told)
    with gevent.Timeout(_PATIENCE_S):
        accepted, _ = listener.accept()
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = good(accepted.recv(int.from_bytes(accepted.recv(2), "big")))
        for piece in pieces(len(made).to_bytes(2, "big") + made):
            accepted.sendall(piece)
            give_way()
    assert told.wait() == ("responded", 7, 0, 1)
    accepted.close()
    listener.close()


def test_a_server_that_takes_the_connection_and_says_nothing(transport: Transport) -> None:
    told = Told()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    address = Address("127.0.0.1", listener.getsockname()[1])
    transport.send(ask(address, tcp=True, timeout_s=0.1, patience_s=0.02), told)
    assert told.wait() == ("failed", 7, "no response", False)
    assert told.hurried == 1
    listener.close()


@pytest.mark.parametrize("tcp", [False, True])
def test_queries_come_from_the_source_that_is_set(tcp: bool) -> None:
    transport, told, peers = Transport(Registry(), sources=["127.0.0.77"]), Told(), []
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(_PATIENCE_S)
    if tcp:
        sock.listen()
    transport.send(ask(Address("127.0.0.1", sock.getsockname()[1]), tcp=tcp), told)
    peers.append(sock.accept()[1] if tcp else sock.recvfrom(4096)[1])
    assert [host for host, _ in peers] == ["127.0.0.77"]
    transport.close()
    sock.close()


@pytest.mark.parametrize("tcp", [False, True])
def test_an_address_that_the_system_cannot_send_to(tcp: bool) -> None:
    """Told later, not from within send()."""
    transport, told = Transport(Registry(), sources=["192.0.2.1"]), Told()
    transport.send(ask(Address("127.0.0.1", 53), tcp=tcp), told)
    assert not told._end.ready()
    assert told.wait() == ("failed", 7, "cannot assign requested address", True)
    assert not transport.open


@pytest.mark.parametrize("tcp", [False, True])
def test_what_is_closed_tells_nobody(tcp: bool) -> None:
    """Neither what was sent nor what waits for its turn."""
    looks = itertools.count()
    transport = Transport(Registry(), pace=Pace(turn_s=8, clock=lambda: float(next(looks)), cpu_clock=float))
    told = [Told() for _ in range(10)]
    before = open_descriptors()
    with udp_server(lambda packet: []) as address:
        for each in told:
            transport.send(ask(address, timeout_s=0.05, tcp=tcp), each)
        assert 0 < len(transport.open) < 10
        transport.close()
    gevent.sleep(0.1)  # past every time-out
    assert not any(each._end.ready() for each in told)
    wait_until(lambda: open_descriptors() <= before, "all descriptors are given back")


def _all_descriptors() -> list[int]:
    taken: list[int] = []
    while True:
        try:
            taken.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return taken


@pytest.mark.parametrize("tcp", [False, True])
def test_without_descriptors_it_waits_for_one(transport: Transport, tcp: bool) -> None:
    """That there is none left is no fault of the server."""
    told = Told()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def behind_its_length(packet: bytes) -> bytes:
        return len(good(packet)).to_bytes(2, "big") + good(packet)

    with tcp_server(behind_its_length) if tcp else udp_server(lambda packet: [good(packet)]) as address:
        taken: list[int] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, hard))
        try:
            taken += _all_descriptors()
            transport.send(ask(address, tcp=tcp), told)
            gevent.sleep(0)
            assert not told._end.ready()
        finally:
            for number in taken:
                os.close(number)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert told.wait() == ("responded", 7, 0, 1)
