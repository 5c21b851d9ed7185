"""Connections of the admin API that become readable at once are served in turns of the event loop of their own."""

from __future__ import annotations

import socket as plain
from typing import Any

import gevent
import pytest
from gevent.socket import socket

from streamdns.admin.http.in_turn import InTurnSocket
from streamdns.runtime.turns import give_way

MANY = 20


def _turns_of(kind: type[Any]) -> list[int]:
    """In which turns of the loop MANY greenlets go on whose sockets become readable in the same one."""
    turns, went = [0], list[int]()
    pairs = [plain.socketpair() for _ in range(MANY)]
    here = [kind(plain.AF_UNIX, plain.SOCK_STREAM, 0, fileno=ours.detach()) for ours, _ in pairs]

    def count() -> None:
        while True:
            give_way()
            turns[0] += 1

    def read(sock: Any) -> None:
        assert sock.recv(10) == b"x"
        went.append(turns[0])

    counter = gevent.spawn(count)
    readers = [gevent.spawn(read, sock) for sock in here]
    try:
        for _ in range(3):
            give_way()  # All of them wait.
        for _, theirs in pairs:
            theirs.send(b"x")
        gevent.joinall(readers, timeout=10, raise_error=True)
    finally:
        counter.kill()
        gevent.killall(readers)
        for sock in (*here, *(theirs for _, theirs in pairs)):
            sock.close()
    assert len(went) == MANY
    return went


def test_one_goes_on_in_each_turn() -> None:
    went = _turns_of(InTurnSocket)
    # Who counts the turns is in the middle of each, so two may have the same number, and no more.
    assert max(map(went.count, went)) <= 2
    assert went[-1] - went[0] >= MANY // 2


def test_sockets_of_gevent_would_all_go_on_at_once() -> None:
    """What the test before would find, were it not for that."""
    went = _turns_of(socket)
    assert max(map(went.count, went)) > 2


def test_who_waits_for_a_turn_can_be_ended() -> None:
    ours, theirs = plain.socketpair()
    sock = InTurnSocket(plain.AF_UNIX, plain.SOCK_STREAM, 0, fileno=ours.detach())
    reader = gevent.spawn(sock.recv, 10)
    try:
        give_way()
        theirs.send(b"x")
        with pytest.raises(gevent.Timeout), gevent.Timeout(0):
            gevent.sleep(1)
        reader.kill()
        assert isinstance(reader.value, gevent.GreenletExit | bytes)
    finally:
        sock.close()
        theirs.close()
