"""Digests of partitions and marks: the same at the same positions, however the log was read."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest

from streamdns.events.batch import Batch, Partition, Record
from streamdns.view.partition_digests import Mark, load
from streamdns.view.store import Store
from streamdns.view.writer import Writer
from tests.harness import viewing
from tests.harness.viewing import TOPIC

EVERY = 8


def records(seed: int, *, partitions: int, most: int = 60) -> list[Record]:
    """A log: each name in one partition, values that change, deletes, events that are rejected."""
    chance = random.Random(seed)
    positions = [0] * partitions
    found = []
    for _ in range(most):
        number = chance.randrange(12)
        partition = number % partitions
        value = json.dumps([{"name": f"n{number}.", "type": "A", "content": f"192.0.2.{chance.randrange(4)}"}])
        value = chance.choice([value] * 6 + ["[]", "[broken"])
        found.append(
            Record(TOPIC, partition, positions[partition], chance.randrange(9), b"n%d.|A" % number, value.encode())
        )
        positions[partition] += 1
    return found


def read(to: Writer, log: Sequence[Record], sizes: random.Random) -> list[Mark]:
    """Apply a log in batches of any size; the marks."""
    # A fill, which is what it is until then, has no marks.
    marks = [*to.apply(Batch([], {}, True), {}, 1).marks]
    at = 0
    while at < len(log):
        batch = log[at : at + sizes.randrange(1, 20)]
        at += len(batch)
        moved: dict[Partition, int] = {(each.topic, each.partition): each.position + 1 for each in batch}
        marks += to.apply(Batch(list(batch), moved, False), {}, 1).marks
    return marks


def digests(store: Store, partitions: int) -> list[int | None]:
    """The digest of each partition."""
    with store.begin() as txn:
        return [load(txn, store, (TOPIC, number)) for number in range(partitions)]


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("seed", range(6))
def test_marks_are_the_same_however_the_log_is_cut(seed: int, partitions: int) -> None:
    log = records(seed, partitions=partitions)
    shuffled = sorted(log, key=lambda record: record.partition)
    found = []
    for order, sizes in ((log, 1), (log, 2), (shuffled, 3)):
        with viewing.folder() as path, viewing.opened(path) as store:
            to = viewing.writer(store)
            to.mark_every = EVERY
            marks = read(to, order, random.Random(sizes))
            found.append(({mark[:3]: mark.digest for mark in marks}, digests(store, partitions)))
            whole = int.from_bytes(store.state().digest, "big")
            assert sum(each or 0 for each in digests(store, partitions)) % (1 << 256) == whole
    for marks_of, ends in found[1:]:
        assert ends == found[0][1]
        common = marks_of.keys() & found[0][0].keys()
        assert common
        assert {key: marks_of[key] for key in common} == {key: found[0][0][key] for key in common}


def test_a_mark_is_the_digest_of_all_that_is_before_it() -> None:
    log = records(7, partitions=1)
    with viewing.folder() as path, viewing.opened(path) as store:
        to = viewing.writer(store)
        to.mark_every = EVERY
        *_, last = read(to, log, random.Random(1))
    with viewing.folder() as path, viewing.opened(path) as store:
        read(viewing.writer(store), log[: last.position], random.Random(2))
        assert store.state().digest == last.digest


def test_a_view_of_an_older_version_has_none() -> None:
    log = records(8, partitions=1)
    with viewing.folder() as path, viewing.opened(path) as store:
        to = viewing.writer(store)
        to.mark_every = EVERY
        read(to, log[:30], random.Random(1))
        with store.begin(write=True) as txn, txn.cursor(store.meta) as cursor:
            assert cursor.set_range(b"digest\0")
            assert cursor.delete()
        assert read(to, log[30:], random.Random(1)) == []
        assert digests(store, 1) == [None]
