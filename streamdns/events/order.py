"""In which order events are applied, so that whoever asks meanwhile misses no name that is there before and after.

A delete, an alias or a cut must not be seen before the sets that it was written after. In one partition the log has
that order. Between partitions nothing has it, so such an event waits here until the other partitions were read as far
as they went when it was read. Pure: who calls says where the partitions end and what time it is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from streamdns.dns import rdata
from streamdns.events.batch import Batch, Partition, Record

#: For how long an event waits at the most: partitions whose leader is away must not hold up the others.
PATIENCE_S = 5.0
#: How many events are kept waiting at the most.
MOST_HELD = 50_000

_NS, _CNAME, _SOA, _DNAME = 2, 5, 6, 39
#: Types that point elsewhere, hide what lies at or below their name, or begin a zone.
_WAITING_TYPES = {_CNAME: 0, _DNAME: 0, _NS: 0, _SOA: 2}
_DELETE = 1
_DELETES = frozenset((None, b"null", b"[]"))
_RANKS = {rdata.type_to_text(rdtype).encode(): rank for rdtype, rank in _WAITING_TYPES.items()}


def rank(key: bytes | None, value: bytes | None) -> int | None:
    """None for an event that is applied at once; of those that wait for others, the lowest goes first."""
    if value in _DELETES:
        return _DELETE
    return None if key is None else _RANKS.get(key[key.rfind(b"|") + 1 :].upper())


def phase_of(rdtype: int, *, deletes: bool) -> int:
    """The place of an event among others of a change: sets, then what points elsewhere, deletes, SOAs."""
    if deletes:
        return 2
    return 3 if rdtype == _SOA else 1 if rdtype in _WAITING_TYPES else 0


class _Waiting(NamedTuple):
    """A record, where the partitions ended when it was read (None: it waits for none), and until when it waits."""

    record: Record
    ends: Mapping[Partition, int] | None
    until_s: float


class Ordering:
    """Takes batches as they were read, and gives those that may be applied; `held` is how many events wait.

    `ends` gives the position behind the last event of every partition at this moment.
    """

    def __init__(
        self, positions: Mapping[Partition, int], ends: Callable[[], Mapping[Partition, int]],
        *, patience_s: float = PATIENCE_S, most_held: int = MOST_HELD,
    ) -> None:
        self._read = dict(positions)
        self._ends, self._patience_s, self._most_held = ends, patience_s, most_held
        self._queues: dict[Partition, deque[_Waiting]] = {}
        self._moved: set[Partition] = set()
        self._told: dict[Partition, int] = {}
        self._whole_s: float | None = None
        self.held = 0

    def pass_by(self, batch: Batch) -> None:
        """Note that a batch was applied as it was read."""
        self._read.update(batch.positions)

    def feed(self, batch: Batch, *, now_s: float, most: int) -> list[Batch]:
        """What may be applied by now, in batches of `most` records at the most; the last one may have none."""
        ends: Mapping[Partition, int] | None = None
        for record in batch.records:
            waits = rank(record.key, record.value) is not None
            if waits and ends is None:
                ends = self._ends()
            queue = self._queues.setdefault((record.topic, record.partition), deque())
            queue.append(_Waiting(record, ends if waits else None, now_s + self._patience_s))
        self.held += len(batch.records)
        self._read.update(batch.positions)
        self._moved.update(batch.positions)
        if batch.whole_s is not None:
            self._whole_s = batch.whole_s
        released = self._release(now_s)
        return self._batches(released, batch.caught_up, most)

    def drain(self) -> Batch:
        """Everything that waits, at once."""
        released = self._release(math.inf)
        (batch,) = self._batches(released, False, len(released) or 1)
        return batch

    def _release(self, now_s: float) -> list[Record]:
        released: list[Record] = []
        while True:
            for queue in self._queues.values():
                while queue and queue[0].ends is None:
                    released.append(queue.popleft().record)
            heads = sorted(
                (_order(queue[0].record), partition) for partition, queue in self._queues.items() if queue
            )
            if not heads:
                break
            _, partition = heads[0]
            head = self._queues[partition][0]
            blocked = {other for _, other in heads}
            late = now_s >= head.until_s or self.held - len(released) > self._most_held
            if not late and not self._passed(head.ends or {}, blocked):
                break
            released.append(self._queues[partition].popleft().record)
        self.held -= len(released)
        return released

    def _passed(self, ends: Mapping[Partition, int], blocked: set[Partition]) -> bool:
        """Whether all partitions were read as far as these ends; one whose first event waits itself waits for us."""
        return all(self._read.get(each, 0) >= end for each, end in ends.items() if each not in blocked)

    def _batches(self, released: list[Record], caught_up: bool, most: int) -> list[Batch]:
        slices = [released[at : at + most] for at in range(0, len(released), most)] or [[]]
        positions: list[dict[Partition, int]] = []
        following: dict[Partition, int] = {
            partition: queue[0].record.position for partition, queue in self._queues.items() if queue
        }
        moved = {partition: following.get(partition, self._read[partition]) for partition in self._moved}
        moved = {partition: at for partition, at in moved.items() if self._told.get(partition) != at}
        self._told.update(moved)
        for records in reversed(slices):
            at: dict[Partition, int] = {}
            for record in reversed(records):
                partition = record.topic, record.partition
                at.setdefault(partition, following.get(partition, self._read[partition]))
                following[partition] = record.position
            positions.append(at)
        positions.reverse()
        positions[-1] = {**moved, **positions[-1]}
        self._moved = {partition for partition, queue in self._queues.items() if queue}
        whole_s = None
        if not self.held:
            whole_s, self._whole_s = self._whole_s, None
        made = [Batch(records, at, False) for records, at in zip(slices, positions, strict=True)]
        made[-1] = made[-1]._replace(caught_up=caught_up and not self.held, whole_s=whole_s)
        return made


def _order(record: Record) -> tuple[int, int, str, int]:
    """Which of two events that both wait goes first."""
    return record.timestamp, rank(record.key, record.value) or 0, record.topic, record.partition
