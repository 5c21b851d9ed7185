"""Writes events to a Pulsar topic; what became of each event is known, or counted as unknown."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import pulsar

from streamdns.errors import SourceError
from streamdns.events.message_id import pack
from streamdns.sources.pulsar import handshake
from streamdns.sources.pulsar.client import close_client, failures, open_client, partition_topics
from streamdns.sources.pulsar.config import PulsarConfig
from streamdns.sources.pulsar.token import Token
from streamdns.sources.sink import LogEvent, Placed, ReportedSink, Tally

_ON_THEIR_WAY: Final = 5_000
_BATCH_EVENTS: Final = 1_000
_BATCH_BYTES: Final = 128 << 10
_LINGER_MS: Final = 5
_STEP_S: Final = 0.05  # As long as Ctrl-C may have to wait.
_SHORT_STEP_S: Final = 0.001
_LAST_WORD_S: Final = 0.5
#: What may have reached the log all the same.
_UNKNOWN: Final = (pulsar.Result.Timeout, pulsar.Result.AlreadyClosed, pulsar.Result.NotConnected)


def java_hash(key: str) -> int:
    """Hash a key as String.hashCode of Java does; below 2**31 as Pulsar's clients make it."""
    found = 0
    units = key.encode("utf-16-be")
    for at in range(0, len(units), 2):
        found = (31 * found + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    return found & 0x7FFFFFFF


class PulsarSink(ReportedSink):
    """The topic of the settings as a Sink; making it raises SourceError when the topic cannot be written to.

    Where `interrupted` becomes true, send, flush and append raise KeyboardInterrupt.
    """

    def __init__(self, config: PulsarConfig, *, interrupted: Callable[[], bool]) -> None:
        super().__init__(f"Pulsar topic {config.topic}", config.delivery_timeout_s)
        self._config, self._interrupted = config, interrupted
        self._failure = ""
        # Reports come from a thread of the library's, which does no more than put them here.
        self._reports: deque[tuple[int, str, int, Any, Any]] = deque()
        self._producers: dict[int, pulsar.Producer] = {}
        token = Token(config)
        handshake.check(config, token)
        self._client = open_client(config, token)
        try:
            self._topics = partition_topics(self._client, config.topic)
            self._producer(min(self._topics))  # Says at once whether it may be written to.
        except SourceError:
            self.close()
            raise

    def _producer(self, number: int) -> pulsar.Producer:
        """Give the producer of a partition; -1: of the whole topic, where the library chooses the partition."""
        producer = self._producers.get(number)
        if producer is None:
            topic = self._topics.get(number, self._config.topic)
            with failures(f"Pulsar topic {topic}"):
                producer = self._producers[number] = self._client.create_producer(
                    topic, compression_type=pulsar.CompressionType.ZSTD, batching_enabled=True,
                    batching_max_messages=_BATCH_EVENTS, batching_max_allowed_size_in_bytes=_BATCH_BYTES,
                    batching_max_publish_delay_ms=_LINGER_MS, max_pending_messages=2 * _ON_THEIR_WAY,
                    send_timeout_millis=int(self._config.delivery_timeout_s * 1000),
                )
        return producer

    def send(self, events: Sequence[LogEvent]) -> None:
        if any(timestamp_ms <= 0 for _, _, timestamp_ms in events):
            raise ValueError("Pulsar cannot carry the timestamp 0: it stands for none there")
        for key, value, timestamp_ms in events:
            while self._sent - self._stored - self._lost >= _ON_THEIR_WAY:
                self._wait_for_reports()
            name = key.decode()
            number = -1
            if self._config.partitioner == "java" or len(self._topics) == 1:
                number = sorted(self._topics)[java_hash(name) % len(self._topics)]
            producer = self._producer(number)
            with failures(f"{self._where}, event {name}"):
                # An empty value deletes, and compaction takes it for that, too.
                producer.send_async(
                    value or b"", partial(self._report, self._sent, name, number), partition_key=name,
                    event_timestamp=timestamp_ms,
                )
            self._sent += 1
        self._take_reports()

    def _report(self, number: int, name: str, partition: int, result: Any, at: Any) -> None:
        self._reports.append((number, name, partition, result, at))

    def _take_reports(self) -> None:
        """Count what is known by now; raises the failure that is told, or KeyboardInterrupt."""
        while self._reports:
            number, name, partition, result, at = self._reports.popleft()
            if result == pulsar.Result.Ok:
                self._stored += 1
                if self._wanted <= number:
                    # A broker that drops what is sent twice confirms it without an id.
                    told = min(at.ledger_id(), at.entry_id()) >= 0
                    place = pack(at.ledger_id(), at.entry_id(), at.batch_index()) if told else -1
                    known = partition if partition >= 0 else at.partition()
                    self._placed[number] = Placed(self._config.topic, known, place)
                continue
            self._lost += result not in _UNKNOWN
            self._failure = self._failure or f"event {name}: {_why(result, self._timeout_s)}"
        if self._failure:
            raise SourceError(f"{self._where}, {self._failure}")
        if self._interrupted():
            raise KeyboardInterrupt

    def _wait_for_reports(self) -> None:
        self._take_reports()
        time.sleep(_SHORT_STEP_S)

    def flush(self) -> None:
        """As Sink.flush; what was told meanwhile is heard also where all has been confirmed."""
        self._take_reports()
        super().flush()

    def tally(self) -> Tally:
        deadline_s = time.monotonic() + _LAST_WORD_S
        while self._stored + self._lost < self._sent and time.monotonic() < deadline_s:
            try:
                self._take_reports()
            except (SourceError, KeyboardInterrupt):
                pass  # Told before: it is only counted here.
            time.sleep(_STEP_S)
        return Tally(self._stored, self._sent - self._stored - self._lost)

    def close(self) -> None:
        client, self._client = self._client, None
        close_client(client)


def _why(result: Any, timeout_s: float) -> str:
    if result == pulsar.Result.Timeout:
        return f"no broker has confirmed it within {timeout_s:g} s"
    if result == pulsar.Result.MessageTooBig:
        return "it is larger than the broker takes"
    return str(result).rpartition(".")[2]
