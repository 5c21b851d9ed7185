"""The interface that both client libraries, pykafka and confluent-kafka, have for the Kafka source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from streamdns.errors import SourceError
from streamdns.events.batch import Partition, Record


class Refused(SourceError):
    """What every address of the cluster would refuse: a password, a certificate, a client that cannot read there."""


class OutOfRange(SourceError):
    """The broker has nothing at the position asked for: the log may have been cut or replaced, so it is checked."""


class CannotServe(SourceError):
    """This client can never read this log from this broker; the other one may."""


class Fetched(NamedTuple):
    """What one fetch gave: records in order of each partition, next positions, and which partitions are at their end.

    `at_end` maps a partition to the position at which a read returned nothing; it is no longer there once it moves on.
    """

    records: list[Record]
    positions: dict[Partition, int]
    at_end: dict[Partition, int]


class KafkaClient(Protocol):
    """Reads partitions from given positions; raises SourceError, OutOfRange or CannotServe, and is then only closed."""

    name: str

    def unsuited(self, ends: Mapping[Partition, int]) -> str:
        """Say why the other client should read these partitions, "" where there is no reason.

        `ends` are those of partitions that are not empty. Raises CannotServe where this client never can.
        """
        ...

    def start(self, positions: Mapping[Partition, int]) -> None:
        """Read these partitions; called again with more of them when a topic has grown."""
        ...

    def fetch(self, *, max_records: int, timeout_s: float) -> Fetched:
        """Give what there is as soon as there is something, or nothing after `timeout_s`."""
        ...

    def close(self) -> None:
        """Release everything within a second; may be called twice, and while another greenlet is in fetch."""
        ...
