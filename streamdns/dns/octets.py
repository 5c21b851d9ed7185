"""What answers do most with octets, in plain Python; where `_octets.pyx` is compiled, answer.pxd and ready.pxd call
that instead. Both do the same, and the same tests hold for both.
"""

from __future__ import annotations

import struct
from typing import Final

_HEADER: Final = 12
_TYPE_AND_CLASS: Final = 4
_head: Final = struct.Struct(">HHHHH").pack
_number: Final = struct.Struct(">I").unpack_from


def question_key(packet: bytes, starts: list[int]) -> bytes | None:
    """The lookup key of the name in a question, as dns/name.py has it; the offset of each label is added to `starts`.

    b"" for the root and for names with octets that keys escape, for which `starts` has all labels, too; None where no
    whole name is there, or no type and class behind it.
    """
    octets = packet.lower()
    last = len(packet) - _TYPE_AND_CLASS - 1
    # The empty one is the root's, so that the key ends as it should.
    labels = [b""]
    at = _HEADER
    length = octets[_HEADER]
    while length:
        starts.append(at)
        at += 1
        labels.append(octets[at : at + length])
        at += length
        if length > 63 or at > last:
            return None
        length = octets[at]
    labels.reverse()
    key = b"\0".join(labels)
    return b"" if 1 in key or key.count(b"\0") != len(starts) else key


def labels_key(octets: bytes, at: int, starts: list[int]) -> bytes | None:
    """The lookup key of the labels from an offset up to the root or to a pointer; their offsets are added to `starts`.

    None where they have octets that keys escape.
    """
    labels = [b""]
    length = octets[at]
    while 0 < length < 64:
        starts.append(at)
        labels.append(octets[at + 1 : at + 1 + length])
        at += length + 1
        length = octets[at]
    labels.reverse()
    key = b"\0".join(labels).lower()
    return None if 1 in key or key.count(b"\0") != len(starts) else key


def below(key: bytes, end: int, octets: bytes, at: int) -> bytes | None:
    """The lookup key of a name one label below the name whose key are the first `end` octets of another key.

    The label is the one at an offset of `octets`. None where it has octets that keys escape.
    """
    label = octets[at + 1 : at + 1 + octets[at]]
    return None if 0 in label or 1 in label else b"".join((key[:end], label.lower(), b"\0"))


def pointing(octets: bytes, first: int, second: int, third: int, pointer: bytes) -> bytes:
    """The octets from offset `first` on, with a pointer of two octets at these three offsets."""
    return b"".join((
        pointer, octets[first + 2 : second], pointer, octets[second + 2 : third], pointer, octets[third + 2 :]
    ))


def message(
    packet: bytes, end: int, flags: int, answers: int, authorities: int, additionals: int, body: bytes, opt: bytes
) -> bytes:
    """A reply to the query `packet`, whose question ends at `end`: its header with these flags and numbers of records,
    the question, the sections, and the OPT record, which is b"" where there is none and is counted here where there is.
    """
    if opt:
        additionals += 1
    return b"".join((
        packet[:2], _head(flags, 1, answers, authorities, additionals), packet[_HEADER:end], body, opt
    ))


def headed(packet: bytes, end: int, head: bytes, body: bytes, opt: bytes) -> bytes:
    """A reply as `message` makes it, of which the ten octets of the header behind the id are there already."""
    return b"".join((packet[:2], head, packet[_HEADER:end], body, opt))


def piece(octets: bytes, begin: int, length: int) -> bytes:
    """So many octets from an offset on; raises IndexError where they are not all there, as a damaged view may say."""
    if length < 0 or begin + length > len(octets):
        raise IndexError("no such piece")
    return octets[begin : begin + length]


def number(octets: bytes, at: int) -> int:
    """The number in the four octets at an offset."""
    found: int = _number(octets, at)[0]
    return found
