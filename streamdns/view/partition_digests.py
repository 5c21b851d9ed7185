"""Digests of partitions, and marks: what they were at fixed positions of the log.

The digest of a partition is that of the RRsets that stand from its events, kept by what each of its events changes. As
long as no RRset has candidates in several partitions it depends on nothing but how far the partition was read, and so
nodes that are at different positions can be compared where both have been. A mark says: all events before `position`,
and none from there on, were applied.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from streamdns.events.batch import Batch, Partition
from streamdns.view.digest import MODULUS_MASK
from streamdns.view.keys import position_key
from streamdns.view.store import Store, Transaction

_KEY = b"digest\0"
_SIZE = 32


class Mark(NamedTuple):
    """The digest of a partition at a position of its log."""

    topic: str
    partition: int
    position: int
    digest: bytes


class Steps(Protocol):
    """What the events of a batch changed in the digest."""

    def by_partition(self) -> dict[Partition, int]:
        """The sums of all that the events of each partition changed; a partition that changed nothing may be absent."""
        ...

    def since(self, partition: Partition, begin: int) -> int:
        """The sum of what the events of a partition changed, those from position `begin` on."""
        ...


def load(txn: Transaction, store: Store, partition: Partition) -> int | None:
    """The digest of a partition; None where the view was begun by a version that kept none."""
    raw = txn.get(_KEY + position_key(*partition), db=store.meta)
    return int.from_bytes(raw, "big") if raw is not None and len(raw) == _SIZE else None


def advance(
    txn: Transaction, store: Store, batch: Batch, steps: Steps, *,
    before: dict[Partition, int], whole: int, every: int,
) -> list[Mark]:
    """Bring the digests of the partitions to where a batch ends; the marks that it passes, one a partition at most.

    `before` are the positions before the batch, 0 where there was none, `whole` the difference that the batch made in
    the digest of the view, `every` the distance of marks, 0 for none. `steps` are asked only where that does not tell.
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
