"""Receives and sends many datagrams per system call: recvmmsg(2) and sendmmsg(2) of Linux through ctypes.

One `Datagrams` holds the buffers of one socket. A reply goes out of the same message header that its query came in
with, so the peer's address, and with it the local address that was asked (IP_PKTINFO), need no parsing.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from typing import NamedTuple

RECEIVE_OCTETS = 4096
SEND_OCTETS = 4096
_ADDRESS_OCTETS = 32  # struct sockaddr_in6 has 28; so each begins where a whole number of 8 octets has gone by
_SOCKADDR_IN, _SOCKADDR_IN6 = 16, 28
_CONTROL_OCTETS = 64
_MSG_DONTWAIT = 0x40


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Header(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class _Message(ctypes.Structure):
    _fields_ = [("header", _Header), ("length", ctypes.c_uint32)]


# PyDLL keeps the interpreter's lock: the calls do not block, and giving the lock up would let a busy thread keep it.
_libc = ctypes.PyDLL(None, use_errno=True)
_recvmmsg, _sendmmsg = _libc.recvmmsg, _libc.sendmmsg
_recvmsg, _sendmsg = _libc.recvmsg, _libc.sendmsg
_recvmsg.argtypes = _sendmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_recvmsg.restype = _sendmsg.restype = ctypes.c_ssize_t
_recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)

_MESSAGE = ctypes.sizeof(_Message)
_WORDS = _MESSAGE // 4
_LENGTH_WORD = _Message.length.offset // 4
_CONTROL_LENGTH_WORD = (_Message.header.offset + _Header.control_length.offset) // 4
_CONTROL_HEAD = struct.Struct("@Qii")  # struct cmsghdr: length, level, type
_CONTROL_INET = 32  # CMSG_SPACE of struct in_pktinfo
_CONTROL_INET6 = 40  # CMSG_SPACE of struct in6_pktinfo
# What a datagram that was sent before may leave behind on the socket, or nothing at all.
_PASSING = frozenset(
    (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENOBUFS, errno.ENOMEM)
)
# What a kernel or a profile says that does not let these calls through.
_REFUSED = frozenset((errno.ENOSYS, errno.EPERM, errno.EACCES))


def network_of(address: bytes) -> int:
    """Return the /24 of an IPv4 address or the /56 of an IPv6 address (4 or 16 octets) as a number of its own."""
    octets = address[:3] + b"\0" if len(address) == 4 else address[:7] + b"\1"
    return int.from_bytes(octets, sys.byteorder)


class Peer(NamedTuple):
    """The sender of a datagram, and the control data with which a reply leaves from the address asked (sendmsg)."""

    address: tuple[str, int] | tuple[str, int, int, int]
    ancillary: tuple[tuple[int, int, bytes], ...]


class Datagrams:
    """Buffers for up to `most` datagrams of a non-blocking socket.

    `packet_info` is needed where replies must leave from the address that was asked (the socket is bound to all
    addresses and IP_PKTINFO or IPV6_RECVPKTINFO is set).
    """

    def __init__(self, sock: socket.socket, most: int, *, packet_info: bool) -> None:
        self._fd = sock.fileno()
        self._many = True
        self._most = most
        self._inet6 = sock.family == socket.AF_INET6
        self._packet_info = packet_info
        self._control_octets = _CONTROL_INET6 if self._inet6 else _CONTROL_INET
        self._input = bytearray(RECEIVE_OCTETS * most)
        self._output = bytearray(SEND_OCTETS * most)
        self._addresses = bytearray(_ADDRESS_OCTETS * most)
        self._control = bytearray(_CONTROL_OCTETS * most)
        self._iovecs_in, self._headers_in = self._link(self._input, RECEIVE_OCTETS)
        self._iovecs_out, self._headers_out = self._link(self._output, SEND_OCTETS)
        self._words_in = memoryview(self._headers_in).cast("B").cast("I")
        self._lengths_out = memoryview(self._iovecs_out).cast("B").cast("Q")
        self._at_in = ctypes.addressof(self._headers_in)
        self._at_out = ctypes.addressof(self._headers_out)

    def _link(self, data: bytearray, octets: int) -> tuple[ctypes.Array[_Iovec], ctypes.Array[_Message]]:
        """Make headers: slot i points at part i of `data`, and at address and control data i, shared by both calls."""
        iovecs = (_Iovec * self._most)()
        headers = (_Message * self._most)()
        data_at = ctypes.addressof(ctypes.c_char.from_buffer(data))
        addresses_at = ctypes.addressof(ctypes.c_char.from_buffer(self._addresses))
        control_at = ctypes.addressof(ctypes.c_char.from_buffer(self._control))
        for slot in range(self._most):
            iovecs[slot].base = data_at + octets * slot
            iovecs[slot].length = octets
            header = headers[slot].header
            header.name = addresses_at + _ADDRESS_OCTETS * slot
            header.name_length = _SOCKADDR_IN6 if self._inet6 else _SOCKADDR_IN
            header.iov = ctypes.addressof(iovecs) + ctypes.sizeof(_Iovec) * slot
            header.iov_length = 1
            if self._packet_info:
                header.control = control_at + _CONTROL_OCTETS * slot
                header.control_length = self._control_octets
        return iovecs, headers

    def receive(self) -> list[bytes]:
        """Receive the waiting datagrams, each cut to RECEIVE_OCTETS; empty where there are none. Raises OSError."""
        words = self._words_in
        if self._packet_info:
            for at in range(_CONTROL_LENGTH_WORD, self._most * _WORDS, _WORDS):
                words[at] = self._control_octets
        count = self._receive_many() if self._many else self._receive_each()
        data = self._input
        packets = []
        start = 0
        for at in range(_LENGTH_WORD, count * _WORDS, _WORDS):
            packets.append(bytes(data[start : start + words[at]]))
            start += RECEIVE_OCTETS
        return packets

    def _receive_many(self) -> int:
        count = int(_recvmmsg(self._fd, self._at_in, self._most, _MSG_DONTWAIT, None))
        if count >= 0:
            return count
        number = ctypes.get_errno()
        if number in _PASSING:
            return 0
        if number not in _REFUSED:
            raise OSError(number, os.strerror(number))
        # A profile of system calls that does not know recvmmsg(2), or an old kernel: one at a time then.
        self._many = False
        return self._receive_each()

    def _receive_each(self) -> int:
        words = self._words_in
        for slot in range(self._most):
            length = int(_recvmsg(self._fd, self._at_in + slot * _MESSAGE, _MSG_DONTWAIT))
            if length < 0:
                number = ctypes.get_errno()
                if slot or number in _PASSING:
                    return slot
                raise OSError(number, os.strerror(number))
            words[slot * _WORDS + _LENGTH_WORD] = length
        return self._most

    def client(self, slot: int) -> bytes:
        """Return the octets of the address that datagram `slot` came from."""
        start = slot * _ADDRESS_OCTETS + (8 if self._inet6 else 4)
        return bytes(self._addresses[start : start + (16 if self._inet6 else 4)])

    def networks(self, count: int) -> list[int]:
        """Return the networks of the first `count` datagrams as `network_of` gives them, all in one go."""
        octets = self._addresses[: _ADDRESS_OCTETS * count]
        if self._inet6:
            octets[15::_ADDRESS_OCTETS] = b"\1" * count
            return memoryview(octets).cast("Q")[1 :: _ADDRESS_OCTETS // 8].tolist()
        octets[7::_ADDRESS_OCTETS] = bytes(count)
        return memoryview(octets).cast("I")[1 :: _ADDRESS_OCTETS // 4].tolist()

    def peer(self, slot: int) -> Peer:
        """Copy the sender of datagram `slot`, for a reply that is sent after the buffers were used again."""
        start = slot * _ADDRESS_OCTETS
        name = bytes(self._addresses[start : start + _ADDRESS_OCTETS])
        port = name[2] << 8 | name[3]
        ancillary: tuple[tuple[int, int, bytes], ...] = ()
        if self._packet_info:
            control = bytes(self._control[slot * _CONTROL_OCTETS : (slot + 1) * _CONTROL_OCTETS])
            length, level, kind = _CONTROL_HEAD.unpack_from(control)
            if _CONTROL_HEAD.size < length <= self._control_octets:
                ancillary = ((level, kind, control[_CONTROL_HEAD.size : length]),)
        if self._inet6:
            scope = int.from_bytes(name[24:28], sys.byteorder)
            return Peer((socket.inet_ntop(socket.AF_INET6, name[8:24]), port, 0, scope), ancillary)
        return Peer((socket.inet_ntop(socket.AF_INET, name[4:8]), port), ancillary)

    def send(self, replies: list[bytes | None]) -> int:
        """Send replies[i] to the sender of datagram i, None to nobody; return how many the kernel refused."""
        output, lengths = self._output, self._lengths_out
        at = 0
        length_at = 1
        gaps = False
        for reply in replies:
            if reply is None:
                gaps = True
            else:
                size = len(reply)
                output[at : at + size] = reply
                lengths[length_at] = size
            at += SEND_OCTETS
            length_at += 2
        if not gaps:
            return self._flush(0, len(replies))
        refused = first = 0
        for slot, reply in enumerate([*replies, None]):
            if reply is None:
                refused += self._flush(first, slot)
                first = slot + 1
        return refused

    def _flush(self, first: int, end: int) -> int:
        """Send the slots from `first` up to `end`; skip and count those that cannot be sent, as UDP allows."""
        refused = 0
        while first < end:
            at = self._at_out + first * _MESSAGE
            sent = int(_sendmmsg(self._fd, at, end - first, _MSG_DONTWAIT)) if self._many else -1
            if sent <= 0 and (not self._many or ctypes.get_errno() in _REFUSED):
                sent = 1 if int(_sendmsg(self._fd, at, _MSG_DONTWAIT)) >= 0 else 0
            if sent <= 0:
                refused += 1
                sent = 1
            first += sent
        return refused
