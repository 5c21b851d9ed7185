"""Positions of the messages of a burst, found from few ids, are those that each of them has."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pulsar
import pytest

from streamdns.errors import SourceError
from streamdns.events.message_id import MessageId, pack
from streamdns.sources.pulsar.burst import burst, runs_of
from tests.unit.sources.pulsar.test_pump import Reader


class Message:
    """One with an id of the library's own; `asked` counts how often somebody wanted to know it."""

    asked = 0

    def __init__(self, at: MessageId, length: int = 1) -> None:
        self.at, self._length = at, length

    def message_id(self) -> pulsar.MessageId:
        Message.asked += 1
        return pulsar.MessageId(0, *self.at)

    def length(self) -> int:
        return self._length

    def topic_name(self) -> str:
        return "persistent://public/default/zones"


def log_of(rng: random.Random, *, entries: int) -> list[MessageId]:
    """Entries of several ledgers: messages that were sent alone, and batches of all sizes; some entries are gone."""
    found = []
    ledger, entry = rng.randrange(100), rng.randrange(1 << rng.choice((1, 11, 20)))
    for _ in range(entries):
        if rng.random() < 0.1:
            ledger, entry = ledger + rng.randrange(1, 4), 0
        entry += rng.choice((1, 1, 1, 5))
        size = rng.choice((0, 0, 1, 2, 3, 10, 100))
        found += [MessageId(ledger, entry, index) for index in range(size)] or [MessageId(ledger, entry)]
    return found


def places(messages: Sequence[Message]) -> list[int]:
    runs = runs_of(messages)
    assert [run.begin for run in runs] == [0, *(run.end for run in runs[:-1])]
    assert runs[-1].end == len(messages)
    return [run.place + at for run in runs for at in range(run.end - run.begin)]


@pytest.mark.parametrize("seed", range(200))
def test_each_message_is_where_its_own_id_says(seed: int) -> None:
    """Also where the library has connected anew and gives some of the last ones again."""
    rng = random.Random(seed)
    log = log_of(rng, entries=rng.randrange(1, 30))
    given: list[MessageId] = []
    at = rng.randrange(len(log))
    while at < len(log):
        given.append(log[at])
        at += 1
        if rng.random() < 0.02:
            at = max(0, at - rng.randrange(4))
    assert places([Message(each) for each in given]) == [pack(*each) for each in given]


@pytest.mark.parametrize(("size", "most"), [(1000, 1), (40, 70)], ids=["one large batch", "batches of forty"])
def test_few_messages_are_asked(size: int, most: int) -> None:
    messages = [Message(MessageId(7, at // size, at % size)) for at in range(200)]
    Message.asked = 0
    places(messages)
    assert Message.asked <= 1 + most


def test_an_id_that_no_position_can_hold_is_refused() -> None:
    """Of a batch the last message counts, too."""
    batch = [MessageId(1, 1 << 22, index) for index in range(15)]
    assert places([Message(each) for each in batch[:-1]]) == [pack(*each) for each in batch[:-1]]
    for beyond in (batch, batch[-1:], [MessageId(1, 5), MessageId(1 << 31, 0)]):
        with pytest.raises(SourceError, match="beyond what a position can hold"):
            runs_of([Message(each) for each in beyond])


def test_a_burst_ends_by_number_by_size_and_where_nothing_comes() -> None:
    log = [Message(MessageId(1, at), 10) for at in range(20)]

    def taken(*, most: int, most_bytes: int) -> int:
        reader = Reader(log[1:])
        messages, lengths = burst(reader, [log[0]], most=most, most_bytes=most_bytes)
        assert messages == log[: len(messages)]
        assert lengths == [10] * len(messages)
        return len(messages)

    assert taken(most=5, most_bytes=1000) == 5
    assert taken(most=100, most_bytes=75) == 8
    assert taken(most=100, most_bytes=1) == 1
    assert taken(most=100, most_bytes=1000) == 20
