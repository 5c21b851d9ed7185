"""Listening: what is wrong in the settings, and what is only not there yet."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streamdns.addresses import Address, Unasked, UnixAddress
from streamdns.errors import ConfigError, NotYet
from streamdns.runtime import listening
from streamdns.runtime.listening import InetListener, UnixListener, families, wanted
from streamdns.settings.parsers import parse_addresses

#: RFC 5737: no machine has it.
NOWHERE = Address("192.0.2.53", 0)
KINDS = [socket.SOCK_DGRAM, socket.SOCK_STREAM]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_a_port_that_is_taken_may_become_free(stack: ExitStack, kind: socket.SocketKind) -> None:
    taken = stack.enter_context(socket.socket(socket.AF_INET, kind))
    taken.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        taken.listen()
    listener = InetListener("DNS_ADDRESS", Address(*taken.getsockname()), kind)
    with pytest.raises(NotYet, match=r"DNS_ADDRESS: \w+ 127.0.0.1:\d+ is in use by another process"):
        listener.bind()
    taken.close()
    made = stack.enter_context(listener.bind())
    assert not made.getblocking()
    assert not listener.missing


@pytest.mark.parametrize("kind", KINDS)
def test_sockets_that_share_a_port_share_it_with_nobody_else(stack: ExitStack, kind: socket.SocketKind) -> None:
    """Also not with a process of the same user that would share it, and whose clients we would take."""
    taken = stack.enter_context(socket.socket(socket.AF_INET, kind))
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    taken.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        taken.listen()
    listeners = [InetListener("DNS_ADDRESS", Address(*taken.getsockname()), kind, share=share) for share in (1, 2, 3)]
    with pytest.raises(NotYet, match="is in use by another process"):
        listeners[0].bind()
    taken.close()
    made = [stack.enter_context(listener.bind()) for listener in listeners]
    assert {sock.getsockname() for sock in made} == {made[0].getsockname()}
    with pytest.raises(NotYet, match="is in use by another process"):
        InetListener("DNS_ADDRESS", listeners[0].address, kind).bind()


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_that_is_not_there_is_bound_for_when_it_comes(stack: ExitStack, kind: socket.SocketKind) -> None:
    listener = InetListener("DNS_ADDRESS", NOWHERE, kind)
    made = stack.enter_context(listener.bind())
    assert listener.missing
    assert made.getsockname()[0] == NOWHERE.host
    if "IPv6" in families():
        listener = InetListener("DNS_ADDRESS", Address("2001:db8::53", 0), kind)
        stack.enter_context(listener.bind())
        assert listener.missing


def test_an_address_that_can_never_be_bound_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="cannot listen on TCP"):
        InetListener("DNS_ADDRESS", Address("fe80::1", 0), socket.SOCK_STREAM).bind()


def test_only_what_nobody_asked_for_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = parse_addresses(":53 127.0.0.1:54 [::1]:54")
    assert [address.asked for address in addresses] == [False, False, True, True]
    assert [address.asked for address in parse_addresses(":53 [::]:53 0.0.0.0:53")] == [True, True]
    assert wanted(addresses) == (addresses, ())
    # A kernel with neither cannot be had here.
    monkeypatch.setattr("streamdns.runtime.listening.families", lambda: frozenset({"IPv4"}))
    assert wanted(addresses) == ((addresses[0], *addresses[2:]), (Unasked("::", 53),))


def test_a_unix_socket_that_was_left_over_is_replaced(stack: ExitStack, tmp_path: Path) -> None:
    listener = UnixListener("DNS_ADMIN_ADDRESS", UnixAddress(str(tmp_path / "socket")), mode=0o660)
    listener.bind().close()
    made = listener.bind()
    assert stat.S_IMODE((tmp_path / "socket").stat().st_mode) == 0o660
    listener.release(made)
    assert not (tmp_path / "socket").exists()


@pytest.mark.parametrize("busy", [False, True])
def test_a_unix_socket_of_another_process_is_left_alone(stack: ExitStack, tmp_path: Path, busy: bool) -> None:
    """Also where that one is too busy to take connections: nobody waits for it."""
    path = str(tmp_path / "socket")
    other = stack.enter_context(socket.socket(socket.AF_UNIX))
    other.bind(path)
    other.listen(0)
    while busy:
        one = stack.enter_context(socket.socket(socket.AF_UNIX))
        one.setblocking(False)
        try:
            one.connect(path)
        except BlockingIOError:
            break
    with pytest.raises(NotYet, match="is in use by another process"):
        UnixListener("DNS_ADMIN_ADDRESS", UnixAddress(path), mode=0o660).bind()
    assert Path(path).is_socket()


def test_a_file_that_is_no_socket_and_a_folder_that_is_not_there_are_mistakes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("somebody's")
    for path in (tmp_path / "file", tmp_path / "nowhere" / "socket"):
        with pytest.raises(ConfigError, match=r"DNS_ADMIN_ADDRESS: unix:.* cannot be used"):
            UnixListener("DNS_ADMIN_ADDRESS", UnixAddress(str(path)), mode=0o660).bind()
    assert (tmp_path / "file").read_text() == "somebody's"


def test_the_mode_of_a_socket_is_set_on_nothing_else(tmp_path: Path) -> None:
    """Between bind(2) and chmod(2) who owns the directory may put a link there."""
    target = tmp_path / "target"
    target.write_text("secret")
    target.chmod(0o600)
    (tmp_path / "admin.sock").symlink_to(target)
    for path in (tmp_path / "admin.sock", target):
        with pytest.raises(OSError, match="something else stands there"):
            listening._set_mode(str(path), 0o666)
    assert target.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "real.sock"))
        listening._set_mode(str(tmp_path / "real.sock"), 0o660)
    assert (tmp_path / "real.sock").stat().st_mode & 0o777 == 0o660
