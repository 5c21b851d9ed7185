"""Sends datagrams to one host, for the outputs that speak UDP."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any

import gevent
from gevent import socket

from streamdns.metrics.outputs import Unwanted
from streamdns.runtime.turns import give_way

#: What goes through an Ethernet in one piece, with room for a tunnel (as statsd's own documentation advises).
MAX_OCTETS = 1432
_BURST = 8
_RESOLVE_AGAIN_S = 60.0
#: After this long the machine itself, or one close by, has said that nobody listens there.
_LISTEN_S = 0.01


class Datagrams:
    """Sends to a host by name or address; the name is resolved again once a minute and whenever nobody listens.

    Of several addresses that a name has, the one where nobody listened the last time comes last.
    """

    def __init__(self, host: str, port: int, *, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._host, self._port, self._elapsed_s = host, port, elapsed_s
        self._socket: Any = None
        self._address: Any = None
        self._refused: Any = None
        self._resolved_s = 0.0

    def send(self, datagrams: Sequence[bytes]) -> None:
        """Send them in order. Raises OSError where nobody listens, as far as UDP lets one know, and Unwanted where
        that turns out after the first ones may have been taken: these must not be sent a second time.
        """
        sock = self._open()
        sent = 0
        for number, datagram in enumerate(datagrams):
            try:
                sock.send(datagram)
                sent += 1
                if number == 0:
                    gevent.sleep(_LISTEN_S)
                    _raise_pending(sock)
                elif number % _BURST == 0:
                    give_way()
            except OSError as err:
                self._refused = self._address
                self.close()
                # Of the first one somebody has said that it was not taken, where the error has a number.
                if not sent or (number == 0 and err.errno):
                    raise
                raise Unwanted(f"after {sent} datagrams: {err.strerror or err}") from err

    def _open(self) -> Any:
        if self._socket is not None and (_is_address(self._host) or self._elapsed_s() < self._resolved_s):
            return self._socket
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        except OSError:
            if self._socket is None:
                raise
            found = []  # The address that is known may still be right.
        self._resolved_s = self._elapsed_s() + _RESOLVE_AGAIN_S
        known = [each for each in found if each[4] == self._address]
        if self._socket is None or (found and not known):
            self._connect(min(found, key=lambda each: each[4] == self._refused))
        return self._socket

    def _connect(self, found: Any) -> None:
        self.close()
        family, kind, protocol, _, address = found
        made = socket.socket(family, kind, protocol)
        self._address = address
        try:
            made.connect(address)
        except OSError:
            self._refused = address
            made.close()
            raise
        self._socket = made

    def close(self) -> None:
        """Close the socket; the next send() resolves the name again."""
        made, self._socket = self._socket, None
        if made is not None:
            made.close()


def _raise_pending(sock: Any) -> None:
    """Raise the error that the network reported for the datagrams sent so far."""
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, "nobody listens there" if number == errno.ECONNREFUSED else "it cannot be reached")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def packed(lines: Sequence[bytes]) -> list[bytes]:
    """Pack lines in order into datagrams of at most MAX_OCTETS; a longer line goes alone."""
    found: list[bytes] = []
    data = b""
    for line in lines:
        if data and len(data) + 1 + len(line) > MAX_OCTETS:
            found.append(data)
            data = line
        else:
            data = data + b"\n" + line if data else line
    return [*found, data] if data else found
