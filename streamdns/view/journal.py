"""The journal: a ring of the last changes of RRsets, which shows people what changed, when, and by which event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from streamdns.runtime.interpreter import let_others
from streamdns.view.entries import JournalEntry, encode
from streamdns.view.keys import sequence_key
from streamdns.view.store import OTHERS_AFTER, State, Table, Transaction

#: A change until the journal is written: the fields of JournalEntry in their order, with the hashes as numbers. No type
#: for each: a compiled module would look at all twelve of them wherever it meets a change.
Change = tuple[Any, ...]
#: Where a change has its hashes, and its place in the log.
BEFORE: Final = 3
AFTER: Final = 4
TOPIC: Final = 5
PARTITION: Final = 6
POSITION: Final = 7
#: Larger RRsets are not kept in the journal, so that it stays small.
MAX_RECORDS_OCTETS: Final = 4096
NOT_KEPT: Final = b"\0"


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
    if size and changes:
        begin = state.journal_next
        entries: list[tuple[bytes, bytes]] = []
        for number, change in enumerate(changes[-size:], begin):
            if not number % OTHERS_AFTER:
                let_others()
            entries.append((sequence_key(number % size), _entry(change)))
        with txn.cursor(table) as cursor:
            cursor.putmulti(entries)
        state.journal_next += len(entries)
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
    before: int = change[BEFORE]
    after: int = change[AFTER]
    hashes = (before.to_bytes(32, "big") if before else b"", after.to_bytes(32, "big") if after else b"")
    return encode(change[:BEFORE] + hashes + change[TOPIC:])
