"""The order of events between partitions: nothing that waits is applied before what was written ahead of it."""

from __future__ import annotations

import random

import pytest

from streamdns.events.batch import Batch, Partition, Record
from streamdns.events.order import Ordering, phase_of, rank

TOPIC = "t"
SET = b'[{"name":"x."}]'


def record(partition: int, position: int, key: str, value: bytes | None, timestamp: int = 1) -> Record:
    return Record(TOPIC, partition, position, timestamp, key.encode(), value)


class Log:
    """Partitions that grow; what is read is fed to an Ordering by hand."""

    def __init__(self, partitions: int, **options: float) -> None:
        self.records: dict[int, list[Record]] = {number: [] for number in range(partitions)}
        self.read = dict.fromkeys(range(partitions), 0)
        self.ordering = Ordering({}, self.ends, **options)  # type: ignore[arg-type]
        self.now_s = 0.0

    def ends(self) -> dict[Partition, int]:
        return {(TOPIC, number): len(records) for number, records in self.records.items()}

    def write(self, partition: int, key: str, value: bytes | None, timestamp: int = 1) -> None:
        self.records[partition].append(record(partition, len(self.records[partition]), key, value, timestamp))

    def feed(self, *partitions: int, most: int = 100, count: int = 100) -> list[Batch]:
        """Read these partitions on."""
        found: list[Record] = []
        positions: dict[Partition, int] = {}
        for number in partitions:
            new = self.records[number][self.read[number] : self.read[number] + count]
            self.read[number] += len(new)
            found += new
            if new:
                positions[TOPIC, number] = self.read[number]
        return self.ordering.feed(Batch(found, positions, True, self.now_s), now_s=self.now_s, most=most)


def keys(batches: list[Batch]) -> list[str]:
    return [(each.key or b"").decode() for batch in batches for each in batch.records]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("a.|A", SET, None), ("a.|A", None, 1), ("a.|A", b"[]", 1), ("a.|A", b"null", 1), ("a.|CNAME", SET, 0),
        ("a.|cname", SET, 0), ("a|b.|NS", SET, 0), ("a.|DNAME", SET, 0), ("a.|SOA", SET, 2), ("a.|SOA", None, 1),
        ("", SET, None), ("a.|TXT", SET, None),
    ],
)
def test_what_waits(key: str, value: bytes | None, expected: int | None) -> None:
    assert rank(key.encode(), value) == expected


def test_an_event_without_a_key_is_refused_at_once_or_waits_as_a_delete_does() -> None:
    assert rank(None, SET) is None
    assert rank(None, None) == 1


def test_the_phases_of_a_change() -> None:
    assert [phase_of(rdtype, deletes=False) for rdtype in (1, 2, 5, 39, 6)] == [0, 1, 1, 1, 3]
    assert {phase_of(rdtype, deletes=True) for rdtype in (1, 2, 5, 6)} == {2}


def test_a_delete_waits_for_what_other_partitions_hold_already() -> None:
    log = Log(2)
    log.write(1, "a.|CNAME", SET)
    log.write(0, "a.|A", None, 2)
    log.write(0, "b.|A", SET)
    (batch,) = log.feed(0)
    assert (keys([batch]), batch.caught_up, batch.whole_s, log.ordering.held) == ([], False, None, 2)
    assert batch.positions == {(TOPIC, 0): 0}, "the next start reads them again"
    (batch,) = log.feed()
    assert batch.positions == {}, "that was said"
    (batch,) = log.feed(1)
    assert keys([batch]) == ["a.|CNAME", "a.|A", "b.|A"]
    assert batch.positions == {(TOPIC, 0): 2, (TOPIC, 1): 1}
    assert (batch.caught_up, log.ordering.held) == (True, 0)


def test_sets_wait_for_nothing_and_where_partitions_end_is_asked_once_a_batch_for_what_does() -> None:
    asked = list[int]()

    def ends() -> dict[Partition, int]:
        asked.append(1)
        return {(TOPIC, number): 9 for number in range(3)}

    ordering = Ordering({}, ends)
    sets = [record(0, number, "a.|A", SET) for number in range(3)]
    assert keys(ordering.feed(Batch(sets, {(TOPIC, 0): 3}, True, 0.0), now_s=0.0, most=9)) == ["a.|A"] * 3
    assert not asked
    deletes = [record(0, number, "a.|A", None) for number in range(3, 6)]
    elsewhere = record(1, 0, "b.|A", SET)
    behind = Batch([*deletes, elsewhere], {(TOPIC, 0): 6, (TOPIC, 1): 1}, True, 0.0)
    assert keys(ordering.feed(behind, now_s=0.0, most=9)) == ["b.|A"], "nor for a delete of another partition"
    assert (len(asked), ordering.held) == (1, 3)


def test_what_was_written_later_is_not_waited_for() -> None:
    log = Log(2)
    log.write(0, "a.|A", None)
    assert keys(log.feed(0)) == ["a.|A"]
    log.write(0, "b.|A", None)
    log.write(1, "c.|A", SET)
    assert keys(log.feed(0)) == []
    log.write(1, "d.|A", SET)
    assert keys(log.feed(1, count=1)) == ["c.|A", "b.|A"]


def test_events_that_all_wait_go_by_their_time_and_kind() -> None:
    log = Log(3)
    log.write(0, "a.|A", None, 5)
    log.write(1, "z.|SOA", SET, 5)
    log.write(2, "a.|CNAME", SET, 4)
    assert keys(log.feed(0)) == []
    assert keys(log.feed(1)) == []
    assert keys(log.feed(2)) == ["a.|CNAME", "a.|A", "z.|SOA"]


def test_a_partition_that_nobody_can_read_is_waited_for_so_long_and_no_longer() -> None:
    log = Log(2, patience_s=5.0)
    log.write(1, "x.|A", SET)
    log.write(0, "a.|A", None)
    assert keys(log.feed(0)) == []
    log.now_s = 4.9
    assert keys(log.feed()) == []
    log.now_s = 5.0
    assert keys(log.feed()) == ["a.|A"]


def test_so_many_are_kept_waiting_and_no_more() -> None:
    log = Log(2, most_held=10)
    log.write(1, "x.|A", SET)
    for number in range(30):
        log.write(0, f"a{number}.|A", None)
    released = keys(log.feed(0))
    assert len(released) == 20
    assert log.ordering.held == 10
    assert keys([log.ordering.drain()]) == [f"a{number}.|A" for number in range(20, 30)]


def test_large_batches_are_given_in_pieces_with_their_positions() -> None:
    log = Log(2)
    for number in range(25):
        log.write(number % 2, f"a{number}.|A", SET)
    batches = log.feed(0, 1, most=10)
    assert [len(batch.records) for batch in batches] == [10, 10, 5]
    assert [batch.positions for batch in batches] == [
        {(TOPIC, 0): 10}, {(TOPIC, 0): 13, (TOPIC, 1): 7}, {(TOPIC, 0): 13, (TOPIC, 1): 12},
    ]
    assert [batch.caught_up for batch in batches] == [False, False, True]


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_lost_or_out_of_the_order_of_its_partition(seed: int) -> None:
    """However it is read: each partition in its order, positions never beyond what was given."""
    rng = random.Random(seed)
    log = Log(3)
    given: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for _ in range(200):
        kind = rng.choice(("A", "A", "A", "CNAME", "SOA"))
        log.write(rng.randrange(3), f"n{rng.randrange(9)}.|{kind}", rng.choice((SET, SET, None)), rng.randrange(50))
        log.now_s += rng.random()
        batches = log.feed(*rng.sample(range(3), rng.randint(0, 3)), most=rng.randint(1, 5), count=rng.randint(1, 9))
        for batch in batches:
            for each in batch.records:
                given[each.partition].append(each.position)
            for (_, partition), position in batch.positions.items():
                assert position == len(given[partition])
    for each in log.feed(0, 1, 2)[-1].records:
        given[each.partition].append(each.position)
    for each in log.ordering.drain().records:
        given[each.partition].append(each.position)
    rest = {number: list(range(len(records))) for number, records in log.records.items()}
    assert {number: found[: len(rest[number])] for number, found in given.items()} == {
        number: positions[: len(given[number])] for number, positions in rest.items()
    }
