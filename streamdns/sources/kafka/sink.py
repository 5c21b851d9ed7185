"""Writes events to a Kafka topic; what became of each event is known, or counted as unknown.

cluster.py looks at the topic first: it says within seconds, in one sentence, what a producer retries in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from streamdns.errors import SourceError
from streamdns.sources.kafka import error_codes
from streamdns.sources.kafka.cluster import Cluster
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.confluent import ConfluentProducer, Delivery
from streamdns.sources.sink import LogEvent, Placed, ReportedSink, Tally

_QUEUE_EVENTS: Final = 50_000
_BATCH_BYTES: Final = 1_000_000
_STEP_S: Final = 0.05  # As long as Ctrl-C may have to wait.
_LAST_WORD_S: Final = 0.5


class KafkaSink(ReportedSink):
    """One topic of a cluster as a Sink; making it raises SourceError when the topic cannot be written to.

    Where `interrupted` becomes true, send, flush and append raise KeyboardInterrupt. Nothing else may raise it in them:
    the counts would not be right.
    """

    def __init__(self, config: KafkaConfig, topic: str, *, interrupted: Callable[[], bool]) -> None:
        super().__init__(f"Kafka topic {topic}", config.delivery_timeout_s)
        self._topic, self._interrupted = topic, interrupted
        self._failure: Delivery | None = None
        self._producer = ConfluentProducer(
            config, topic, delivered=self._delivered, batch_bytes=_look(replace(config, topics=(topic,)), topic),
            queue_events=_QUEUE_EVENTS,
        )

    def _delivered(self, what: Delivery) -> None:
        if not what.failure:
            self._stored += 1
            if self._wanted <= what.number:
                self._placed[what.number] = Placed(self._topic, what.partition, what.offset)
            return
        self._lost += not what.unknown
        if self._failure is None:
            self._failure = what

    def send(self, events: Sequence[LogEvent]) -> None:
        if any(timestamp_ms == 0 for _, _, timestamp_ms in events):
            raise ValueError("Kafka cannot carry the timestamp 0: it stands for now there")
        for event in events:
            while not self._producer.put(self._sent, event):
                self._step(_STEP_S)
            self._sent += 1
        self._step(0)

    def _step(self, at_most_s: float, *, hurry: bool = False) -> None:
        """Wait for reports about events; raises the failure they tell, or KeyboardInterrupt."""
        self._producer.wait(at_most_s, hurry=hurry)
        if self._failure is not None:
            key = self._failure.key.decode(errors="backslashreplace")
            raise SourceError(f"{self._where}, event {key}: {self._failure.failure}")
        if self._interrupted():
            raise KeyboardInterrupt

    def _wait_for_reports(self) -> None:
        self._step(_STEP_S, hurry=True)

    def tally(self) -> Tally:
        if self._stored + self._lost < self._sent:
            self._producer.give_up(_LAST_WORD_S)
        return Tally(self._stored, self._sent - self._stored - self._lost)

    def close(self) -> None:
        self._producer.close()


def _look(config: KafkaConfig, topic: str) -> int:
    """Check that the topic exists and may be seen; gives the size a batch may have. Raises SourceError."""
    cluster = Cluster(config)
    try:
        found = cluster.look().topics.get(topic)
        error = error_codes.UNKNOWN_TOPIC if found is None else found.error
        if error:
            raise SourceError(f"Kafka topic {topic}: {error_codes.error_text(error)}")
        _, values = cluster.topic_settings().get(topic, (0, {}))
        return min(_BATCH_BYTES, int(values.get("max.message.bytes", _BATCH_BYTES)))
    finally:
        cluster.close()
