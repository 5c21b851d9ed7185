"""Stores in the view when it last held the whole log; consumer/last_contact.py says why that must outlive a restart.

It is a row of its own, written in a transaction of its own after the commits that it speaks of: LMDB keeps commits in
their order, so no crash leaves the row without them.
"""

from __future__ import annotations

from streamdns.view.store import Store, reported

_KEY = b"contact"
_SIZE = 8


def load(store: Store) -> float | None:
    """Read the moment in UNIX seconds; None where the view has no such row: it is new, or an older version made it."""
    with reported(store.path), store.begin() as txn:
        raw = txn.get(_KEY, db=store.meta)
    return int.from_bytes(raw, "big") / 1000 if raw is not None and len(raw) == _SIZE else None


def save(store: Store, moment_s: float) -> None:
    """Store the moment (UNIX seconds). Raises ViewFull, ViewCorrupt, ViewError."""
    with store.writing(), store.begin(write=True) as txn:
        txn.put(_KEY, max(0, int(moment_s * 1000)).to_bytes(_SIZE, "big"), db=store.meta)
