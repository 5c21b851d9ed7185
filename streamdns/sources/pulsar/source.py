"""Reads a Pulsar topic as a source: a pump for each partition, and a watch for what no pump would notice."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Final

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from streamdns.errors import LogReplaced, ReadAnew, SourceError
from streamdns.events.batch import Batch, Partition, Record
from streamdns.runtime.native import lower_priority
from streamdns.sources.library_thread import LibraryThread
from streamdns.sources.pulsar import handshake
from streamdns.sources.pulsar.admin import Admin, policies_of
from streamdns.sources.pulsar.client import NoTopic, close_client, open_client, partition_topics
from streamdns.sources.pulsar.config import PulsarConfig
from streamdns.sources.pulsar.extent import Extent
from streamdns.sources.pulsar.first_fill import FILLING, resumed
from streamdns.sources.pulsar.inside import inside
from streamdns.sources.pulsar.pump import Chunk, Pump, Question, Task, check_place
from streamdns.sources.pulsar.token import Token

CHECK_S: Final = 10.0
#: How often it is looked whether the readers have a connection; the library takes a second to find a broker anew.
_LOOK_S: Final = 1.0
_AWAY_LOOKS: Final = 3
_READ_BYTES: Final = 4 << 20
#: How long is waited for where all partitions end; who asks goes on without.
_ENDS_S: Final = 3.0
#: So much behind the others are the library's own threads, which have the priority of the one that starts them. They
#: are woken for every few messages that are taken: rather than at once each time they shall do it together, later.
_LIBRARY_BEHIND: Final = 10
#: The fingerprint of a partition whose first fill was checked; before that it is what is stored of the fill.
WHOLE: Final = "whole"


class PulsarSource:
    """One topic as a Source. Positions are packed message ids (events/message_id.py).

    No fingerprint tells one topic from another: Pulsar's topics have no id. Instead the reading begins at the last
    message that was read, which has to be there; ledger numbers are never given twice. `check_s`: how often partitions
    and ends are looked at again.
    """

    unit = "ids"
    #: Deletes are read raw, and that nothing was cut is checked: no delete is missed because of time.
    retention_s: float | None = None

    def __init__(
        self, config: PulsarConfig, *, check_s: float = CHECK_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config, self._check_s, self._clock = config, check_s, clock
        self._token = Token(config)
        self._thread: LibraryThread | None = None
        self._client: Any = None
        self._watcher: gevent.Greenlet | None = None
        self._wake: Any = None
        self.warnings: list[str] = []
        self._reset()

    def _reset(self) -> None:
        self._pumps: dict[Partition, Pump] = {}
        self._topics: dict[Partition, str] = {}
        self._pools: list[ThreadPool] = []
        self._chunks: deque[Chunk] = deque()
        self._ready = Event()
        self._answered = Event()
        self._positions: dict[Partition, int] = {}
        self._told: dict[Partition, int] = {}
        self._at_end: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._whole: set[Partition] = set()
        self._filling: dict[Partition, str] = {}
        self._read_ms: dict[Partition, int] = {}
        self._end_ms: dict[Partition, int] = {}
        self._extents: dict[Partition, Extent] = {}
        self._admin_fault = ""
        self._failure: SourceError | None = None
        self._events = self._fillers = self._without_key = 0

    def connect(self, positions: Mapping[Partition, int], fingerprints: Mapping[Partition, str]) -> None:
        """As Source.connect; that the log is the same shows when the first message is read, so read() may say so."""
        self.close()
        self._reset()
        connected = False
        try:
            self._connect({each: at for each, at in positions.items() if at > 0}, fingerprints)
            connected = True
        finally:
            if not connected:
                self.close()
        self._watcher = gevent.spawn(self._watch)

    def _connect(self, positions: Mapping[Partition, int], fingerprints: Mapping[Partition, str]) -> None:
        handshake.check(self._config, self._token)
        thread = self._thread = LibraryThread("Pulsar")
        thread.run(lower_priority, _LIBRARY_BEHIND)
        self._client = thread.run(inside, open_client, self._config, self._token)
        found = self._partitions(thread)
        for partition in positions:
            if partition not in found:
                raise LogReplaced(f"the positions are of {_text(partition)}, which is not read or not there now")
        filled = _filled(positions, fingerprints)
        self.warnings, self._admin_fault = policies_of(self._config, self._token, len(found))
        self._wake = gevent.get_hub().loop.async_()
        self._wake.start(self._awake)
        for partition, topic in found.items():
            self._start(partition, topic, positions.get(partition), filled.get(partition, ""))

    def _partitions(self, thread: LibraryThread) -> dict[Partition, str]:
        topics: dict[int, str] = thread.run(inside, partition_topics, self._client, self._config.topic)
        return {(self._config.topic, number): name for number, name in sorted(topics.items())}

    def _start(self, partition: Partition, topic: str, position: int | None, filled: str = "") -> None:
        task = Task(partition, topic, position or 0, self._config.receiver_queue, self._config.timeout_s, filled)
        if position:
            self._positions[partition] = self._told[partition] = position
        if task.is_whole:
            self._whole.add(partition)
        pump = self._pumps[partition] = Pump(self._client, task, self._deliver)
        self._topics[partition] = topic
        pool = ThreadPool(1)
        self._pools.append(pool)
        pool.spawn(inside, pump.run)

    def _deliver(self, chunk: Chunk) -> None:
        """Take a chunk from a pump, in its thread."""
        self._chunks.append(chunk)
        wake = self._wake
        if wake is not None:
            wake.send()

    def _awake(self) -> None:
        self._ready.set()
        self._answered.set()

    def fingerprints(self) -> dict[Partition, str]:
        """As Source.fingerprints; they say whether the first fill of a partition is behind it, or what it has read."""
        return {each: WHOLE if each in self._whole else self._filling.get(each, FILLING) for each in self._pumps}

    def read(self, *, max_records: int, timeout_s: float) -> Batch:
        """As Source.read; raises LogReplaced where the stored message is not there any more."""
        if self._client is None:
            raise SourceError("the Pulsar source is not connected")
        if self._failure is not None:
            raise self._failure
        if not self._chunks:
            self._ready.clear()
            if not self._chunks:
                self._ready.wait(timeout_s)
        records: list[Record] = []
        moved: dict[Partition, int] = {}
        octets = 0
        while self._chunks and len(records) < max_records and octets < _READ_BYTES:
            chunk = self._chunks.popleft()
            if chunk.failure is not None:
                raise self._explained(chunk.failure)
            records += chunk.records
            octets += chunk.size
            self._note(chunk, moved)
        self._positions |= moved
        news = {each: at for each, at in moved.items() if self._told.get(each) != at}
        self._told |= news
        caught_up = len(self._whole) == len(self._pumps) and all(
            self._at_end.get(each) == self._positions.get(each, 0) for each in self._pumps
        )
        return Batch(records, news, caught_up)

    def _note(self, chunk: Chunk, moved: dict[Partition, int]) -> None:
        """Take from a chunk all but its records."""
        partition = chunk.partition
        if chunk.answered is not None:
            return
        if chunk.whole and partition not in self._whole:
            self._whole.add(partition)
            self._told.pop(partition, None)  # Stored once more, with the other fingerprint.
        if chunk.filling:
            self._filling[partition] = chunk.filling
        moved[partition] = chunk.position
        self._read_ms[partition] = chunk.published_ms
        self._events += len(chunk.records)
        self._fillers += chunk.fillers
        self._without_key += chunk.without_key
        if chunk.at_end:
            self._at_end[partition] = chunk.position
        elif chunk.records or chunk.fillers or chunk.without_key:
            self._pumps[partition].give_credit()

    def _explained(self, failure: SourceError) -> SourceError:
        """Give the cause of a failure, where a log-in by hand finds one that the library does not tell."""
        if isinstance(failure, LogReplaced | NoTopic):
            return failure
        fault = handshake.fault_of(self._config, self._token)
        return SourceError(fault) if fault else failure

    def ends(self) -> dict[Partition, int]:
        """As Source.ends, as of the last look."""
        return {each: max(self._ends.get(each, 0), self._positions.get(each, 0)) for each in self._pumps}

    def ends_now(self) -> dict[Partition, int]:
        """As Source.ends_now: asked of the broker for each partition that is not at its end."""
        asked = {partition: pump.ask() for partition, pump in self._pumps.items()}
        self._await(asked)
        if any(question.end < 0 for question in asked.values()):
            raise SourceError("Pulsar does not say where the partitions end")
        return {partition: question.end for partition, question in asked.items()}

    def _await(self, asked: Mapping[Partition, Question]) -> None:
        deadline_s = self._clock() + _ENDS_S
        while self._client is not None and any(question.end < 0 for question in asked.values()):
            left_s = deadline_s - self._clock()
            self._answered.clear()
            if left_s <= 0 or not any(question.end < 0 for question in asked.values()):
                return
            self._answered.wait(left_s)

    def close(self) -> None:
        """As Source.close; a read that waits in another greenlet ends with SourceError."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.kill(block=False)
        for pump in self._pumps.values():
            pump.close()
        client, self._client = self._client, None
        thread, self._thread = self._thread, None
        wake, self._wake = self._wake, None
        if thread is not None:
            thread.close(lambda: inside(close_client, client))
        if wake is not None:
            gevent.spawn(_release, self._pools, wake)
        self._ready.set()
        self._answered.set()

    def describe(self) -> str:
        return f"Pulsar {self._config.url} topic {self._config.topic}"

    def details(self) -> dict[str, Any]:
        """Give what status shows of this source beside describe()."""
        behind = [each for each in self._pumps if self._at_end.get(each) != self._positions.get(each, 0)]
        seconds = [(self._end_ms[each] - self._read_ms.get(each, 0)) / 1000 for each in behind if each in self._end_ms]
        return {
            "client": "pulsar",
            "caught_up": not behind,
            "seconds_behind": round(max([0.0, *seconds]), 3),
            "entries_behind": self._entries_behind(behind),
            "entries": sum(each.total for each in self._extents.values()) if self._extents else None,
            "events_read": self._events,
            "fillers": self._fillers,
            "without_key": self._without_key,
            "warnings": [*filter(None, [self._admin_fault]), *self.warnings],
        }

    def _entries_behind(self, behind: Collection[Partition]) -> int | None:
        """Count the entries that are not read, as of the last look at the ledgers; None where there was none."""
        if not all(each in self._extents for each in behind):
            return None
        return sum(self._extents[each].behind(self._positions.get(each, 0)) for each in behind)

    def _watch(self) -> None:
        """Look, in a greenlet of its own, at what no pump would notice; the next read raises what it finds."""
        away = 0
        checked_s = self._clock() - self._check_s  # The first look is soon, for how much there is to fill.
        suspects: set[Partition] = set()
        try:
            while True:
                gevent.sleep(min(_LOOK_S, self._check_s))
                lost = {each for each, pump in self._pumps.items() if not pump.connected}
                suspects |= lost
                away = away + 1 if lost else 0
                if away >= _AWAY_LOOKS:
                    raise self._explained(SourceError(f"{_text(min(lost))}: the connection is lost"))
                if lost:
                    continue
                if self._clock() - checked_s >= self._check_s:
                    checked_s = self._clock()
                    self._look_for_partitions()
                    self._look_at_ends()
                while suspects:
                    self._expect_last(suspects.pop())
        except SourceError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001 - who looks no more would never see another log
            self._failure = SourceError(f"looking at Pulsar failed: {type(error).__name__}: {str(error)[:200]}")
        self._ready.set()

    def _look_for_partitions(self) -> None:
        thread = self._thread
        if thread is None:
            return
        found = self._partitions(thread)
        for partition, topic in found.items():
            if partition not in self._pumps:
                self._start(partition, topic, None)
        gone = self._pumps.keys() - found.keys()
        if gone:
            raise LogReplaced(f"{_text(min(gone))} is gone")

    def _look_at_ends(self) -> None:
        """Note where partitions end that are not read to their end, for the lag."""
        behind = [each for each in self._pumps if self._at_end.get(each) != self._positions.get(each, 0)]
        asked = {each: self._pumps[each].ask() for each in behind}
        self._await(asked)
        for partition, question in asked.items():
            if question.end >= 0:
                self._ends[partition], self._end_ms[partition] = question.end, question.published_ms
        self._look_at_ledgers(behind)

    def _look_at_ledgers(self, behind: Collection[Partition]) -> None:
        """Ask the admin API how many entries there are. That it does not answer is told, and reading goes on."""
        if not self._config.admin:
            return
        if self._admin_fault:
            self.warnings, self._admin_fault = policies_of(self._config, self._token, len(self._pumps))
        try:
            admin = Admin(self._config, self._token)
            found = {} if self._admin_fault else {each: admin.extent(self._topics[each]) for each in behind}
        except SourceError as error:
            found, self._admin_fault = {}, str(error)
        for partition in behind:
            extent = found.get(partition)
            if extent is None:
                self._extents.pop(partition, None)
            else:
                self._extents[partition] = extent

    def _expect_last(self, partition: Partition) -> None:
        """Raise LogReplaced unless the last message that was read is still there: the connection was lost meanwhile.

        A first fill is looked through once more when it is done.
        """
        position, thread = self._positions.get(partition, 0), self._thread
        if partition not in self._whole or not position or thread is None:
            return
        thread.run(
            inside, check_place, self._client, partition, self._topics[partition], position, self._config.timeout_s
        )


def _release(pools: list[ThreadPool], wake: Any) -> None:
    """Wait for the threads of the pumps to end, and then take away what they wake the event loop with."""
    for pool in pools:
        pool.kill()
    wake.stop()
    wake.close()


def reachable(config: PulsarConfig, *, within_s: float) -> list[str]:
    """Ask for the topic, once, and say what is unwise about it, where the admin API is known.

    Raises SourceError where it cannot be read now.
    """
    source = PulsarSource(replace(config, admin=""))
    try:
        with gevent.Timeout(within_s, SourceError(f"no broker answers within {within_s:g} s")):
            source.connect({}, {})
            partitions = len(source.ends())
    finally:
        source.close()
    warnings, fault = source.warnings, f"the admin API of Pulsar at {config.admin}: no answer within {within_s:g} s"
    with gevent.Timeout(within_s, False):
        warnings, fault = policies_of(config, Token(config), partitions)
    return [*filter(None, [fault]), *warnings]


def _filled(positions: Mapping[Partition, int], fingerprints: Mapping[Partition, str]) -> dict[Partition, str]:
    """Give what was read of partitions whose first fill was broken off; raises ReadAnew where that is not known."""
    filled = {}
    for partition, position in positions.items():
        text = fingerprints.get(partition, WHOLE)
        if text.startswith(FILLING):
            found = resumed(text, position)
            if found is None:
                raise ReadAnew(f"{_text(partition)}: the process ended while it was read for the first time")
            filled[partition] = found
    return filled


def _text(partition: Partition) -> str:
    return f"topic {partition[0]}, partition {partition[1]}"
