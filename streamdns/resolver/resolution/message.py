"""Builds the resolver's queries to name servers and parses their responses.

Names are uncompressed wire bytes in lower case, RDATA has every name uncompressed: what comes from different messages
can be compared and stored. Nothing here believes anything; that is for who asked.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from streamdns.dns.wire import CLASS_IN, HEADER_SIZE, OPT, RRSIG, FormatError, opt_record

_MAX_NAME_OCTETS = 255
#: What is read of one message: beyond it a message is not taken apart any further. Honest ones have some dozens.
MAX_RECORDS, MAX_LABELS, MAX_JUMPS = 1024, 4096, 16
_QR, _AA, _TC, _RD, _RA, _AD, _CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010

#: Types whose RDATA holds names that may be compressed when received (RFC 3597 §4, RFC 1035 §3.3): the octets before
#: the first name, and the number of names. What stands behind them is taken as it is.
_NAMES_IN: dict[int, tuple[int, int]] = {
    2: (0, 1), 3: (0, 1), 4: (0, 1), 5: (0, 1), 6: (0, 2), 7: (0, 1), 8: (0, 1), 9: (0, 1), 12: (0, 1), 14: (0, 2),
    15: (2, 1), 17: (0, 2), 18: (2, 1), 21: (2, 1), 26: (2, 2), 33: (6, 1), 36: (2, 1), 39: (0, 1),
}
_OCTETS_OF = {1: 4, 28: 16}
_SIGNATURE_HEAD = 18  # octets of RRSIG before the signer's name, the first two of which are the type that is covered


class TooMuch(FormatError):
    """The message has more records, or more labels and pointers, than are read of one."""


class RRset(NamedTuple):
    """Records of one owner and type of one section, in their order without duplicates; `ttl_s` is the lowest.

    `signatures` are the RRSIG records that cover them.
    """

    owner: bytes
    rdtype: int
    ttl_s: int
    rdatas: tuple[bytes, ...]
    signatures: tuple[bytes, ...] = ()


class Response(NamedTuple):
    """A response; `qname` as it came, case and all, b"" where there is no question.

    `case_kept`: False where it came over TCP with the question in another case than it was sent.
    """

    id: int
    qname: bytes
    qtype: int
    rcode: int
    authoritative: bool
    truncated: bool
    recursive: bool
    edns: bool
    answer: tuple[RRset, ...]
    authority: tuple[RRset, ...]
    additional: tuple[RRset, ...]
    case_kept: bool = True


class Options(NamedTuple):
    """How a query is asked: with EDNS and its size (0: without), DO, CD, RD."""

    edns_size: int = 1232
    do: bool = False
    cd: bool = False
    rd: bool = False


def query(message_id: int, qname: bytes, qtype: int, options: Options) -> bytes:
    """A query in wire form; the case of `qname` is kept."""
    head, tail = _around(qtype, options)
    return message_id.to_bytes(2, "big") + head + qname + tail


@lru_cache(1024)
def _around(qtype: int, options: Options) -> tuple[bytes, bytes]:
    """What stands between id and name, and behind the name."""
    flags = (_RD if options.rd else 0) | (_CD if options.cd else 0)
    numbers = (flags, 1, 0, 0, 1 if options.edns_size else 0)
    opt = opt_record(options.edns_size, options.do) if options.edns_size else b""
    return b"".join([number.to_bytes(2, "big") for number in numbers]), qtype.to_bytes(2, "big") + b"\0\1" + opt


def parse(packet: bytes, *, question: bytes = b"", bounded: bool = True) -> Response:
    """Take a response apart. Raises FormatError for anything that is none, or is not well-formed.

    A truncated one may end anywhere: its sections are left empty. `question`: the name in lower case, where somebody
    has seen already that the message has it, whatever its case. What is ours need not be `bounded`.
    """
    if len(packet) < HEADER_SIZE:
        raise FormatError
    message_id, flags, questions, *counts = [packet[at] << 8 | packet[at + 1] for at in range(0, HEADER_SIZE, 2)]
    if not flags & _QR or questions > 1:
        raise FormatError
    truncated = bool(flags & _TC)
    if bounded and sum(counts) > MAX_RECORDS:
        if not truncated:
            raise TooMuch
        counts = []
    at, qname, qtype = HEADER_SIZE, b"", 0
    names = _Names(packet, MAX_LABELS if bounded else len(packet))
    if questions:
        if question:
            at += len(question)
            qname = packet[HEADER_SIZE:at]
        else:
            qname, at = names.read(at)
            question = qname.lower()
        if at + 4 > len(packet) or packet[at + 2] << 8 | packet[at + 3] != CLASS_IN:
            raise FormatError
        qtype = packet[at] << 8 | packet[at + 1]
        if at - HEADER_SIZE == len(qname):
            # Names in RDATA that point into the question would have the case that was chosen by chance for it.
            if question != qname:
                names.packet = packet = packet[:HEADER_SIZE] + question + packet[at:]
            names.known = {HEADER_SIZE: question}
        at += 4
    extended: list[int] = []
    sections: list[tuple[RRset, ...]] = [(), (), ()]
    try:
        for number, count in enumerate(counts):
            if count:
                sections[number], at = _section(names, at, count, extended)
    except FormatError:
        if not truncated:
            raise
        sections = [(), (), ()]
    rcode = flags & 15 | (extended[0] << 4 if extended else 0)
    answer, authority, additional = sections
    return Response(
        message_id, qname, qtype, rcode, bool(flags & _AA), truncated, bool(flags & _RA), bool(extended), answer,
        authority, additional,
    )


class _Names:
    """The names of one message: what stands at an offset is read once and remembered, whoever points there.

    `left` is how many labels and pointers may still be read; TooMuch is raised beyond. `known` are names by offset.
    """

    __slots__ = ("known", "left", "packet")

    def __init__(self, packet: bytes, left: int) -> None:
        self.packet, self.left = packet, left
        self.known: dict[int, bytes] = {}

    def read(self, at: int) -> tuple[bytes, int]:
        """A name uncompressed, case kept, and the offset behind where it stands (RFC 1035 §4.1.4)."""
        packet, known = self.packet, self.known
        size = len(packet)
        if at + 1 < size and packet[at] >= 0xC0:
            found = known.get((packet[at] & 0x3F) << 8 | packet[at + 1])
            if found is not None:
                return found, at + 2
        name = b""
        begins: list[tuple[int, int]] = []  # where a label or pointer stands, and where in the name
        behind = -1
        jumps = 0
        while True:
            if at >= size:
                raise FormatError
            length = packet[at]
            if length == 0:
                name += b"\0"
                behind = at + 1 if behind < 0 else behind
                break
            begins.append((at, len(name)))
            if length < 64:
                end = at + 1 + length
                name += packet[at:end]
                if end >= size or len(name) >= _MAX_NAME_OCTETS:
                    raise FormatError
                at = end
                continue
            if length < 0xC0 or at + 1 >= size:
                raise FormatError
            if behind < 0:
                behind = at + 2
            target = (length & 0x3F) << 8 | packet[at + 1]
            jumps += 1
            if target >= at or jumps > MAX_JUMPS:
                raise FormatError
            found = known.get(target)
            if found is not None:
                name += found
                if len(name) > _MAX_NAME_OCTETS:
                    raise FormatError
                break
            at = target
        self.left -= len(begins)
        if self.left < 0:
            raise TooMuch
        for where, start in begins:
            known[where] = name[start:]
        return name, behind


def _section(names: _Names, at: int, count: int, extended: list[int]) -> tuple[tuple[RRset, ...], int]:
    """One section grouped to RRsets; the upper bits of the RCODE of an OPT record go into `extended`."""
    packet = names.packet
    size = len(packet)
    least: dict[tuple[bytes, int], int] = {}
    # Dictionaries for their keys: a hostile message may hold thousands of records, most of them the same.
    found: dict[tuple[bytes, int], dict[bytes, None]] = {}
    signatures: dict[tuple[bytes, int], dict[bytes, None]] = {}
    for _ in range(count):
        owner, at = names.read(at)
        if at + 10 > size:
            raise FormatError
        rdtype = packet[at] << 8 | packet[at + 1]
        rdclass = packet[at + 2] << 8 | packet[at + 3]
        ttl_s = packet[at + 4] << 24 | packet[at + 5] << 16 | packet[at + 6] << 8 | packet[at + 7]
        start = at + 10
        at = start + (packet[at + 8] << 8 | packet[at + 9])
        if at > size:
            raise FormatError
        if rdtype == OPT:
            if extended or owner != b"\0":
                raise FormatError
            extended.append(ttl_s >> 24)
            continue
        if rdclass != CLASS_IN:
            continue
        if ttl_s > 0x7FFFFFFF:
            ttl_s = 0  # RFC 2181 §8
        owner = owner.lower()
        rdata = _rdata(names, rdtype, start, at)
        key = (owner, rdtype)
        if rdtype == RRSIG and len(rdata) > _SIGNATURE_HEAD:
            signatures.setdefault((owner, rdata[0] << 8 | rdata[1]), {})[rdata] = None
        else:
            found.setdefault(key, {})[rdata] = None
        if ttl_s < least.get(key, ttl_s + 1):
            least[key] = ttl_s
    for owner, covered in signatures:
        if (owner, covered) not in found:
            # Nothing that they cover is here: they were asked for themselves.
            found.setdefault((owner, RRSIG), {}).update(signatures[owner, covered])
    return tuple([
        RRset(key[0], key[1], least[key], tuple(rdatas), tuple(signatures.get(key, ())))
        for key, rdatas in found.items()
    ]), at


def _rdata(names: _Names, rdtype: int, start: int, end: int) -> bytes:
    packet = names.packet
    layout = _NAMES_IN.get(rdtype)
    if layout is None:
        if rdtype in _OCTETS_OF and end - start != _OCTETS_OF[rdtype]:
            raise FormatError
        return packet[start:end]
    fixed, count = layout
    at = start + fixed
    rdata = packet[start:at]
    for _ in range(count):
        name, at = names.read(at)
        rdata += name
    if at > end or (rdtype == 6 and end - at != 20) or (rdtype != 6 and at != end):
        raise FormatError
    return rdata + packet[at:end]


def read_name(packet: bytes, at: int) -> tuple[bytes, int]:
    """A name uncompressed, case kept, and the offset behind where it stands (RFC 1035 §4.1.4); raises FormatError."""
    return _Names(packet, len(packet)).read(at)
