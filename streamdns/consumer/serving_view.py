"""Keeps the serving view up to date while a rebuild fills another one from the same log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from streamdns.errors import SourceError
from streamdns.events.batch import Batch, Partition
from streamdns.events.order import Ordering
from streamdns.sources.base import Source
from streamdns.view.writer import Writer

_ALIGN_S = 10.0
#: How soon it is looked whether what waits for other partitions may be applied.
_HELD_S = 0.02

Apply = Callable[[Writer, Batch, dict[Partition, str]], None]


class Reader:
    """Reads one source into one view; `positions` says how far each partition was applied.

    After order() events are applied in an order that whoever asks the view meanwhile can bear, see events/order.py.
    """

    def __init__(self, source: Source, writer: Writer, positions: Mapping[Partition, int], apply: Apply) -> None:
        self.source, self._writer, self._apply = source, writer, apply
        self.positions = dict(positions)
        self._ordering: Ordering | None = None
        self._lags_since_s: float | None = None

    def order(self) -> None:
        """From now on the view is asked: mind the order between partitions."""
        self._ordering = Ordering(self.positions, self._ends_now)

    def _ends_now(self) -> dict[Partition, int]:
        try:
            return self.source.ends_now()
        except SourceError:
            return {}  # A partition that cannot be asked is not waited for.

    def read(self, *, max_records: int, timeout_s: float) -> list[Batch]:
        """What may be applied next; of the last batch `caught_up` and `whole_s` are true when all are applied."""
        ordering = self._ordering
        if ordering is None:
            return [self.source.read(max_records=max_records, timeout_s=timeout_s)]
        batch = self.source.read(max_records=max_records, timeout_s=_HELD_S if ordering.held else timeout_s)
        if not ordering.held and len(self.source.ends()) < 2:
            ordering.pass_by(batch)  # One partition has an order of its own.
            return [batch]
        return ordering.feed(batch, now_s=time.monotonic(), most=max_records)

    def drain(self) -> Batch:
        """What was read and waits."""
        return Batch([], {}, False) if self._ordering is None else self._ordering.drain()

    def apply(self, batch: Batch) -> None:
        """Apply a batch to the view."""
        if batch.records or batch.positions:
            self._apply(self._writer, batch, self.source.fingerprints())
            self.positions.update(batch.positions)

    def lags(self, other: Reader) -> bool:
        """Return whether it was read less far than another one; after some seconds no longer, for it may stay so."""
        if all(self.positions.get(partition, 0) >= at for partition, at in other.positions.items()):
            self._lags_since_s = None
            return False
        now_s = time.monotonic()
        if self._lags_since_s is None:
            self._lags_since_s = now_s
        return now_s - self._lags_since_s < _ALIGN_S

    def apply_waiting(self, *, max_records: int) -> None:
        """Apply what the source has ready, without waiting for more."""
        for batch in self.read(max_records=max_records, timeout_s=0):
            self.apply(batch)


def align(new: Reader, serving: Reader, *, max_records: int) -> None:
    """Read the log into both views to the same positions, so that comparing them shows no mere difference of time.

    `new` fills the rebuilt view, `serving` keeps the serving one up to date. Nothing is applied behind those positions,
    so both sources must be closed after this. Gives up after some seconds where the log does not come that far. Raises
    what reading and applying raise.
    """
    here, there = new.positions, serving.positions
    target = {each: max(here.get(each, 0), there.get(each, 0)) for each in here.keys() | there.keys()}
    end_s = time.monotonic() + _ALIGN_S
    for reader in (new, serving):
        reader.apply(_up_to(target, reader.drain()))
        while any(reader.positions.get(partition, 0) < end for partition, end in target.items()):
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                return
            batch = reader.source.read(max_records=max_records, timeout_s=min(left_s, 1.0))
            reader.apply(_up_to(target, batch))


def _up_to(target: Mapping[Partition, int], batch: Batch) -> Batch:
    """Cut a batch at these positions."""
    records = [each for each in batch.records if each.position < target.get((each.topic, each.partition), 0)]
    positions = {
        partition: min(position, target[partition])
        for partition, position in batch.positions.items()
        if partition in target
    }
    return Batch(records, positions, False)
