"""The entries of four tables of a view as msgspec encodes them: conflicts, changes, rejected events and zones.

Here are classes and what encodes and decodes them, no more: msgspec reads the annotations of classes, which modules
that are compiled do not have.
"""

from __future__ import annotations

import msgspec


class Conflict(msgspec.Struct, array_like=True):
    """One entry of the list of conflicts; `detail` is text for people."""

    kind: str
    owner: bytes
    rdtype: int
    detail: str


class JournalEntry(msgspec.Struct, array_like=True):
    """One change: when (ms), which RRset, its hashes before and after (b"" = not there), and where it came from.

    `was` and `now` are its records before and after in the form of a node; both b"" where they are large, or where an
    older version wrote the entry. An RRset that stands, but is left out of the digest because a newer event of it was
    rejected, has its records there and no hash, or NOT_KEPT in place of large records.
    """

    time_ms: int
    owner: bytes
    rdtype: int
    before: bytes
    after: bytes
    topic: str
    partition: int
    position: int
    timestamp: int
    metadatas: bytes
    was: bytes = b""
    now: bytes = b""


class Quarantined(msgspec.Struct, array_like=True):
    """A rejected event: when it was read (ms), its place in the log, its key, the reason, and its first 4 KiB.

    `subject` is the key of its entry in the table of rejected candidates, b"" where the event's key names no RRset.
    """

    time_ms: int
    topic: str
    partition: int
    position: int
    timestamp: int
    key: bytes | None
    reason: str
    payload: bytes
    subject: bytes


class ZoneRow(msgspec.Struct, array_like=True):
    """Digest (32 octets), counts, time of the last change (ms) and claim cursor (view/zones.py) of one zone."""

    digest: bytes = b"\0" * 32
    rrsets: int = 0
    records: int = 0
    changed_ms: int = 0
    cursor: bytes | None = None


#: Encodes an entry of any kind, or a tuple of its fields in their order, which takes half the time.
encode = msgspec.msgpack.Encoder().encode
decode_conflict = msgspec.msgpack.Decoder(Conflict).decode
decode_change = msgspec.msgpack.Decoder(JournalEntry).decode
decode_quarantined = msgspec.msgpack.Decoder(Quarantined).decode
decode_zone = msgspec.msgpack.Decoder(ZoneRow).decode
