"""How fast each partition of the log is applied, from its positions of the last seconds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streamdns.admin.schema.state import Consumer

#: A speed is the mean of so long.
_WINDOW_S: Final = 6.0

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Speeds:
    """Readings from old to new: when (seconds that never go back), and where each partition was."""

    readings: tuple[tuple[float, Mapping[Partition, int]], ...] = ()

    def added(self, consumer: Consumer, at_s: float) -> Speeds:
        """These with one more reading; those that are older than the window go, but for the last of them."""
        positions = {(each.topic, each.partition): each.position for each in consumer.partitions}
        kept = list(self.readings)
        while len(kept) > 1 and at_s - kept[1][0] >= _WINDOW_S:
            del kept[0]
        if kept and at_s - kept[-1][0] > _WINDOW_S:
            kept.clear()
        return Speeds((*kept, (at_s, positions)))

    def of(self, topic: str, partition: int) -> float | None:
        """How much the position of a partition grows in a second; None where that is not known yet."""
        key = topic, partition
        if len(self.readings) < 2:
            return None
        (first_s, first), (last_s, last) = self.readings[0], self.readings[-1]
        if key not in first or key not in last or last_s <= first_s:
            return None
        # A rebuild begins at the start of the log: it has no speed until it is seen to move on.
        grown = last[key] - first[key]
        return None if grown < 0 else grown / (last_s - first_s)
