"""The canonical form of RDATA (RFC 4034 §6.2): two records of one RRset are the same record when these are equal.

Names in RDATA are compared without regard to case in the types that RFC 4034 lists (NSEC left out, RFC 6840 §5.1);
everything else is compared octet by octet. Pure; the RDATA must be well-formed.
"""

from __future__ import annotations

from collections.abc import Iterable

from streamdns.dns.wire import name_end

# RDATA that is one or more names and nothing else, or that begins with so many octets before the names.
_LOWER_ALL = frozenset((2, 3, 4, 5, 7, 8, 9, 12, 14, 17, 23, 39))  # NS MD MF CNAME MB MG MR PTR MINFO RP NSAP-PTR DNAME
_LOWER_BEHIND = {15: 2, 18: 2, 21: 2, 26: 2, 33: 6, 36: 2}  # MX AFSDB RT PX SRV KX
_SOA, _SIG, _NXT, _NAPTR, _A6, _RRSIG = 6, 24, 30, 35, 38, 46
_SIGNATURE_FIXED = 18  # octets of SIG and RRSIG before the signer's name
_SPECIAL = frozenset((_SOA, _SIG, _NXT, _NAPTR, _A6, _RRSIG))


def canonical(rdtype: int, rdata: bytes) -> bytes:
    """The canonical form of RDATA in uncompressed wire form."""
    if rdtype in _LOWER_ALL:
        return rdata.lower()  # the lengths of labels are below "A"
    fixed = _LOWER_BEHIND.get(rdtype)
    if fixed is not None:
        return rdata[:fixed] + rdata[fixed:].lower()
    if rdtype not in _SPECIAL:
        return rdata
    start, end = _names_of(rdtype, rdata)
    return rdata[:start] + rdata[start:end].lower() + rdata[end:]


def unique(rdtype: int, rdatas: Iterable[bytes]) -> list[bytes]:
    """The records without those that repeat an earlier one, in their order and in the spelling that came first."""
    found: dict[bytes, bytes] = {}
    for rdata in rdatas:
        found.setdefault(canonical(rdtype, rdata), rdata)
    return list(found.values())


def same_data(rdtype: int, one: Iterable[bytes], other: Iterable[bytes]) -> bool:
    """Whether two RRsets of a type have the same records, in any order and spelling."""
    return {canonical(rdtype, rdata) for rdata in one} == {canonical(rdtype, rdata) for rdata in other}


def _names_of(rdtype: int, rdata: bytes) -> tuple[int, int]:
    """Where the names of RDATA begin and end, for types with other fields behind them or of no fixed length before."""
    if rdtype == _SOA:
        return 0, len(rdata) - 20
    if rdtype == _NXT:
        return 0, name_end(rdata, 0)
    if rdtype == _NAPTR:
        at = 4
        for _ in range(3):
            at += rdata[at] + 1
        return at, len(rdata)
    if rdtype == _A6:
        # The octets of the suffix: those that the prefix of so many bits does not cover (RFC 2874 §3.1).
        return 1 + (128 - rdata[0] + 7) // 8, len(rdata)
    return _SIGNATURE_FIXED, name_end(rdata, _SIGNATURE_FIXED)
