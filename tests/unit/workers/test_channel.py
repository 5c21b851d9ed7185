"""The socket between the main process and a worker: whole messages in order, descriptors, and the end of the other."""

from __future__ import annotations

import _socket
import os
import socket
from collections.abc import Callable, Iterator

import gevent
import pytest

from streamdns.workers.channel import Channel


class End:
    """One end, with what it took."""

    def __init__(self, sock: _socket.socket) -> None:
        self.took: list[bytes] = []
        self.ended = 0
        self.channel = Channel(sock, take=self.took.append, ended=self._end)

    def _end(self) -> None:
        self.ended += 1


@pytest.fixture
def ends() -> Iterator[tuple[End, End]]:
    one, other = (End(sock) for sock in _socket.socketpair())
    yield one, other
    one.channel.close()
    other.channel.close()


def until(true: Callable[[], bool]) -> None:
    """Let the event loop turn until something is so."""
    with gevent.Timeout(20):
        while not true():
            gevent.sleep(0.001)


def test_messages_come_whole_and_in_order(ends: tuple[End, End]) -> None:
    one, other = ends
    sent = [b"", b"a", b"x" * 3_000_000, b"b" * 70_000, b"end"]
    for message in sent:
        one.channel.send(message)
    other.channel.send(b"back")
    until(lambda: len(other.took) == len(sent) and bool(one.took))
    assert (other.took, one.took) == (sent, [b"back"])


def test_a_message_that_comes_in_pieces_is_put_together() -> None:
    ours, theirs = _socket.socketpair()
    end = End(theirs)
    for octet in b"\0\0\0\3abc\0\0\0\1d":
        ours.send(bytes([octet]))
        gevent.sleep(0)
    until(lambda: len(end.took) == 2)
    assert end.took == [b"abc", b"d"]
    ours.send(b"\0\0\0\5half")
    ours.close()
    until(lambda: bool(end.ended))
    assert (end.took, end.ended) == ([b"abc", b"d"], 1)


def test_sockets_are_handed_over_in_order(ends: tuple[End, End]) -> None:
    one, other = ends
    listening = []
    for _ in range(130):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        listening.append(sock)
    one.channel.send(b"begin", [sock.fileno() for sock in listening])
    until(lambda: bool(other.took))
    handed = [socket.socket(fileno=number) for number in other.channel.descriptors]
    other.channel.descriptors.clear()
    assert [sock.getsockname() for sock in handed] == [sock.getsockname() for sock in listening]
    assert not any(os.get_inheritable(sock.fileno()) for sock in handed)
    for sock in [*handed, *listening]:
        sock.close()


def test_an_end_that_is_gone_is_told_once_and_sending_to_it_is_nothing(ends: tuple[End, End]) -> None:
    one, other = ends
    one.channel.send(b"last words")
    one.channel.close()
    until(lambda: bool(other.ended))
    other.channel.send(b"too late")
    other.channel.flush()
    gevent.sleep(0.01)
    assert (other.took, other.ended, one.ended) == ([b"last words"], 1, 0)


def test_what_waits_is_sent_before_the_process_ends(ends: tuple[End, End]) -> None:
    one, other = ends
    one.channel.send(b"x" * 100_000)
    one.channel.flush()
    one.channel.close()
    other.channel.read_all()
    assert [len(message) for message in other.took] == [100_000]


def test_a_message_that_cannot_be_taken_does_not_end_the_watch() -> None:
    ours, theirs = _socket.socketpair()
    took: list[bytes] = []

    def take(message: bytes) -> None:
        took.append(message)
        if message == b"bad":
            raise ValueError("bad")

    channel = Channel(theirs, take=take, ended=lambda: None)
    ours.send(b"\0\0\0\3bad\0\0\0\4good")
    until(lambda: len(took) == 2)
    channel.close()
    ours.close()
