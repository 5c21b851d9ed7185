"""One end of the socket between the main process and a worker: sends and receives whole messages, and never waits."""

from __future__ import annotations

import _socket
import array
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import gevent

from streamdns.runtime import logs

_log = logs.get("workers")
_HEAD_OCTETS: Final = 4
_READ_OCTETS: Final = 1 << 16
_READS_A_TURN: Final = 16
#: The kernel passes no more descriptors with one message (SCM_MAX_FD).
MOST_DESCRIPTORS: Final = 253
_INT_OCTETS: Final = array.array("i").itemsize


class Channel:
    """Calls `take` with each message in the event loop's callback, and `ended` once when the other end is gone.

    Descriptors that came are in `descriptors`, in the order in which they were sent.
    """

    def __init__(
        self, sock: _socket.socket, *, take: Callable[[bytes], None], ended: Callable[[], None]
    ) -> None:
        sock.setblocking(False)
        self._sock: _socket.socket | None = sock
        self._take, self._ended = take, ended
        self._received = bytearray()
        self._unsent = bytearray()
        self.descriptors: deque[int] = deque()
        loop = gevent.get_hub().loop
        self._readable = loop.io(sock.fileno(), 1)
        self._writable = loop.io(sock.fileno(), 2)
        self._readable.start(self._read)

    def send(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send a message, as soon as there is room; descriptors only as long as nothing waits to be sent.

        To an end that is gone nothing is sent: `ended` says so.
        """
        if self._sock is None:
            return
        frame = len(message).to_bytes(_HEAD_OCTETS, "big") + message
        if descriptors:
            assert not self._unsent, "descriptors go first"
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            try:
                frame = frame[self._sock.sendmsg([frame], rights, _socket.MSG_NOSIGNAL):]
            except OSError:
                return
        self._unsent += frame
        self._write()

    def flush(self) -> None:
        """Wait until everything is sent, for a process that ends."""
        if self._sock is not None:
            self._sock.settimeout(1.0)
            try:
                self._sock.sendall(self._unsent, _socket.MSG_NOSIGNAL)
            except OSError:
                pass  # The main process is gone, or does not listen: nobody misses it.
            self._unsent.clear()

    def close(self) -> None:
        """Let go of the socket; `ended` is not called."""
        if self._sock is None:
            return
        for watcher in (self._readable, self._writable):
            watcher.stop()
            watcher.close()
        self._sock.close()
        self._sock = None
        for number in self.descriptors:
            os.close(number)
        self.descriptors.clear()

    def _write(self) -> None:
        if self._sock is None:
            return
        try:
            while self._unsent:
                del self._unsent[:self._sock.send(self._unsent, _socket.MSG_NOSIGNAL)]
        except BlockingIOError:
            if not self._writable.active:
                self._writable.start(self._write)
            return
        except OSError:
            self._unsent.clear()  # Reading finds the end.
        if self._writable.active:
            self._writable.stop()

    def _read(self) -> None:
        """Take what has come, but let others have their turn where it does not end."""
        for _ in range(_READS_A_TURN):
            if self._sock is None or not self._read_some():
                return

    def read_all(self) -> None:
        """Take everything that has come by now."""
        while self._sock is not None and self._read_some():
            pass

    def _read_some(self) -> bool:
        """Whether there may be more."""
        assert self._sock is not None
        try:
            data, ancillary, _, _ = self._sock.recvmsg(
                _READ_OCTETS, _socket.CMSG_LEN(MOST_DESCRIPTORS * _INT_OCTETS), _socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return False
        except OSError:
            data, ancillary = b"", []
        for level, kind, rights in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i")
                numbers.frombytes(rights[:len(rights) - len(rights) % _INT_OCTETS])
                self.descriptors.extend(numbers)
        if not data:
            self.close()
            self._ended()
            return False
        self._received += data
        self._hand_over()
        return True

    def _hand_over(self) -> None:
        received = self._received
        while len(received) >= _HEAD_OCTETS:
            end = _HEAD_OCTETS + int.from_bytes(received[:_HEAD_OCTETS], "big")
            if len(received) < end:
                return
            message = bytes(received[_HEAD_OCTETS:end])
            del received[:end]
            try:
                self._take(message)
            except Exception as err:  # noqa: BLE001 - the edge: one message must not end the watch for others
                _log.error("app.unexpected", exc=err)
