"""The view that serves, kept up to date while another one is filled from the same log beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from streamdns.events.batch import Batch, Partition
from streamdns.sources.base import Source
from streamdns.view.writer import Writer

_LEVEL_S = 10.0

Apply = Callable[[Writer, Batch, dict[Partition, str]], None]


class Reader:
    """One source that is read into one view; `positions` is how far."""

    def __init__(self, source: Source, writer: Writer, positions: Mapping[Partition, int], apply: Apply) -> None:
        self.source, self._writer, self._apply = source, writer, apply
        self.positions = dict(positions)

    def take(self, batch: Batch) -> None:
        """Apply a batch."""
        if batch.records or batch.positions:
            self._apply(self._writer, batch, self.source.fingerprints())
            self.positions.update(batch.positions)

    def turn(self, *, max_records: int) -> None:
        """Apply what there is already."""
        self.take(self.source.read(max_records=max_records, timeout_s=0))


class Readers(NamedTuple):
    """The one that fills a new view, and the one that keeps the view that serves up to date."""

    new: Reader
    old: Reader

    def level(self, *, max_records: int) -> None:
        """Bring both to the same positions, so that what they differ in is no matter of when they were read.

        Nothing is applied behind those positions: both sources are to be closed after this. A log that does not come
        that far within some seconds is left as it is. Raises what reading and applying raise.
        """
        new, old = self.new.positions, self.old.positions
        target = {partition: max(new.get(partition, 0), old.get(partition, 0)) for partition in new.keys() | old.keys()}
        end_s = time.monotonic() + _LEVEL_S
        for reader in self:
            while any(reader.positions.get(partition, 0) < end for partition, end in target.items()):
                left_s = end_s - time.monotonic()
                if left_s <= 0:
                    return
                batch = reader.source.read(max_records=max_records, timeout_s=min(left_s, 1.0))
                reader.take(_up_to(target, batch))


def _up_to(target: Mapping[Partition, int], batch: Batch) -> Batch:
    """What of a batch lies before these positions."""
    records = [each for each in batch.records if each.position < target.get((each.topic, each.partition), 0)]
    positions = {
        partition: min(position, target[partition])
        for partition, position in batch.positions.items()
        if partition in target
    }
    return Batch(records, positions, False)
