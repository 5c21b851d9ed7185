"""Makes the keys of the view's tables: owner names in lookup form (canonical DNS order), and ids made from them."""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Final

from streamdns.dns import name

#: LMDB takes no empty key, so the root's node stands under one zero octet, which sorts before every other name.
ROOT: Final = b"\0"

LOCAL_TOPIC: Final = 0xFFFF
LOCAL_PARTITION: Final = 0xFFFFFFFF

_SUFFIX: Final = struct.Struct(">HI")


# Keys of the names right above those seen lately: events come in bursts of siblings.
_above: Final[dict[bytes, bytes]] = {}
_ABOVE_KEPT: Final = 1024


def node_key(owner: bytes) -> bytes:
    """Make the key of an owner's node from its lower-case wire name."""
    end = owner[0] + 1
    above = _above.get(owner[end:])
    if above is None:
        if end == 1:
            return ROOT
        if len(_above) >= _ABOVE_KEPT:
            _above.clear()
        above = _above[owner[end:]] = name.key(owner[end:])
    label = owner[1:end]
    if 0 in label or 1 in label:
        return name.key(owner)
    return above + label + b"\0"


def owner_of(key: bytes) -> bytes:
    """Turn a key back into the lower-case wire name."""
    return b"\0" if key == ROOT else name.from_key(key)


def subtree(key: bytes) -> bytes:
    """Return the prefix that the keys of a name and of all names below it share."""
    return b"" if key == ROOT else key


def behind(prefix: bytes) -> bytes:
    """Return the first key behind all that begin with a name's prefix; b"" where none is, as for the root's."""
    return prefix[:-1] + b"\1" if prefix else b""


def depth_of(key: bytes) -> int:
    """Count the labels of a key's name."""
    return 0 if key == ROOT else key.count(b"\0")


def prefixes(key: bytes) -> list[bytes]:
    """Return the keys of a name and of all names above it; the index is the number of labels."""
    found = [ROOT]
    if key != ROOT:
        at = 0
        while at < len(key):
            at = key.index(b"\0", at) + 1
            found.append(key[:at])
    return found


def prefix(key: bytes, depth: int) -> bytes:
    """Return the key of a name or of one above it, by its number of labels, at most those of the name."""
    if not depth:
        return ROOT
    at = 0
    for _ in range(depth):
        at = key.index(b"\0", at) + 1
    return key[:at]


def rrset_id(key: bytes, rdtype: int) -> bytes:
    """Hash the key of a name and a type to 16 octets: LMDB's keys are too short for a long name with more behind it."""
    return blake2b(b"%b%c%c" % (key, rdtype >> 8, rdtype & 255), digest_size=16).digest()


def candidate_key(rrset: bytes, topic: int, partition: int) -> bytes:
    """Make the key of the candidate row of one partition for an RRset (`rrset` is its rrset_id)."""
    return rrset + _SUFFIX.pack(topic, partition)


def partition_of(candidate: bytes) -> tuple[int, int]:
    """Return topic index and partition from the key of a candidate row."""
    topic, partition = _SUFFIX.unpack_from(candidate, 16)
    return int(topic), int(partition)


def position_key(topic: str, partition: int) -> bytes:
    """Make the key under which the position of a partition is stored."""
    return topic.encode() + b"\0" + partition.to_bytes(4, "big")


def sequence_key(sequence: int) -> bytes:
    """Make a key that sorts by number."""
    return sequence.to_bytes(8, "big")
