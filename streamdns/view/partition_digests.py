"""Keeps a digest for each partition and notes it at fixed positions (marks), so that nodes can be compared there.

The digest of a partition covers the RRsets that come from its events; each event adds what it changes. As long as no
RRset has candidates in several partitions, it depends on nothing but how far the partition was read. So two nodes that
are at different positions can be compared at a position that both have passed. A mark is the digest when all events
before `position`, and none from there on, were applied.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from streamdns.events.batch import Batch, Partition
from streamdns.view.digest import MODULUS_MASK
from streamdns.view.keys import position_key
from streamdns.view.store import Store, Transaction

_KEY: Final = b"digest\0"
_SIZE: Final = 32


class Mark(NamedTuple):
    """The digest of a partition at a position of its log."""

    topic: str
    partition: int
    position: int
    digest: bytes


class Steps(Protocol):
    """Tells how much the events of a batch changed the digest; the writer implements it."""

    def by_partition(self) -> dict[Partition, int]:
        """Return the change of each partition's digest; a partition that changed nothing may be absent."""
        ...

    def since(self, partition: Partition, begin: int) -> int:
        """Return how much the events of a partition from position `begin` on changed its digest."""
        ...


def load(txn: Transaction, store: Store, partition: Partition) -> int | None:
    """Read the digest of a partition; None where an older version, which kept none, began the view."""
    raw = txn.get(_KEY + position_key(*partition), db=store.meta)
    return int.from_bytes(raw, "big") if raw is not None and len(raw) == _SIZE else None


def advance(
    txn: Transaction, store: Store, batch: Batch, steps: Steps, *,
    before: dict[Partition, int], whole: int, every: int,
) -> list[Mark]:
    """Update the digests of the partitions to the end of a batch; return the marks passed, at most one a partition.

    `before` are the positions before the batch, 0 where there was none. `whole` is how much the batch changed the
    digest of the view; `steps` are asked only where that is not enough. `every` is the distance of marks, 0 for none.
    """
    marks: list[Mark] = []
    sums = None if len(batch.positions) == 1 else steps.by_partition()
    for partition, position in batch.positions.items():
        digest = load(txn, store, partition)
        if digest is None:
            if before[partition]:
                continue
            digest = 0
        digest += whole if sums is None else sums.get(partition, 0)
        txn.put(_KEY + position_key(*partition), (digest & MODULUS_MASK).to_bytes(_SIZE, "big"), db=store.meta)
        at = position - position % every if every else 0
        if at > before[partition]:
            kept = (digest - steps.since(partition, at)) & MODULUS_MASK
            marks.append(Mark(*partition, at, kept.to_bytes(_SIZE, "big")))
    return marks
