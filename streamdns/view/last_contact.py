"""The moment as of which a view had all of its log, as it is kept in the view itself.

It is a row of its own, written in a transaction of its own after the commits that it speaks of: LMDB keeps commits in
their order, so no crash leaves the row without them.
"""

from __future__ import annotations

from streamdns.view.store import Store, reported

_KEY = b"contact"
_SIZE = 8


def load(store: Store) -> float | None:
    """UNIX seconds; None where the view has no such row: it is new, or from before there was one."""
    with reported(store.path), store.begin() as txn:
        raw = txn.get(_KEY, db=store.meta)
    return int.from_bytes(raw, "big") / 1000 if raw is not None and len(raw) == _SIZE else None


def save(store: Store, moment_s: float) -> None:
    """Keep the moment. Raises ViewFull, ViewCorrupt, ViewError."""
    with store.writing(), store.begin(write=True) as txn:
        txn.put(_KEY, max(0, int(moment_s * 1000)).to_bytes(_SIZE, "big"), db=store.meta)
