"""The quarantine: a bounded list of rejected events, each kept until the next good event of its key and partition."""

from __future__ import annotations

from typing import Final

from streamdns.events.batch import Record
from streamdns.view.entries import Quarantined, decode_quarantined, encode
from streamdns.view.keys import candidate_key, sequence_key
from streamdns.view.transaction import WriteTransaction

_PAYLOAD_OCTETS: Final = 4096
_KEY_OCTETS: Final = 1024


def add(txn: WriteTransaction, record: Record, topic: int, subject: bytes, *, reason: str, most: int) -> None:
    """Add a rejected event; an older entry of its RRset and partition is replaced, the oldest go past `most` entries.

    `subject` is the id of its RRset, b"" where its key names none.
    """
    state, table = txn.state, txn.store.tables["quarantine"]
    candidate = candidate_key(subject, topic, record.partition) if subject else b""
    if subject:
        clear(txn, subject, topic, record.partition)
    entry = Quarantined(
        txn.now_ms,
        record.topic,
        record.partition,
        record.position,
        record.timestamp,
        None if record.key is None else record.key[:_KEY_OCTETS],
        reason,
        (record.value or b"")[:_PAYLOAD_OCTETS],
        candidate,
    )
    sequence = sequence_key(state.quarantine_next)
    state.quarantine_next += 1
    txn.txn.put(sequence, encode(entry), db=table)
    if candidate:
        txn.txn.put(candidate, sequence, db=txn.store.tables["rejected"])
    state.quarantined += 1
    while state.quarantined > most:
        with txn.txn.cursor(table) as cursor:
            if not cursor.first():
                return
            _remove(txn, cursor.key(), cursor.value())


def clear(txn: WriteTransaction, subject: bytes, topic: int, partition: int) -> None:
    """Remove the entry of an RRset and partition, where there is one."""
    sequence = txn.txn.get(candidate_key(subject, topic, partition), db=txn.store.tables["rejected"])
    if sequence is not None:
        raw = txn.txn.get(sequence, db=txn.store.tables["quarantine"])
        if raw is not None:
            _remove(txn, sequence, raw)


def _remove(txn: WriteTransaction, sequence: bytes, raw: bytes) -> None:
    txn.txn.delete(sequence, db=txn.store.tables["quarantine"])
    txn.state.quarantined -= 1
    candidate = decode_quarantined(raw).subject
    if candidate:
        txn.txn.delete(candidate, db=txn.store.tables["rejected"])
