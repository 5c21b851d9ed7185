"""The quarantine: a bounded list of rejected events, each kept until the next good event of its key and partition."""

from __future__ import annotations

import msgspec

from streamdns.events.batch import Record
from streamdns.view.keys import candidate_key, sequence_key
from streamdns.view.transaction import WriteTransaction

_PAYLOAD_OCTETS = 4096
_KEY_OCTETS = 1024


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


_encode = msgspec.msgpack.Encoder().encode
decode_quarantined = msgspec.msgpack.Decoder(Quarantined).decode


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
    txn.txn.put(sequence, _encode(entry), db=table)
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
