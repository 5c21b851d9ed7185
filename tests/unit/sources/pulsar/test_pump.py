"""A pump by itself: what it takes from a reader, and what it says of where its partition ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pulsar
import pytest

from streamdns.events.message_id import MessageId, pack
from streamdns.runtime.interpreter import let_others
from streamdns.sources.pulsar import burst, pump
from streamdns.sources.pulsar.pump import Chunk, Pump, Task

TOPIC = "persistent://public/default/zones"


class Message:
    """A message of a batch, with an id of the library's own."""

    def __init__(self, at: MessageId, key: bytes, data: bytes, timestamp: int = 0) -> None:
        self._at, self._key, self._data, self._timestamp = at, key, data, timestamp

    def message_id(self) -> pulsar.MessageId:
        return pulsar.MessageId(0, *self._at)

    def partition_key(self) -> str:
        return self._key.decode()

    def data(self) -> bytes:
        return self._data

    def length(self) -> int:
        return len(self._data)

    def event_timestamp(self) -> int:
        return self._timestamp

    def publish_timestamp(self) -> int:
        return 77


class Reader:
    """Gives these messages, and then none."""

    def __init__(self, messages: Sequence[Any]) -> None:
        self._left = list(messages)

    def read_next(self, timeout_ms: int) -> Any:
        if not self._left:
            raise pulsar.Timeout("nothing came")
        return self._left.pop(0)

    def has_message_available(self) -> bool:
        return bool(self._left)


def taken(messages: Sequence[Message], *, start: int = 0) -> tuple[Pump, Reader, list[Chunk]]:
    """A pump that follows its partition and has taken these messages, as far as they go into one chunk."""
    chunks: list[Chunk] = []
    made = Pump(cast(Any, None), Task((TOPIC, 0), TOPIC, start, queue=10, timeout_s=1.0), chunks.append)
    reader = Reader(messages[1:])
    made._take(cast(Any, reader), [cast(Any, messages[0])], None)
    return made, reader, chunks


def batch(ledger: int, entry: int, count: int, *, first: int = 0) -> list[Message]:
    return [Message(MessageId(ledger, entry, first + at), b"k%d" % at, b"v", 5) for at in range(count)]


def test_what_comes_again_is_taken_once() -> None:
    """The library has connected anew in the middle of a batch, and begins with the last message that it gave."""
    messages = [*batch(1, 4, 3), *batch(1, 4, 5, first=2), *batch(1, 5, 2)]
    start = pack(1, 4, 0) + 1  # The first one was read before, too.
    _, _, (chunk,) = taken(messages, start=start)
    assert [record.position for record in chunk.records] == [
        *(pack(1, 4, index) for index in range(1, 7)), pack(1, 5, 0), pack(1, 5, 1)
    ]
    assert chunk.position == pack(1, 5, 1) + 1


def test_messages_of_every_kind() -> None:
    """Deletes, fillers, messages without a key, and one whose key is no text; without a time of its own a message has
    that of publishing."""
    kinds = [(b"a|A", b"one", 5), (b"a|A", b"", 0), (b"", b"", 0), (b"", b"nobody's", 0), (b"\xff", b"raw", 0)]
    messages = [Message(MessageId(1, 1, at), *kind) for at, kind in enumerate(kinds)]
    _, _, (chunk,) = taken(messages)
    found = [(record.key, record.value, record.timestamp, record.error) for record in chunk.records]
    assert found == [
        (b"a|A", b"one", 5, None), (b"a|A", None, 77, None), (None, b"raw", 77, "the key is not UTF-8")
    ]
    assert (chunk.fillers, chunk.without_key, chunk.size) == (1, 1, len(b"onenobody'sraw"))
    assert [record.position for record in chunk.records] == [pack(1, 1, 0), pack(1, 1, 1), pack(1, 1, 4)]


@pytest.mark.parametrize("waits", [False, True], ids=["nothing waits", "another ledger waits"])
def test_an_end_is_told_where_nothing_waits(waits: bool) -> None:
    """What is of another ledger was read, and is taken only when the last one was found to be there still."""
    made, reader, chunks = taken([*batch(1, 4, 3), *(batch(9, 0, 2) if waits else [])])
    assert len(chunks[0].records) == 3
    assert not reader.has_message_available()
    question = made.ask()
    made._answer(cast(Any, reader), hurry=False)
    assert question.end == (-1 if waits else pack(1, 4, 2) + 1)


def test_others_have_their_turn_within_a_few_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """While messages are read, and while records are made of them."""
    turns: dict[str, int] = {}
    for module in (burst, pump):
        def turn(name: str = module.__name__.rpartition(".")[2]) -> None:
            turns[name] = turns.get(name, 0) + 1
            let_others()

        monkeypatch.setattr(module, "let_others", turn)
    _, _, (chunk,) = taken(batch(1, 4, 160))
    assert len(chunk.records) == 160
    assert turns == {"burst": 160 // burst.OTHERS_AFTER, "pump": 160 // burst.OTHERS_AFTER}
