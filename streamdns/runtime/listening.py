"""Sockets to listen on, and the difference between an address that is wrong and one that is not there yet.

`run` binds with what is here, and `check` binds and lets go with the same.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import Final, Protocol

from streamdns.addresses import Address, UnixAddress
from streamdns.errors import ConfigError, NotYet
from streamdns.runtime import logs

_log = logs.get("app")
_IP_FREEBIND: Final = 15
_IPV6_FREEBIND: Final = 78
_BACKLOG: Final = 128
#: Beside EADDRINUSE and EADDRNOTAVAIL, what says how the machine is and nothing of the setting.
_MAY_PASS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENETDOWN)


class Listener(Protocol):
    """Something to listen on, as a setting names it."""

    @property
    def setting(self) -> str: ...

    @property
    def where(self) -> str:
        """The transport and the address, for people."""
        ...

    def bind(self) -> socket.socket:
        """A bound socket that does not block, and listens where connections are made.

        Raises ConfigError where the setting is wrong, and NotYet where the machine is not as far.
        """
        ...

    def release(self, sock: socket.socket) -> None:
        """Let go of what bind() gave."""
        ...


class InetListener:
    """An IP address and port; `prepare` sets options before it is bound.

    Where sockets outlive the process (kept_sockets.py), `returned` is the one that the process before had, and `keep`
    is called with the one that is opened. `share` is the number, from 1, of one of several sockets at the same address
    and port (SO_REUSEPORT), of which the kernel gives each client to one; 0 is one that is alone there.
    """

    def __init__(
        self, setting: str, address: Address, kind: socket.SocketKind, *, backlog: int = _BACKLOG, share: int = 0,
        prepare: Callable[[socket.socket], None] = lambda sock: None,
    ) -> None:
        self.setting, self.address, self.kind, self.share = setting, address, kind, share
        self._backlog, self._prepare = backlog, prepare
        self.missing = False
        """Whether the address was not there when it was bound."""
        self.returned: socket.socket | None = None
        self.keep: Callable[[InetListener, socket.socket], None] | None = None

    @property
    def where(self) -> str:
        return f"{'UDP' if self.kind == socket.SOCK_DGRAM else 'TCP'} {self.address}"

    def bind(self) -> socket.socket:
        """As Listener.bind(). An address that this machine does not have is bound all the same (IP_FREEBIND), so that
        it works from the moment when it comes.

        A UDP port that another process has bound is an error although SO_REUSEADDR would share it silently: that is not
        set. So it is where sockets share an address: the first of them looks whether it could have it alone.
        """
        if self.share == 1:
            self._bound(alone=True).close()
        return self._bound(alone=not self.share)

    def _bound(self, *, alone: bool) -> socket.socket:
        family = socket.AF_INET6 if self.address.is_ipv6 else socket.AF_INET
        try:
            sock = socket.socket(family, self.kind)
        except OSError as err:
            raise self._unusable(err) from err
        try:
            if not alone:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if self.kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._prepare(sock)
            sock.setblocking(False)
            self._bind(sock)
            if self.kind == socket.SOCK_STREAM:
                sock.listen(self._backlog)
        except OSError as err:
            sock.close()
            raise self._unusable(err) from err
        return sock

    def open(self) -> socket.socket:
        """bind(), and a line in the log where the address is not there yet; or the socket that is kept, set up anew."""
        if self.returned is not None:
            return self._again(self.returned)
        sock = self.bind()
        if self.missing:
            address = str(self.address)
            _log.warning("app.address_missing", setting=self.setting, address=address, repeat_key=address)
        if self.keep is None:
            return sock
        # What is kept stays bound, so a service that is started anew within this process cannot bind another.
        self.returned = sock
        return self._again(sock)

    def _again(self, kept: socket.socket) -> socket.socket:
        """A copy of the socket that is kept, which a service may close; raises ConfigError and NotYet."""
        try:
            self._prepare(kept)
            if self.kind == socket.SOCK_STREAM:
                kept.listen(self._backlog)
            sock = kept.dup()
        except OSError as err:
            raise self._unusable(err) from err
        sock.setblocking(False)
        if self.keep is not None:
            self.keep(self, kept)
        return sock

    def release(self, sock: socket.socket) -> None:
        """As Listener.release()."""
        sock.close()

    def _bind(self, sock: socket.socket) -> None:
        place = (self.address.host, self.address.port)
        try:
            sock.bind(place)
        except OSError as err:
            if err.errno != errno.EADDRNOTAVAIL:
                raise
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            sock.bind(place)
            self.missing = True
        else:
            self.missing = False

    def _unusable(self, err: OSError) -> ConfigError | NotYet:
        if err.errno == errno.EADDRINUSE:
            return NotYet(f"{self.setting}: {self.where} is in use by another process")
        if err.errno == errno.EADDRNOTAVAIL:
            return NotYet(f"{self.setting}: {self.where} is no address of this machine")
        if err.errno == errno.EAFNOSUPPORT:
            return NotYet(f"{self.setting}: {self.where}: this machine has no {_family(self.address)}")
        sentence = f"{self.setting}: cannot listen on {self.where}: {(err.strerror or str(err)).lower()}"
        return NotYet(sentence) if err.errno in _MAY_PASS else ConfigError([sentence])


class UnixListener:
    """The path of a unix socket; what a killed process left there is removed."""

    def __init__(self, setting: str, address: UnixAddress, *, mode: int, backlog: int = _BACKLOG) -> None:
        self.setting, self.address = setting, address
        self._mode, self._backlog = mode, backlog

    @property
    def where(self) -> str:
        return str(self.address)

    def bind(self) -> socket.socket:
        """As Listener.bind()."""
        path = self.address.path
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if _is_left_over(path):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            listener.bind(path)
            # Before listen(): nobody can have connected yet.
            _set_mode(path, self._mode)
            listener.setblocking(False)
            listener.listen(self._backlog)
        except OSError as err:
            listener.close()
            sentence = f"{self.setting}: {self.where} cannot be used: {(err.strerror or str(err)).lower()}"
            if err.errno == errno.EADDRINUSE and _is_socket(path):
                raise NotYet(f"{self.setting}: {self.where} is in use by another process") from err
            raise NotYet(sentence) if err.errno in _MAY_PASS else ConfigError([sentence]) from err
        return listener

    def open(self) -> socket.socket:
        """The same as bind()."""
        return self.bind()

    def release(self, sock: socket.socket) -> None:
        """As Listener.release(): it is taken out of the file system, too."""
        sock.close()
        self.remove()

    def remove(self) -> None:
        """Take the socket out of the file system."""
        with contextlib.suppress(OSError):
            os.unlink(self.address.path)


def families() -> frozenset[str]:
    """Which of IPv4 and IPv6 the kernel has at all."""
    found = set()
    for name, family in (("IPv4", socket.AF_INET), ("IPv6", socket.AF_INET6)):
        try:
            socket.socket(family, socket.SOCK_DGRAM).close()
        except OSError as err:
            if err.errno == errno.EAFNOSUPPORT:
                continue
        found.add(name)
    return frozenset(found)


def wanted(addresses: tuple[Address, ...]) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    """Where to listen, and what is left out: addresses that nobody asked for, of a family that is not there."""
    there = families()
    left_out = tuple(each for each in addresses if not each.asked and _family(each) not in there)
    return tuple(each for each in addresses if each not in left_out), left_out


def _family(address: Address) -> str:
    return "IPv6" if address.is_ipv6 else "IPv4"


def _set_mode(path: str, mode: int) -> None:
    """Set who may connect to the socket at a path, but change no file that a link there leads to. Raises OSError."""
    place = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(place).st_mode):
            raise OSError(errno.EEXIST, "something else stands there")
        try:
            # There is no fchmod(2) for what is only pointed at.
            os.chmod(f"/proc/self/fd/{place}", mode)
        except FileNotFoundError:
            # No /proc.
            os.chmod(path, mode)
    finally:
        os.close(place)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _is_left_over(path: str) -> bool:
    """Whether a socket stands there and nobody listens; what else stands there keeps its place."""
    if not _is_socket(path):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Whoever listens and is too busy to take it says so at once.
        probe.setblocking(False)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except BlockingIOError:
            return False
    return False
