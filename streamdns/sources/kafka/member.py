"""Keeps pykafka's balanced consumer as a member of a group that reads nothing, so that Kafka's tools see who reads.

It has a group of its own with a new name at each start, because a member that died without a word keeps its partitions.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final, Protocol

import gevent

from streamdns.sources.kafka.config import KafkaConfig

JOIN_S: Final = 10.0
_LOOK_S: Final = 2.0


class Connected(Protocol):
    """The connections that a member needs; pykafka.py has them."""

    def topic(self, name: str) -> Any: ...

    def consumer(self, topic: Any, group: str) -> Any: ...

    def close(self) -> None: ...


class Holder:
    """Takes the place of the consumer inside the balanced one: it holds partitions and fetches nothing."""

    def __init__(self, partitions: list[Any]) -> None:
        self.partitions = {partition.id: partition for partition in partitions}
        self.held_offsets = dict.fromkeys(self.partitions, -1)
        self._running = True

    def start(self) -> None:
        self._running = True

    def stop(self) -> None:
        self._running = False

    def commit_offsets(self, partition_offsets: object = None) -> None:
        """Do nothing: the source commits positions."""

    def reset_offsets(self, partition_offsets: object = None) -> None:
        """Do nothing: the source decides where to read."""


class Member:
    """Keeps a membership alive in a greenlet of its own; one that does not own all partitions in time is built anew.

    `partitions` are the numbers of those there are, as who reads knows them: pykafka does not look again by itself.
    `owned` is the number of partitions it has now; `builds` how often it was built.
    """

    def __init__(
        self,
        config: KafkaConfig,
        topic: str,
        connect: Callable[[KafkaConfig], Connected],
        partitions: Callable[[], set[int]],
    ) -> None:
        self._config, self._topic, self._connect, self._partitions = config, topic, connect, partitions
        self._connections: Connected | None = None
        self._consumer: Any = None
        self.owned = self.builds = 0
        self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        """Leave the group without waiting for it."""
        self._greenlet.kill(block=False)
        gevent.spawn(self._leave)

    def _run(self) -> None:
        while True:
            try:
                self._join()
                self._hold()
            except (Exception, gevent.Timeout):  # noqa: BLE001, S110 - nothing depends on it: it is built anew
                pass
            self._leave()
            gevent.sleep(_LOOK_S)

    def _join(self) -> None:
        self.builds += 1
        connections = self._connections = self._connect(self._config)
        self._consumer = connections.consumer(
            connections.topic(self._topic), f"{self._config.group}-{uuid.uuid4().hex[:12]}"
        )
        with gevent.Timeout(JOIN_S):
            self._consumer.start()

    def _hold(self) -> None:
        """Stay a member; returns when it has not owned every partition for JOIN_S."""
        missing_s = 0.0
        while missing_s < JOIN_S:
            consumer = self._consumer
            if consumer is None:
                return
            self.owned = len(consumer.partitions)
            complete = set(consumer.partitions) == self._partitions()
            missing_s = 0.0 if complete else missing_s + _LOOK_S
            gevent.sleep(_LOOK_S)

    def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        connections, self._connections = self._connections, None
        self.owned = 0
        try:
            if consumer is not None:
                with gevent.Timeout(1.0):
                    consumer.stop()
        except (Exception, gevent.Timeout):  # noqa: BLE001, S110 - the broker that is told may be gone
            pass
        finally:  # Also where this greenlet is ended meanwhile.
            if connections is not None:
                connections.close()
