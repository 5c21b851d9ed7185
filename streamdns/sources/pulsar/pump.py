"""Reads one partition in a native thread of its own, and hands what it read to the event loop in small chunks.

The thread knows no gevent: it gets permission for each chunk from one native queue, and calls `deliver` with what it
read, which must be quick and safe to call from any thread.
"""

from __future__ import annotations

import time
from _queue import Empty, SimpleQueue
from _thread import LockType
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from operator import methodcaller
from typing import Final, NamedTuple

import pulsar
from gevent.monkey import get_original

from streamdns.errors import LogReplaced, ReadAnew, SourceError
from streamdns.events.batch import Partition, Record
from streamdns.events.message_id import ledger_of, resume_at, unpack
from streamdns.runtime.interpreter import let_others
from streamdns.sources.pulsar.burst import OTHERS_AFTER, burst, runs_of
from streamdns.sources.pulsar.client import (
    EARLIEST,
    LATEST,
    direct,
    failures,
    first_at,
    key_of,
    library_id,
    next_message,
    open_reader,
    place_of,
)
from streamdns.sources.pulsar.first_fill import Fingerprint, same_again, stored

#: Chunks that may wait for the event loop.
CREDITS: Final = 6
_CHUNK_MESSAGES: Final = 200
_CHUNK_BYTES: Final = 1 << 18
_KEPT_BYTES: Final = 4096
#: How long a read waits where messages come, and where none came: the second is also how soon a question is answered.
_MORE_MS: Final = 1
_IDLE_MS: Final = 20
_keys_of: Final = methodcaller("partition_key")
_data_of: Final = methodcaller("data")
_time_of: Final = methodcaller("event_timestamp")
_new_record: Final = tuple.__new__  # Half the time of the class's own __new__.
#: A question waits so long for the end of the partition to come by itself.
_TAIL_S: Final = 0.05
#: Of all pumps one at a time makes records: the event loop then waits for one thread, and not for one after the other.
_turn: Final[LockType] = get_original("_thread", "allocate_lock")()


@dataclass(frozen=True, slots=True)
class Task:
    """What a pump has to read: a partition, from the position `start` on; 0: all of it.

    `filled` is the fingerprint of what lies before it, where the first fill was broken off there. `queue` is how many
    entries the library may read ahead, `timeout_s` how long an answer may take.
    """

    partition: Partition
    topic: str
    start: int
    queue: int
    timeout_s: float
    filled: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether its first fill is done."""
        return self.start > 0 and not self.filled


@dataclass(slots=True)
class Question:
    """Asks a pump where its partition ends now; `published_ms` is the time of the last message there.

    `end` is the position behind that; -1 as long as the question is not answered.
    """

    asked_s: float = field(default_factory=time.monotonic)
    end: int = -1
    published_ms: int = 0


class Chunk(NamedTuple):
    """Records of one partition and its next position, the answer to a question, or the failure that ended the reading.

    `whole` is true once nothing of the first fill is open, before that `filling` is what is stored of it; `at_end` is
    true when a read at the end returned nothing. `fillers` and `without_key` count messages that stand for no event.
    """

    partition: Partition
    records: list[Record]
    position: int
    whole: bool
    at_end: bool = False
    size: int = 0
    published_ms: int = 0
    fillers: int = 0
    without_key: int = 0
    failure: SourceError | None = None
    answered: Question | None = None
    filling: str = ""


class Pump:
    """Reads a partition until close() or a failure, which it delivers; run() is what the thread calls."""

    def __init__(self, client: pulsar.Client, task: Task, deliver: Callable[[Chunk], None]) -> None:
        self._client, self._task, self._deliver = client, task, deliver
        self._credits: SimpleQueue[None] = SimpleQueue()
        for _ in range(CREDITS):
            self._credits.put(None)
        self._questions: deque[Question] = deque()
        self._reader: pulsar.Reader | None = None
        self._waiting: list[pulsar.Message] = []
        self._anchored = True
        self._closed = False
        self._position = task.start  # Behind the last message; all that come have a higher one.
        self._published_ms = 0
        self._whole = task.is_whole

    @property
    def connected(self) -> bool:
        """Whether the library has a connection for the reader now; true before there is one."""
        reader = self._reader
        return reader is None or bool(reader.is_connected())

    def give_credit(self) -> None:
        """Let the pump deliver another chunk; called when one was taken."""
        self._credits.put(None)

    def ask(self) -> Question:
        """Ask where the partition ends; the question comes back in a chunk."""
        question = Question()
        self._questions.append(question)
        return question

    def close(self) -> None:
        """Tell the thread to end; closing the client wakes it."""
        self._closed = True
        self._credits.put(None)

    def run(self) -> None:
        """Read, in the thread that calls."""
        try:
            with failures(f"Pulsar topic {self._task.topic}"):
                self._read_all()
        except SourceError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - what it is, is told; a reading that ended must never look quiet
            failure = SourceError(f"reading Pulsar failed: {type(error).__name__} {str(error)[:200]}")
        else:
            return
        if not self._closed:
            self._send([], failure=failure)

    def _read_all(self) -> None:
        if not self._whole:
            self._fill()
            if self._closed:
                return
        reader = self._reader = self._open_raw()
        self._follow(reader)

    def _fill(self) -> None:
        """Read the compacted partition to its end, and again, to see that no compaction changed it meanwhile."""
        task = self._task
        fingerprint = Fingerprint.of(task.filled)
        start = library_id(task.partition[1], resume_at(task.start)) if task.start else EARLIEST
        reader = self._reader = open_reader(self._client, task.topic, start, queue=task.queue, compacted=True)
        try:
            while not self._closed:
                message = next_message(reader, task.timeout_s)
                if message is None:
                    break
                self._take(reader, [message], fingerprint)
        finally:
            self._reader = None
            reader.close()
        if self._closed:
            return
        last = self._position - 1
        if last >= 0 and not same_again(self._client, task.topic, fingerprint, last, task.timeout_s):
            raise ReadAnew(
                f"{_text(task.partition)}: a compaction ran while it was read for the first time, so deletes may have "
                "been missed"
            )
        self._whole = True
        self._send([])

    def _open_raw(self) -> pulsar.Reader:
        """Open the reader that sees every message, behind the last one that was read; raises LogReplaced."""
        task, position = self._task, self._position
        start = library_id(task.partition[1], resume_at(position)) if position else EARLIEST
        reader = open_reader(self._client, task.topic, start, queue=task.queue)
        if not position:
            return reader
        first = next_message(reader, task.timeout_s)
        if first is not None and place_of(first) == position - 1:
            self._published_ms = first.publish_timestamp()
            return reader
        if task.is_whole and (first is None or place_of(first) != position):
            reader.close()
            raise cut(task.partition, position, first)
        # Just filled: compaction keeps what retention has taken already, and what comes now is new.
        self._waiting = [] if first is None else [first]
        self._anchored = False
        return reader

    def _follow(self, reader: pulsar.Reader) -> None:
        told = -1
        wait_ms = _IDLE_MS
        plain = direct(reader)
        while not self._closed:
            self._answer(reader, hurry=False)
            begun, self._waiting = self._waiting, []
            try:
                if not begun:
                    begun = [plain.read_next(wait_ms)]
            except pulsar.Timeout:
                wait_ms = _IDLE_MS
                if told != self._position and self._is_at_end(reader):
                    told = self._position
                    self._send([], at_end=True)
                continue
            place = place_of(begun[0])
            if place < self._position:
                continue  # The library has connected anew, and begins with the last one once more.
            if self._position and self._anchored and ledger_of(place) != ledger_of(self._position):
                self._expect_last()
            self._anchored = True
            self._take(reader, begun, None)
            wait_ms = _MORE_MS

    def _is_at_end(self, reader: pulsar.Reader) -> bool:
        try:
            return not reader.has_message_available()
        except pulsar.PulsarException:
            return False  # The connection is away; who looks at it says so.

    def _expect_last(self) -> None:
        """Raise LogReplaced unless the last message that was read is still in the partition.

        A partition is cut a whole ledger at a time, from its beginning, so where it is there nothing behind it is
        missing. Called where another ledger begins; all others are one message after the other.
        """
        check_place(self._client, self._task.partition, self._task.topic, self._position, self._task.timeout_s)

    def _take(self, reader: pulsar.Reader, begun: list[pulsar.Message], fingerprint: Fingerprint | None) -> None:
        """Deliver messages and those that are there already, as one chunk; what is of another ledger waits."""
        records: list[Record] = []
        fillers = without_key = 0
        with _turn:
            messages, lengths = burst(direct(reader), begun, most=_CHUNK_MESSAGES, most_bytes=_CHUNK_BYTES)
            last: pulsar.Message | None = None
            for begin, end, place in runs_of(messages):
                # What was read already comes again where the library has connected anew.
                again = max(0, self._position - place)
                begin, place = begin + again, place + again
                if begin >= end:
                    continue
                if fingerprint is not None:
                    fingerprint.add(place, lengths[begin:end])
                elif last is not None and ledger_of(place) != ledger_of(self._position):
                    self._waiting = messages[begin:]
                    break
                empty = self._make(records, messages[begin:end], place)
                fillers += empty[0]
                without_key += empty[1]
                self._position, last = place + end - begin, messages[end - 1]
            if last is None:
                return
            self._published_ms = last.publish_timestamp()
        self._wait_for_credit(reader)
        if not self._closed:
            filling = "" if fingerprint is None else stored(self._position, fingerprint)
            self._send(records, size=sum(lengths), fillers=fillers, without_key=without_key, filling=filling)

    def _make(self, records: list[Record], messages: list[pulsar.Message], place: int) -> tuple[int, int]:
        """Make the records of messages that follow one another; gives how many are fillers, and have no key."""
        topic, number = self._task.partition
        fillers = without_key = 0
        try:
            keys: list[str | None] = list(map(_keys_of, messages))
        except UnicodeDecodeError:
            keys = list(map(key_of, messages))
        found = zip(count(place), keys, map(_data_of, messages), map(_time_of, messages), messages, strict=False)
        for at, key, value, timestamp, message in found:
            if not at % OTHERS_AFTER:
                let_others()
            if key:
                records.append(_new_record(Record, (
                    topic, number, at, timestamp or message.publish_timestamp(), key.encode(), value or None, None,
                    "entry",
                )))
            elif key is None:
                records.append(Record(topic, number, at, timestamp or message.publish_timestamp(), None,
                                      value[:_KEPT_BYTES], "the key is not UTF-8"))
            elif value:
                without_key += 1
            else:
                fillers += 1
        return fillers, without_key

    def _wait_for_credit(self, reader: pulsar.Reader) -> None:
        while not self._closed:
            try:
                self._credits.get(timeout=_TAIL_S)
                return
            except Empty:
                self._answer(reader, hurry=True)

    def _answer(self, reader: pulsar.Reader, *, hurry: bool) -> None:
        """Answer questions: at the end with what was read last, else after a moment by asking for the last message."""
        while self._questions:
            question = self._questions[0]
            if not hurry and not self._waiting and self._is_at_end(reader):
                question.end, question.published_ms = self._position, self._published_ms
            elif not hurry and time.monotonic() - question.asked_s < _TAIL_S:
                return
            else:
                tail = first_at(self._client, self._task.topic, LATEST, timeout_s=self._task.timeout_s)
                question.end = self._position if tail is None else max(self._position, place_of(tail) + 1)
                question.published_ms = self._published_ms if tail is None else tail.publish_timestamp()
            self._questions.popleft()
            self._send([], answered=question)

    def _send(
        self, records: list[Record], *, at_end: bool = False, size: int = 0, fillers: int = 0, without_key: int = 0,
        failure: SourceError | None = None, answered: Question | None = None, filling: str = "",
    ) -> None:
        self._deliver(Chunk(
            self._task.partition, records, self._position, self._whole, at_end, size, self._published_ms, fillers,
            without_key, failure, answered, filling,
        ))


def check_place(client: pulsar.Client, partition: Partition, topic: str, position: int, timeout_s: float) -> None:
    """Raise LogReplaced unless what is at a position of a partition is still there."""
    start = library_id(partition[1], resume_at(position))
    first = first_at(client, topic, start, timeout_s=timeout_s)
    if first is None or place_of(first) not in (position - 1, position):
        raise cut(partition, position, first)


def cut(partition: Partition, position: int, first: pulsar.Message | None) -> LogReplaced:
    """Give the error for a partition that has lost what is at a position; `first` is what it begins with instead."""
    there = "nothing is there" if first is None else f"{unpack(place_of(first))} is the first that is there"
    return LogReplaced(
        f"{_text(partition)} was cut or replaced: it was read up to {resume_at(position)}, and from there on {there}"
    )


def _text(partition: Partition) -> str:
    return f"topic {partition[0]}, partition {partition[1]}"
