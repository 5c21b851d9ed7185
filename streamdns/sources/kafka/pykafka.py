"""Reads Kafka over pykafka's connections, metadata and request queues, with the fetch loop and the decoder of our own.

Its consumers lose records of compacted topics, so none of them reads: one is a member of a group, for Kafka's tools to
see, and decides nothing. Brokers that serve Fetch 2 are needed (up to Kafka 3.9).
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import gevent
from gevent import socket as gsocket
from gevent.queue import JoinableQueue
from pykafka.broker import Broker
from pykafka.cluster import Cluster as PykafkaCluster
from pykafka.exceptions import KafkaException, SocketDisconnectedError
from pykafka.handlers import GEventHandler
from pykafka.managedbalancedconsumer import ManagedBalancedConsumer
from pykafka.protocol import FetchRequest

from streamdns.errors import SourceError
from streamdns.events.batch import Partition
from streamdns.sources.kafka.client import CannotServe
from streamdns.sources.kafka.cluster import Cluster
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.fetching import FetchingClient, sentence
from streamdns.sources.kafka.librdkafka import TIMEOUT_S
from streamdns.sources.kafka.member import Holder, Member
from streamdns.sources.tls import context_of

_FETCH: Final = 2  # The newest version that it speaks by itself.
_REPLY_S: Final = 15.0
_HANG_UPS: Final = 2
_CONNECT_S: Final = 10.0

# It logs tracebacks of what is raised to us as well.
logging.getLogger("pykafka").setLevel(logging.CRITICAL + 1)


class _Sockets:
    """Takes the place of the socket module in pykafka, to add TLS that verifies the broker's name."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context

    def create_connection(self, address: tuple[Any, int], timeout_s: float, _source: object) -> Any:
        """Make a connection that is ready for requests; raises OSError as socket.create_connection does.

        `timeout_s` is for the replies; a broker that does not even take the connection must leave time for another.
        """
        host = address[0].decode() if isinstance(address[0], bytes) else str(address[0])
        sock = gsocket.create_connection((host, address[1]), min(timeout_s, TIMEOUT_S))
        sock.settimeout(timeout_s)
        sock.setsockopt(gsocket.IPPROTO_TCP, gsocket.TCP_NODELAY, 1)
        return sock if self._context is None else self._context.wrap_socket(sock, server_hostname=host)


class _Requests(JoinableQueue):  # type: ignore[misc]
    """A queue that nobody waits for: pykafka would, in its destructor, where the event loop may not wait."""

    def join(self, timeout: float | None = None) -> bool:
        return True


class _Handler(GEventHandler):  # type: ignore[misc]
    Queue = _Requests

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.Socket = _Sockets(context)


class _Membership(ManagedBalancedConsumer):  # type: ignore[misc]
    def _get_internal_consumer(self, partitions: list[Any] | None = None, start: bool = True) -> Holder:
        return Holder(partitions or [])


class Connections:
    """pykafka's view of the cluster over connections of its own; raises SourceError."""

    def __init__(self, config: KafkaConfig) -> None:
        handler = _Handler(context_of(config))
        try:
            with gevent.Timeout(_CONNECT_S, SourceError(f"pykafka did not connect within {_CONNECT_S:g} s")):
                self.cluster = PykafkaCluster(
                    ",".join(config.addresses), handler, socket_timeout_ms=10_000, broker_version="1.0.0"
                )
        except SourceError:
            raise
        except Exception as error:  # It raises all sorts of things, plain Exception among them.
            raise SourceError(f"pykafka does not connect: {sentence(error)}") from error

    def topic(self, name: str) -> Any:
        """Find pykafka's Topic; the caller must keep a reference, pykafka holds none itself."""
        try:
            return self.cluster.topics[name.encode()]
        except (KafkaException, KeyError) as error:
            raise SourceError(f"pykafka does not find topic {name}: {sentence(error)}") from error

    def consumer(self, topic: Any, group: str) -> Any:
        """Make a member of a group that holds partitions and reads nothing; it is not started yet."""
        return _Membership(
            topic, self.cluster, group.encode("ascii", "replace"), auto_start=False, auto_commit_enable=False
        )

    def close(self) -> None:
        """Cut the connections: a worker that waits for a reply ends, and no request is waited for."""
        for broker in self.cluster.brokers.values():
            _cut(broker)


def _cut(broker: Any) -> None:
    shared = getattr(broker.handler, "shared", None)
    if shared is not None:
        shared.ending.set()
        shared.connection.disconnect()


def fetch_versions(config: KafkaConfig) -> tuple[int, int]:
    """Ask the first broker that answers which versions of Fetch it serves; raises SourceError.

    No other client tells. It is one request, because what else pykafka asks for a newer broker may not serve.
    """
    handler, failure = _Handler(context_of(config)), ""
    for host, port in config.hosts():
        broker = None
        try:
            with gevent.Timeout(_CONNECT_S, SourceError(f"no answer within {_CONNECT_S:g} s")):
                broker = Broker(-1, host, port, handler, 10_000, 10_000)
                versions = broker.fetch_api_versions().api_versions[FetchRequest.API_KEY]
                return versions.min, versions.max
        except Exception as error:  # noqa: BLE001 - as above
            failure = sentence(error)
        finally:
            if broker is not None:
                _cut(broker)
    raise SourceError(f"pykafka does not connect: {failure}")


class _Request:
    """A request that is made already, in the form that pykafka sends."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def get_bytes(self) -> bytes:
        """Give the whole request with its length."""
        return len(self._octets).to_bytes(4, "big") + self._octets


def _reply(broker: Any, request: bytes) -> bytes:
    return bytes(broker.handler.request(_Request(request)).get())


class PykafkaClient(FetchingClient):
    """Reads over pykafka's connections, to the leaders that it knows."""

    name = "pykafka"

    def __init__(self, config: KafkaConfig, cluster: Cluster) -> None:
        super().__init__(config)
        self._cluster = cluster
        self._connections: Connections | None = None
        self._topics: dict[str, Any] = {}
        self._members: list[Member] = []

    def unsuited(self, ends: Mapping[Partition, int]) -> str:
        """As KafkaClient.unsuited: pykafka's own requests need an old broker."""
        lowest, highest = fetch_versions(self._near(self._config))
        if lowest > _FETCH:
            raise CannotServe(f"this Kafka serves Fetch {lowest}–{highest}, pykafka speaks ≤ {_FETCH}")
        return ""

    def start(self, positions: Mapping[Partition, int]) -> None:
        super().start(positions)
        if not self._members:
            self._members = [
                Member(self._config, topic, self._connect, partial(self._numbers, topic)) for topic in self._topics
            ]

    def _numbers(self, topic: str) -> set[int]:
        """Give the partitions of a topic that are read."""
        return {number for of, number in self._positions if of == topic}

    def _connect_to(self, partitions: Iterable[Partition]) -> None:
        """Connect where that is not done yet, and look up the leaders of these topics."""
        if self._connections is not None and self._positions:
            try:
                self._connections.cluster.update()
            except Exception as error:
                raise SourceError(f"pykafka cannot look at the cluster again: {sentence(error)}") from error
        connections = self._connections
        if connections is None:
            connections = self._connections = self._connect(self._config)
        for topic in {topic for topic, _ in partitions}:
            self._topics[topic] = connections.topic(topic)

    def _connect(self, config: KafkaConfig) -> Connections:
        return Connections(self._near(config))

    def _near(self, config: KafkaConfig) -> KafkaConfig:
        """Put a broker that is alive first: pykafka tries addresses in order, and is slow to give up a dead one."""
        return replace(config, addresses=self._cluster.addresses())

    def _leader(self, partition: Partition) -> int:
        return int(self._broker(partition).id)

    def _broker(self, partition: Partition) -> Any:
        try:
            broker = self._topics[partition[0]].partitions[partition[1]].leader
        except (KeyError, AttributeError):
            broker = None
        if broker is None:
            raise SourceError(f"pykafka knows no leader of topic {partition[0]}, partition {partition[1]}")
        return broker

    def _ask(self, leader: int, request: bytes) -> bytes:
        broker = next((self._broker(each) for each in self._positions if self._leader(each) == leader), None)
        if broker is None or broker.handler is None:
            raise SourceError(f"pykafka is not connected to broker {leader}")
        try:
            with gevent.Timeout(_REPLY_S, SourceError(f"the broker did not answer within {_REPLY_S:g} s")):
                # Brokers hang up on who was silent for long, sometimes twice. Asking again for the same is no harm.
                for _ in range(_HANG_UPS):
                    try:
                        return _reply(broker, request)
                    except SocketDisconnectedError:
                        _cut(broker)
                        broker.connect(attempts=1)
                return _reply(broker, request)
        except (KafkaException, OSError) as error:
            raise SourceError(f"pykafka lost the broker: {sentence(error)}") from error

    def close(self) -> None:
        members, self._members = self._members, []
        for member in members:
            member.close()
        connections, self._connections = self._connections, None
        if connections is not None:
            connections.close()
        self._stop()
