"""The digest: one hash over all RRsets in any order, updated with each change, by which nodes compare their data.

The digest of a set of RRsets is the sum modulo 2**256 of one BLAKE2b-256 hash for each, so adding and removing an
RRset are an addition and a subtraction, in any order. What is hashed: the owner in lower-case wire form, type (2),
TTL (4), and each RDATA with its length (2), in ascending order.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from streamdns.dns.node import unpack_rdatas

MODULUS_MASK: Final = (1 << 256) - 1
_HEAD: Final = 12
_blake2b: Final = blake2b


def rrset_hash(owner: bytes, records: bytes) -> int:
    """Hash one RRset, given its owner (lower-case wire form) and its records in the form of a node."""
    if len(records) == _HEAD + (records[10] << 8 | records[11]):
        hashed = owner + records[2:4] + records[6:]
    else:
        data = b"".join([len(rdata).to_bytes(2, "big") + rdata for rdata in sorted(unpack_rdatas(records))])
        hashed = owner + records[2:4] + records[6:10] + data
    return int.from_bytes(_blake2b(hashed, digest_size=32).digest(), "big")


def to_hex(digest: int) -> str:
    """Write a digest as 64 hexadecimal digits."""
    return f"{digest:064x}"
