"""Digests of partitions, and marks: what they were at fixed positions of the log.

The digest of a partition is that of the RRsets that stand from its events, kept by what each of its events changes. As
long as no RRset has candidates in several partitions it depends on nothing but how far the partition was read, and so
nodes that are at different positions can be compared where both have been. A mark says: all events before `position`,
and none from there on, were applied.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from streamdns.events.sources.base import Batch, Partition
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


class Step(NamedTuple):
    """What one event changed in the digest."""

    partition: Partition
    position: int
    difference: int


def load(txn: Transaction, store: Store, partition: Partition) -> int | None:
    """The digest of a partition; None where the view was begun by a version that kept none."""
    raw = txn.get(_KEY + position_key(*partition), db=store.meta)
    return int.from_bytes(raw, "big") if raw is not None and len(raw) == _SIZE else None


def advance(
    txn: Transaction, store: Store, batch: Batch, steps: Iterable[Step], *,
    before: dict[Partition, int], whole: int, every: int,
) -> list[Mark]:
    """Bring the digests of the partitions to where a batch ends; the marks that it passes, one a partition at most.

    `before` are the positions before the batch, 0 where there was none, `whole` the difference that the batch made in
    the digest of the view, `every` the distance of marks. `steps` are looked at only where that does not tell all.
    """
    marks: list[Mark] = []
    listed: list[Step] | None = None
    for partition, position in batch.positions.items():
        digest = load(txn, store, partition)
        if digest is None:
            if before[partition]:
                continue
            digest = 0
        if len(batch.positions) == 1:
            digest += whole
        else:
            listed = list(steps) if listed is None else listed
            digest += sum(step.difference for step in listed if step.partition == partition)
        txn.put(_KEY + position_key(*partition), (digest & MODULUS_MASK).to_bytes(_SIZE, "big"), db=store.meta)
        at = position - position % every
        if at > before[partition]:
            listed = list(steps) if listed is None else listed
            behind = sum(step.difference for step in listed if step.partition == partition and step.position >= at)
            marks.append(Mark(*partition, at, ((digest - behind) & MODULUS_MASK).to_bytes(_SIZE, "big")))
    return marks
