"""Constants of the DNS protocol, a parser for EDNS, and Reply, which assembles compressed messages (RFC 1035 §4.1)."""

from __future__ import annotations

from typing import Final, NamedTuple

from streamdns.dns.compression import COMPRESSIBLE
from streamdns.dns.node import RECORD_HEAD_SIZE

HEADER_SIZE: Final = 12
MAX_UDP_PLAIN: Final = 512
MAX_MESSAGE: Final = 65535
#: The four counts of a header: one question, and nothing else or one additional record.
NO_RECORDS: Final = b"\0\1\0\0\0\0\0\0"
ONLY_OPT: Final = b"\0\1\0\0\0\0\0\1"
OPT_HEAD: Final = b"\0\0\x29"  # the root's name and the type: how an OPT record begins

NOERROR: Final = 0
FORMERR: Final = 1
SERVFAIL: Final = 2
NXDOMAIN: Final = 3
NOTIMP: Final = 4
REFUSED: Final = 5
YXDOMAIN: Final = 6
NOTAUTH: Final = 9
BADVERS: Final = 16
BADCOOKIE: Final = 23

QUERY: Final = 0
IQUERY: Final = 1
STATUS: Final = 2
NOTIFY: Final = 4
UPDATE: Final = 5

A: Final = 1
NS: Final = 2
CNAME: Final = 5
SOA: Final = 6
PTR: Final = 12
MX: Final = 15
TXT: Final = 16
AAAA: Final = 28
SRV: Final = 33
NAPTR: Final = 35
DNAME: Final = 39
OPT: Final = 41
DS: Final = 43
SVCB: Final = 64
HTTPS: Final = 65
IXFR: Final = 251
AXFR: Final = 252
MAILB: Final = 253
MAILA: Final = 254
ANY: Final = 255
SIG: Final = 24
RRSIG: Final = 46
NSEC: Final = 47
TKEY: Final = 249
TSIG: Final = 250
CLASS_IN: Final = 1
CLASS_CH: Final = 3
CLASS_ANY: Final = 255

# Flag bits in octets 2 and 3 of the header. CD is never set in a reply of ours (RFC 4035 §3.1.6).
QR: Final = 0x80
AA: Final = 0x04
TC: Final = 0x02
RD: Final = 0x01
RA: Final = 0x80

# EDNS options (RFC 6891 §6.1.2 and the RFCs of each).
OPT_NSID: Final = 3
OPT_COOKIE: Final = 10
OPT_KEEPALIVE: Final = 11
OPT_EDE: Final = 15

#: The end of an OPT record's head and the head of its only option: a COOKIE of 8 octets, or 24 with the server's half.
CLIENT_COOKIE_HEAD: Final = b"\0\x0c\0\x0a\0\x08"
COOKIE_HEAD: Final = b"\0\x1c\0\x0a\0\x18"

# Extended errors (RFC 8914 §4).
EDE_OTHER: Final = 0
EDE_STALE: Final = 3
EDE_NOT_READY: Final = 14
EDE_NOT_AUTHORITATIVE: Final = 20
EDE_NOT_SUPPORTED: Final = 21

#: Offset of the name in RDATA whose addresses go into the additional section.
ADDITIONAL_FOR: dict[int, int] = {NS: 0, MX: 2, SRV: 6, SVCB: 2, HTTPS: 2}


class Edns(NamedTuple):
    """What the OPT record of a query says (RFC 6891 §6.1.2); of its options those that are answered here."""

    size: int
    version: int
    do: bool
    options: dict[int, bytes]


class FormatError(Exception):
    """The message breaks the format of RFC 1035 or RFC 6891; answered with FORMERR."""


def skip_name(packet: bytes, at: int) -> int:
    """The offset behind a name that may end in a compression pointer; raises FormatError."""
    size = len(packet)
    while at < size:
        length = packet[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            if at + 2 > size or (length & 0x3F) << 8 | packet[at + 1] >= at:
                raise FormatError
            return at + 2
        if length > 63:
            raise FormatError
        at += length + 1
    raise FormatError


def record_end(packet: bytes, at: int) -> int:
    """The offset behind a record; raises FormatError."""
    at = skip_name(packet, at)
    end = at + 10 + int.from_bytes(packet[at + 8 : at + 10], "big")
    if end > len(packet):
        raise FormatError
    return end


#: Records behind the question that a query may have: OPT, and a signature.
MOST_ADDITIONAL: Final = 3
#: EDNS options of a query: clients send two or three, and every name server answers where a tool tries a hundred.
MOST_OPTIONS: Final = 128
#: The options that are answered; the codes of all of them are below 256.
_ANSWERED: Final = frozenset((OPT_NSID, OPT_COOKIE, OPT_KEEPALIVE))


def parse_edns(packet: bytes, at: int, additional: int) -> Edns | None:
    """The OPT record among `additional` records that begin at `at` and must end the message; raises FormatError.

    A signature (TSIG, RFC 8945; SIG, RFC 2931) is stepped over, neither checked nor answered; nothing else may be
    there.
    """
    edns: Edns | None = None
    size = len(packet)
    if additional > MOST_ADDITIONAL:
        raise FormatError
    for _ in range(additional):
        owner = at
        at = skip_name(packet, at)
        if at + 10 > size:
            raise FormatError
        rdtype = packet[at] << 8 | packet[at + 1]
        length = packet[at + 8] << 8 | packet[at + 9]
        end = at + 10 + length
        if end > size:
            raise FormatError
        if rdtype == OPT:
            if edns is not None or packet[owner] != 0:
                raise FormatError
            edns = Edns(
                packet[at + 2] << 8 | packet[at + 3],
                packet[at + 5],
                bool(packet[at + 6] & 0x80),
                parse_options(packet, at + 10, end),
            )
        elif rdtype not in (SIG, TSIG):
            raise FormatError
        at = end
    if at != size:
        raise FormatError
    return edns


def parse_options(packet: bytes, at: int, end: int) -> dict[int, bytes]:
    """The options of an OPT record that are answered here, the first of each code, in order; raises FormatError.

    All others are stepped over: a query may be full of them, and nothing is made for one.
    """
    found: dict[int, bytes] = {}
    try:
        for _ in range(MOST_OPTIONS):
            if at >= end:
                break
            start = at + 4
            length = packet[at + 2] << 8 | packet[at + 3]
            if not packet[at] and packet[at + 1] in _ANSWERED and packet[at + 1] not in found:
                found[packet[at + 1]] = packet[start : start + length]
            at = start + length
    except IndexError:
        raise FormatError from None
    if at != end:
        raise FormatError
    return found


def option(code: int, data: bytes) -> bytes:
    """One EDNS option in wire form."""
    return code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


def opt_record(size: int, do: bool, options: bytes = b"", extended_rcode: int = 0) -> bytes:
    """An OPT record in wire form; `extended_rcode` is the whole RCODE, its upper eight bits go here."""
    return (
        b"\0\0\x29"
        + size.to_bytes(2, "big")
        + bytes((extended_rcode >> 4, 0, 0x80 if do else 0, 0))
        + len(options).to_bytes(2, "big")
        + options
    )


def with_option(opt: bytes, code: int, data: bytes) -> bytes:
    """An OPT record in wire form with one more option."""
    options = opt[11:] + option(code, data)
    return opt[:9] + len(options).to_bytes(2, "big") + options


def name_end(data: bytes, at: int) -> int:
    """The offset behind an uncompressed name in data of our own."""
    length = data[at]
    while length:
        at += length + 1
        length = data[at]
    return at + 1


_DEEPEST = 8 << 14
#: From here on it pays to look whether all records of an RRset are of one length.
LONG_OCTETS: Final = 256


def even_length(records: bytes) -> int:
    """The length that all records (as a node holds them) have, 0 where they differ or there is one alone."""
    length = RECORD_HEAD_SIZE + (records[10] << 8 | records[11])
    count, rest = divmod(len(records), length)
    if rest or count < 2:
        return 0
    same = records[10::length] == records[10:11] * count and records[11::length] == records[11:12] * count
    return length if same else 0


class Reply:
    """A reply in the making: sections are appended record by record, names are compressed against all before.

    `names` holds, for each suffix of a name that was written, its offset, and above that (<< 14) the number of pointers
    that follow from there: widespread clients give up after 10 or 16 of them, which a chain of DNAMEs could reach.

    `dnames` are the keys of the DNAMEs that the chain has passed. Sections must be filled in order. `limit` is the size
    that the reply may have without its OPT record.
    """

    __slots__ = (
        "additionals",
        "answers",
        "authoritative",
        "authorities",
        "dnames",
        "ede",
        "limit",
        "names",
        "out",
        "rcode",
        "truncated",
    )

    def __init__(self, packet: bytes, question_end: int, limit: int) -> None:
        self.out = bytearray(packet[:question_end])
        self.limit = limit
        self.names: dict[bytes, int] = {}
        self.dnames: tuple[bytes, ...] = ()
        self.answers = self.authorities = self.additionals = 0
        self.truncated = False
        self.authoritative = True
        self.rcode = NOERROR
        self.ede: tuple[int, bytes] | None = None
        lower = packet[HEADER_SIZE : question_end - 4].lower()
        at = 0
        length = lower[0]
        while length:
            self.names[lower[at:]] = HEADER_SIZE + at
            at += length + 1
            length = lower[at]

    def add_name(self, name: bytes) -> None:
        """Append a name, compressed."""
        out, names = self.out, self.names
        lower = name.lower()
        at = 0
        length = lower[0]
        base = len(out)
        while length:
            place = names.get(lower[at:])
            if place is not None and place < _DEEPEST:
                if at:
                    self._remember(lower, at, base, (place >> 14) + 1 << 14)
                out += name[:at]
                out += (0xC000 | place & 0x3FFF).to_bytes(2, "big")
                return
            at += length + 1
            length = lower[at]
        self._remember(lower, at, base, 0)
        out += name

    def _remember(self, lower: bytes, end: int, base: int, pointers: int) -> None:
        """The suffixes that begin before `end` of a name at `base` can be pointed at from now on."""
        names = self.names
        at = 0
        while at < end and base + at < 0x4000:
            names.setdefault(lower[at:], pointers | base + at)
            at += lower[at] + 1

    def add_rrset(self, owner: bytes, rdtype: int, records: bytes) -> int:
        """Append an RRset (records as a node holds them) of `owner`, whole or not at all; the number of records added.

        Zero means that it did not fit, and nothing of it is in the reply.
        """
        out = self.out
        mark = len(out)
        known = len(self.names)
        compressible = COMPRESSIBLE.get(rdtype)
        count = 0
        at, end = 0, len(records)
        if compressible is None and end > LONG_OCTETS and (length := even_length(records)):
            return self._add_even(owner, records, length)
        while at < end:
            self.add_name(owner)
            start = at + RECORD_HEAD_SIZE
            stop = start + (records[at + 10] << 8 | records[at + 11])
            if compressible is None:
                out += records[at + 2 : stop]
            else:
                out += records[at + 2 : at + 10]
                self._add_compressed(records, start, stop, *compressible)
            at = stop
            count += 1
            if len(out) > self.limit:
                self._take_back(mark, known)
                return 0
        return count

    def _add_even(self, owner: bytes, records: bytes, length: int) -> int:
        """add_rrset() for records that are all `length` octets long: all owners are written in one go."""
        out = self.out
        mark, known = len(out), len(self.names)
        self.add_name(owner)
        name = bytes(out[mark:])
        count = len(records) // length
        # The first record has its name in full where that is new, all others point at it.
        pointer = name if len(name) == 2 else (0xC000 | mark).to_bytes(2, "big") if mark < 0x4000 else b""
        if not pointer or mark + len(name) - 2 + len(records) > self.limit:
            self._take_back(mark, known)
            return 0 if pointer else self._add_far(owner, records, length)
        body = bytearray(records)
        body[0::length] = pointer[:1] * count
        body[1::length] = pointer[1:] * count
        del out[mark:]
        out += name
        out += body[2:]
        return count

    def _add_far(self, owner: bytes, records: bytes, length: int) -> int:
        """_add_even() where no pointer reaches, beyond 16 KiB of a message: each record has its owner in full."""
        pieces = [owner + records[at + 2 : at + length] for at in range(0, len(records), length)]
        if len(self.out) + sum(map(len, pieces)) > self.limit:
            return 0
        self.out += b"".join(pieces)
        return len(pieces)

    def _add_compressed(self, records: bytes, start: int, stop: int, fixed: int, name_count: int) -> None:
        out = self.out
        length_at = len(out)
        out += b"\0\0"
        out += records[start : start + fixed]
        at = start + fixed
        for _ in range(name_count):
            end = name_end(records, at)
            self.add_name(records[at:end])
            at = end
        out += records[at:stop]
        length = len(out) - length_at - 2
        out[length_at] = length >> 8
        out[length_at + 1] = length & 255

    def _take_back(self, mark: int, known: int) -> None:
        del self.out[mark:]
        names = self.names
        while len(names) > known:
            names.popitem()

    def finish(self, flags: int, flags2: int, opt: bytes) -> bytes:
        """The reply: flags (octets 2 and 3 of the header) and counts filled in, the OPT record appended."""
        out = self.out
        out[2] = flags | (TC if self.truncated else 0)
        out[3] = flags2
        out[4:12] = bytes(
            (
                0,
                1,
                self.answers >> 8,
                self.answers & 255,
                self.authorities >> 8,
                self.authorities & 255,
                (self.additionals + (1 if opt else 0)) >> 8,
                (self.additionals + (1 if opt else 0)) & 255,
            )
        )
        out += opt
        return bytes(out)


class Collected(Reply):
    """Keeps the RRsets that a chain passes, instead of writing them into a message."""

    __slots__ = ("rrsets",)

    def __init__(self) -> None:
        super().__init__(b"\0" * 17, 17, MAX_MESSAGE)
        self.rrsets: list[tuple[int, bytes]] = []

    def add_rrset(self, owner: bytes, rdtype: int, records: bytes) -> int:
        """Keep the records."""
        self.rrsets.append((rdtype, records))
        return 1
