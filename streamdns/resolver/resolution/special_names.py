"""Answers special-use names (localhost, private reverse zones, ...), so that they are never asked of the Internet, and
removes private addresses from foreign answers. No I/O.

Each group can be switched off. A name in one of our own zones, or below a forwarded zone other than the root, is theirs
to answer before anything here is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from streamdns.dns import name
from streamdns.dns.wire import AAAA, ANY, DS, HTTPS, NS, NXDOMAIN, PTR, SOA, SVCB, A
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.verdict import is_within

_TTL_S: Final = 10_800
_LOCALHOST: Final = b"\x09localhost\0"
_LOOPBACK: Final = ((A, b"\x7f\0\0\1"), (AAAA, bytes(15) + b"\1"))


def _reverse(*zones: str) -> tuple[str, ...]:
    return tuple(f"{zone}.in-addr.arpa." for zone in zones)


#: Groups by name: the zones of each, all of them empty but for localhost. RFC 6303 without what it leaves to others.
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "localhost": ("localhost.", *_reverse("127"), "1." + "0." * 31 + "ip6.arpa."),  # RFC 6761 §6.3
    "invalid": ("invalid.",),  # RFC 6761 §6.4
    "test": ("test.",),  # RFC 6761 §6.2
    "onion": ("onion.",),  # RFC 7686 §2
    "alt": ("alt.",),  # RFC 9476 §2
    "local": ("local.",),  # RFC 6762 §22.1: for multicast, not for us
    "home.arpa": ("home.arpa.",),  # RFC 8375 §4
    "resolver.arpa": ("resolver.arpa.",),  # RFC 9462 §6.4: there is no encrypted resolver here to point to
    "private-reverse": (  # RFC 6303 §4.2, RFC 7793
        *_reverse("10", *(f"{number}.172" for number in range(16, 32)), "168.192"),
        *_reverse(*(f"{number}.100" for number in range(64, 128))),
    ),
    "reserved-reverse": (  # RFC 6303 §4.2 to §4.6
        *_reverse("0", "254.169", "2.0.192", "100.51.198", "113.0.203", "255.255.255.255"),
        "0." * 32 + "ip6.arpa.", "d.f.ip6.arpa.", "8.e.f.ip6.arpa.", "9.e.f.ip6.arpa.", "a.e.f.ip6.arpa.",
        "b.e.f.ip6.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.",
    ),
}


class Special:
    """Answers for special-use names; `off` are groups that are asked for as all other names are."""

    def __init__(self, off: Collection[str] = ()) -> None:
        unknown = sorted(set(off) - set(GROUPS))
        if unknown:
            raise ValueError(f"there is no group {unknown[0]}; there are {', '.join(GROUPS)}")
        self._zones = {name.from_text(zone): group for group, zones in GROUPS.items() if group not in off
                       for zone in zones}
        # Nearly every name is told apart by its last label and the one before.
        self._ends = {_end(zone) for zone in self._zones}

    def group_of(self, qname: bytes) -> str | None:
        """The group that a lower-case name in wire form belongs to."""
        zone = self._zone_of(qname)
        return None if zone is None else self._zones[zone]

    def answer(self, qname: bytes, qtype: int) -> Response | None:
        """What is said of a lower-case name in wire form; None for names of others.

        DS of a zone here is for the parent zone to say, except that of top-level names that do not exist there.
        """
        zone = self._zone_of(qname)
        if zone is None or (qtype == DS and qname == zone and zone.endswith(b"\x04arpa\0")):
            return None
        answer: tuple[RRset, ...] = ()
        exists = qname == zone
        if qname.endswith(_LOCALHOST) and zone == _LOCALHOST:
            exists = True  # all names below it are this host, too
            answer = tuple(RRset(qname, rdtype, _TTL_S, (rdata,)) for rdtype, rdata in _LOOPBACK
                           if qtype in (rdtype, ANY))
        elif self._zones[zone] == "localhost" and qname in _HERE and qtype in (PTR, ANY):
            exists, answer = True, (RRset(qname, PTR, _TTL_S, (_LOCALHOST,)),)
        elif any(is_within(here, qname) for here in _HERE):
            exists = True  # it, or an empty non-terminal on the way to it
        if qname == zone and qtype in (SOA, NS, ANY) and not answer:
            answer = tuple(rrset for rrset in _apex(zone) if qtype in (rrset.rdtype, ANY))
        authority = () if answer else _apex(zone)[:1]
        return Response(
            0, qname, qtype, 0 if exists else NXDOMAIN, True, False, False, False, answer, authority, ()
        )

    def _zone_of(self, qname: bytes) -> bytes | None:
        if _end(qname) not in self._ends:
            return None
        zones = self._zones
        at = 0
        while qname[at]:
            if qname[at:] in zones:
                return qname[at:]
            at += qname[at] + 1
        return None


_HERE: Final = (name.from_text("1.0.0.127.in-addr.arpa."), name.from_text("1." + "0." * 31 + "ip6.arpa."))


def _end(wire: bytes) -> bytes:
    """The last label of a name, or its last two below arpa."""
    at = before = last = 0
    while wire[at]:
        before, last = last, at
        at += wire[at] + 1
    return wire[before:] if wire[last:] == b"\x04arpa\0" else wire[last:]


def _apex(zone: bytes) -> tuple[RRset, RRset]:
    """SOA and NS of an empty zone (RFC 6303 §3)."""
    contact = b"\x06nobody\x07invalid\0"
    numbers = (1, 3600, 1200, 604_800, _TTL_S)
    soa = zone + contact + b"".join([number.to_bytes(4, "big") for number in numbers])
    return RRset(zone, SOA, _TTL_S, (soa,)), RRset(zone, NS, _TTL_S, (zone,))


# -- addresses

_PRIVATE_4: Final = (  # first octets, or the first two of a range
    (0x00000000, 8), (0x0A000000, 8), (0x64400000, 10), (0x7F000000, 8), (0xA9FE0000, 16), (0xAC100000, 12),
    (0xC0A80000, 16),
)
_MAPPED: Final = (bytes(10) + b"\xff\xff", bytes(12), b"\0\x64\xff\x9b" + bytes(8))  # IPv4 in IPv6, RFC 4291, RFC 6052


_LOCAL_NAT64: Final = b"\0\x64\xff\x9b\0\1"  # a translator of this network, RFC 8215
_6TO4: Final = b"\x20\x02"  # an IPv4 address follows, RFC 3056 §2
#: Parameters of SVCB and HTTPS records that hold addresses, with the octets of each (RFC 9460 §7.3).
_HINTS: Final = {4: 4, 6: 16}


def embedded_ipv4(address: bytes) -> bytes | None:
    """The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64 or 6to4; None where it is none."""
    if address[:2] == _6TO4:
        return address[2:6]
    return address[12:] if address[:12] in _MAPPED and address != bytes(16) else None


def is_private(rdata: bytes) -> bool:
    """Whether the RDATA of an A or AAAA record is an address of this host, this link or a private network.

    RFC 1918, 6598, 3927, 4193, 4291, 3056; also where an IPv4 address is written as an IPv6 one.
    """
    if len(rdata) == 4:
        number = int.from_bytes(rdata, "big")
        return any(number >> (32 - bits) == network >> (32 - bits) for network, bits in _PRIVATE_4)
    if rdata == bytes(15) + b"\1" or rdata.startswith(_LOCAL_NAT64):
        return True
    meant = embedded_ipv4(rdata)
    if meant is not None:
        return is_private(meant)
    return rdata == bytes(16) or rdata[0] & 0xFE == 0xFC or (rdata[0] == 0xFE and rdata[1] & 0xC0 in (0x80, 0xC0))


def without_private(answer: Iterable[RRset]) -> tuple[RRset, ...] | None:
    """An answer for a foreign name without its private addresses (DNS rebinding); None when none were in it."""
    kept: list[RRset] = []
    found = False
    for rrset in answer:
        if rrset.rdtype in (A, AAAA, SVCB, HTTPS):
            clean = _without_private_hints if rrset.rdtype in (SVCB, HTTPS) else _unless_private
            rdatas = tuple(rdata for rdata in map(clean, rrset.rdatas) if rdata)
            if rdatas != rrset.rdatas:
                found = True
                if not rdatas:
                    continue
                rrset = rrset._replace(rdatas=rdatas, signatures=())
        kept.append(rrset)
    return tuple(kept) if found else None


def _unless_private(rdata: bytes) -> bytes:
    return b"" if is_private(rdata) else rdata


def _without_private_hints(rdata: bytes) -> bytes:
    """The RDATA of an SVCB or HTTPS record without hints that have a private address; b"" where it needs these."""
    start = 2
    while start < len(rdata) and rdata[start]:
        start += rdata[start] + 1
    start += 1
    kept, left_out, mandatory = rdata[:start], set(), b""
    while start + 4 <= len(rdata):
        key, length = (int.from_bytes(rdata[at : at + 2], "big") for at in (start, start + 2))
        end = start + 4 + length
        value = rdata[start + 4 : end]
        size = _HINTS.get(key)
        if size and any(is_private(value[at : at + size]) for at in range(0, len(value) - size + 1, size)):
            left_out.add(key)
        else:
            kept += rdata[start:end]
        mandatory = value if key == 0 else mandatory
        start = end
    needed = {int.from_bytes(mandatory[at : at + 2], "big") for at in range(0, len(mandatory), 2)}
    return b"" if left_out & needed else kept
