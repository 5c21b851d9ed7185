"""What hostile servers send to the transport: too large, in pieces, costly, another question; over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent import socket

from streamdns.metrics.registry import Registry
from streamdns.resolver.resolution.load import Load
from streamdns.resolver.resolution.message import MAX_RECORDS, Options, Response
from streamdns.resolver.resolution.servers import Address
from streamdns.resolver.transport import flight
from streamdns.resolver.transport.pace import Pace
from streamdns.resolver.transport.tcp import TcpFlight
from streamdns.resolver.transport.transport import Transport
from tests.unit.resolver.test_transport import (
    QNAME,
    Told,
    ask,
    good,
    lower_case,
    other_id,
    other_question,
    tcp_server,
    udp_server,
)

END = 12 + len(QNAME) + 4
RECORD = b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\1\2\3"  # an A record of the question's name, but for the last octet


class Heard(Told):
    """Keeps the response, too."""

    response: Response | None = None

    def responded(self, token: int, response: Response) -> None:
        self.response = response
        super().responded(token, response)


@pytest.fixture
def transport() -> Iterator[Transport]:
    ticks = iter(range(1 << 30))
    # Each look at the clock is a millisecond.
    made = Transport(Registry(), pace=Pace(turn_s=1e9, clock=lambda: next(ticks) / 1000, cpu_clock=lambda: 1e9))
    yield made
    made.close()
    assert not made.open


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what is taken apart."""
    sizes: list[int] = []
    original = flight.parse

    def counted(packet: bytes, **options: bytes) -> Response:
        sizes.append(len(packet))
        return original(packet, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(flight, "parse", counted)
    return sizes


def with_records(packet: bytes, count: int) -> bytes:
    """The right answer to a query, with so many addresses."""
    records = b"".join([RECORD[:-2] + number.to_bytes(2, "big") + b"\7" for number in range(count)])
    return packet[:2] + b"\x84\0\0\1" + count.to_bytes(2, "big") + bytes(4) + packet[12:END] + records


@pytest.mark.plain
@pytest.mark.parametrize(("octets", "edns", "whole"), [
    (1232, 1232, True), (1233, 1232, False), (60_000, 1232, False), (1400, 4096, True), (4097, 4096, False),
    (1000, 0, True), (1233, 0, False),
])
def test_a_datagram_that_is_larger_than_announced_is_as_one_that_was_cut(
    transport: Transport, parsed: list[int], octets: int, edns: int, whole: bool
) -> None:
    """Nothing of it is read. Without EDNS a server may send as much as with it."""
    def script(packet: bytes) -> list[bytes]:
        fitting = with_records(packet, (octets - END) // 16)
        return [fitting + bytes(octets - len(fitting))]

    told = Heard()
    with udp_server(script) as address:
        transport.send(ask(address)._replace(options=Options(edns)), told)
        assert told.wait()[:3] == ("responded", 7, 0)
    assert told.response is not None
    assert (told.response.truncated, bool(told.response.answer)) == (not whole, whole)
    assert parsed == [octets if whole else END]


def test_only_what_answers_the_question_is_taken_apart(transport: Transport, parsed: list[int]) -> None:
    """Of all else the header and the question are compared, and no more."""
    def other_type(packet: bytes) -> bytes:
        made = with_records(packet, 60)
        return made[: END - 3] + b"\x63" + made[END - 2 :]

    for script in (other_type, other_question, other_id, lower_case, lambda packet: packet[:5] + b"\2" + packet[6:],
                   lambda packet: packet[:2] + b"\x84\0\0\0\0\1" + bytes(4) + bytes(600)):
        told = Told()
        with udp_server(lambda packet, script=script: [script(packet)] * 3) as address:  # type: ignore[misc]
            transport.send(ask(address), told)
            assert told.wait() == ("distrusted", 7, script is lower_case)
    assert parsed == []


def test_more_records_than_are_read_are_seen_in_the_header(transport: Transport) -> None:
    told = Told()
    whole = lambda packet: with_records(packet, MAX_RECORDS + 1)  # noqa: E731
    with tcp_server(lambda packet: len(whole(packet)).to_bytes(2, "big") + whole(packet)) as address:
        transport.send(ask(address, tcp=True), told)
        assert told.wait() == ("failed", 7, "its response has too many records or labels", False)


@pytest.mark.parametrize("script", [lambda packet: [good(packet)], lambda packet: [good(packet)[:-3]]])
def test_the_time_for_a_response_is_told_before_what_came_of_it(
    transport: Transport, script: Callable[[bytes], list[bytes]]
) -> None:
    """Whether it could be read or not."""
    told = Told()
    with udp_server(script) as address:
        transport.send(ask(address), told)
        told.wait()
    assert told.spent_us == [1000]


def test_another_case_over_tcp_is_an_answer_that_says_so(transport: Transport) -> None:
    """Nobody can forge it there. (Once in 2^13 the name is in lower case by chance.)"""
    for script, kept in ((lower_case, False), (good, True)):
        told = Heard()
        with tcp_server(lambda packet, script=script: len(script(packet)).to_bytes(2, "big") + script(packet)) as where:
            transport.send(ask(where, tcp=True), told)
            assert told.wait() == ("responded", 7, 0, 1)
        assert told.response is not None
        assert told.response.case_kept is kept or told.response.qname == QNAME


def test_a_response_over_tcp_in_thousands_of_pieces_is_given_up(transport: Transport) -> None:
    """Each piece costs a turn of the loop: 64 KB an octet at a time would be seconds."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    told = Told()
    transport.send(ask(Address("127.0.0.1", listener.getsockname()[1]), tcp=True), told)
    with gevent.Timeout(10):
        accepted, _ = listener.accept()
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.sendall(b"\xff\xff")
        (one,) = transport.open
        assert isinstance(one, TcpFlight)
        sent = 0
        while not one.ended and sent < 5000:
            seen = one.pieces
            sent += accepted.send(b"\0")
            while not one.ended and one.pieces == seen:
                gevent.sleep(0.000_1)
    accepted.close()
    listener.close()
    assert told.wait() == ("failed", 7, "its response comes in too many pieces", False)
    assert sent < 1000


def test_what_is_on_its_way_is_counted_by_zone_and_server() -> None:
    load = Load()
    # All of them are sent at once, however long this process had to wait for a processor.
    transport = Transport(Registry(), load=load, pace=Pace(turn_s=1e9, shared_s=1e9))
    silent = [Address("127.0.0.1", 9), Address("127.0.0.2", 9)]
    with udp_server(lambda packet: [good(packet)]) as answers:
        told = [Told() for _ in range(4)]
        asks = [ask(each)._replace(token=number, qtype=number + 1) for number, each in enumerate([*silent, answers])]
        for each, its in zip([*asks, asks[2]], told, strict=True):
            transport.send(each, its)
        # The same again joins what is on its way.
        assert (load.zones, load.servers) == ({b"\3org\0": 3}, {silent[0]: 1, silent[1]: 1, answers: 1})
        assert {its.wait()[0] for its in told[2:]} == {"responded"}
    transport.close()
    assert (load.zones, load.servers) == ({}, {})


def test_sockets_are_left_for_clients(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be too many waits until others have ended."""
    monkeypatch.setattr(transport, "_most_open", 2)
    with udp_server(lambda packet: []) as silent, udp_server(lambda packet: [good(packet)]) as answers:
        waits = [Told() for _ in range(2)]
        for number, each in enumerate(waits):
            transport.send(ask(silent, timeout_s=0.3)._replace(qtype=number + 1), each)
        late = Told()
        transport.send(ask(answers), late)
        assert [each.socket is not None for each in transport.open].count(True) == 2
        assert late.wait()[0] == "responded"
        assert [each.wait()[0] for each in waits] == ["failed", "failed"]
