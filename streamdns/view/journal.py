"""The journal: a ring of the last changes of RRsets, which shows people what changed, when, and by which event."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from streamdns.view.keys import sequence_key
from streamdns.view.store import State, Table, Transaction


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


_encode = msgspec.msgpack.Encoder().encode  # given tuples in the order of JournalEntry: half the time
decode_entry = msgspec.msgpack.Decoder(JournalEntry).decode

#: A change until the journal is written: the fields of JournalEntry, with the hashes as numbers.
Change = tuple[int, bytes, int, int, int, str, int, int, int, bytes, bytes, bytes]
#: Larger RRsets are not kept in the journal, so that it stays small.
MAX_RECORDS_OCTETS = 4096
NOT_KEPT = b"\0"


def mark(time_ms: int, owner: bytes, sentence: str) -> Change:
    """Make an entry that is no change, but says something to whoever reads the journal; `owner` is a zone or the root.

    It has the record type 0, no hashes, and comes from no topic.
    """
    said = msgspec.json.encode({"mark": sentence})
    return time_ms, owner, 0, 0, 0, "", 0, 0, 0, said, b"", b""


def mark_of(entry: JournalEntry) -> str | None:
    """Return what an entry says that is a mark; None for a change."""
    return None if entry.rdtype else str(msgspec.json.decode(entry.metadatas)["mark"])


def append(txn: Transaction, table: Table, state: State, changes: Sequence[Change], size: int) -> None:
    """Write changes to the journal: entry n has the key n modulo `size`, so the oldest is overwritten."""
    state.journal_next += max(0, len(changes) - size)
    for change in changes[-size:] if size else ():
        txn.put(sequence_key(state.journal_next % size), _entry(change), db=table)
        state.journal_next += 1
    if state.journal_size != size:
        _resize(txn, table, state, changes, size)


def _resize(txn: Transaction, table: Table, state: State, changes: Sequence[Change], size: int) -> None:
    """Begin anew with the entries of this commit, since their keys depend on DNS_JOURNAL_SIZE, which was changed."""
    txn.drop(table, delete=False)
    state.journal_size, state.journal_next = size, 0
    for change in changes[-size:] if size else ():
        txn.put(sequence_key(state.journal_next), _entry(change), db=table)
        state.journal_next += 1


def _entry(change: Change) -> bytes:
    time_ms, owner, rdtype, before, after, *rest = change
    hashes = (before.to_bytes(32, "big") if before else b"", after.to_bytes(32, "big") if after else b"")
    return _encode((time_ms, owner, rdtype, *hashes, *rest))
