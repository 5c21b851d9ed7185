"""Sockets that outlive the process: which are taken back, which are given up, and what systemd is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from streamdns.addresses import Address
from streamdns.runtime.kept_sockets import KeptSockets
from streamdns.runtime.listening import InetListener
from streamdns.runtime.sdnotify import Notifier

KINDS = [socket.SOCK_DGRAM, socket.SOCK_STREAM]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def bound(kind: socket.SocketKind, host: str = "127.0.0.1") -> socket.socket:
    """A socket as the process before had it."""
    sock = socket.socket(socket.AF_INET, kind)
    sock.bind((host, 0))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


def identity(number: int) -> tuple[int, int] | None:
    """Which file or socket an open descriptor is; None where it is closed."""
    with suppress(OSError):
        found = os.fstat(number)
        return found.st_dev, found.st_ino
    return None


def listener_of(sock: socket.socket) -> InetListener:
    return InetListener("DNS_ADDRESS", Address(*sock.getsockname()), sock.type)


@pytest.mark.parametrize("kind", KINDS)
def test_a_socket_that_is_wanted_is_taken_back_as_often_as_a_service_starts(
    stack: ExitStack, kind: socket.SocketKind
) -> None:
    before = bound(kind)
    inode, listener = os.fstat(before.fileno()).st_ino, listener_of(before)
    KeptSockets(Notifier(None), [(before.detach(), "a")]).share_out([listener])
    for _ in range(2):
        made = listener.open()
        assert os.fstat(made.fileno()).st_ino == inode
        assert not made.getblocking()
        assert not os.get_inheritable(made.fileno())
        made.close()
    assert listener.returned is not None
    stack.enter_context(listener.returned)


@pytest.mark.parametrize("kind", KINDS)
def test_a_socket_that_is_not_wanted_is_closed(stack: ExitStack, kind: socket.SocketKind, tmp_path: Path) -> None:
    """Another address, another kind, a connection in place of a listener, and what is no socket at all."""
    unwanted = [bound(kind), socket.socket(socket.AF_INET, kind), socket.socket(socket.AF_UNIX, kind)]
    place = str(tmp_path / "notify")
    manager = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    manager.bind(place)
    manager.settimeout(10)
    other = stack.enter_context(bound(socket.SOCK_DGRAM if kind == socket.SOCK_STREAM else socket.SOCK_STREAM))
    listener = InetListener("DNS_ADDRESS", Address(*other.getsockname()), kind)
    (tmp_path / "file").touch()
    file = os.open(tmp_path / "file", os.O_RDONLY)
    numbers = [sock.detach() for sock in unwanted]
    before = {number: identity(number) for number in (file, *numbers)}
    kept = KeptSockets(Notifier(place), [(file, "no socket"), *((number, f"n{number}") for number in numbers)])
    kept.share_out([listener])
    assert listener.returned is None
    # Another thread may have opened something under the same number by now.
    assert not [number for number, what in before.items() if identity(number) == what]
    heard = [manager.recv(4096).decode() for _ in range(5)]
    assert heard == [f"FDSTOREREMOVE=1\nFDNAME={name}" for name in ("no socket", *(f"n{n}" for n in numbers))] + [
        "BARRIER=1"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_opened_is_left_with_systemd(stack: ExitStack, kind: socket.SocketKind, tmp_path: Path) -> None:
    place = str(tmp_path / "notify")
    manager = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    manager.bind(place)
    manager.settimeout(10)
    with bound(kind) as free:
        listener = listener_of(free)
    KeptSockets(Notifier(place)).share_out([listener])
    for _ in range(2):
        made = stack.enter_context(listener.open())
        message, (copy,), _, _ = socket.recv_fds(manager, 4096, 4)
        sock = stack.enter_context(socket.socket(fileno=copy))
        assert os.fstat(sock.fileno()).st_ino == os.fstat(made.fileno()).st_ino
        word = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
        port = listener.address.port
        assert message.decode() == f"FDSTORE=1\nFDNAME=DNS_ADDRESS {word} 127.0.0.1_{port}\nFDPOLL=0"
        made.close()
    assert listener.returned is not None
    stack.enter_context(listener.returned)


@pytest.mark.parametrize("kind", KINDS)
def test_sockets_that_share_a_port_are_kept_each_and_never_taken_for_one_that_is_alone(
    stack: ExitStack, kind: socket.SocketKind
) -> None:
    """A socket that was left over would get its part of the clients, and nobody would answer them."""
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind(("127.0.0.1", 0))
        address = Address(*free.getsockname())
    shared = [InetListener("DNS_ADDRESS", address, kind, share=share) for share in (1, 2, 3)]
    handed = [(listener.bind().detach(), f"{listener.share}") for listener in shared]
    before = [identity(number) for number, _ in handed]
    again = [InetListener("DNS_ADDRESS", address, kind, share=share) for share in (1, 2)]
    KeptSockets(Notifier(None), handed).share_out(again)
    made = [stack.enter_context(listener.open()) for listener in again]
    assert [identity(sock.fileno()) for sock in made] == before[:2]
    for listener, sock in zip(again, made, strict=True):
        assert listener.returned is not None
        listener.returned.close()
        handed[listener.share - 1] = (sock.detach(), "a")
    # Of a server that has one process from now on: all of them are closed, and it binds one of its own.
    alone = InetListener("DNS_ADDRESS", address, kind)
    KeptSockets(Notifier(None), handed[:2]).share_out([alone])
    assert alone.returned is None
    stack.enter_context(alone.open())


def test_without_systemd_nothing_is_kept() -> None:
    with bound(socket.SOCK_DGRAM) as free:
        listener = listener_of(free)
    KeptSockets(Notifier(None)).share_out([listener])
    listener.open().close()
    assert listener.returned is None
    listener.open().close()
