"""Asks a Kafka cluster for its id, for topics' ids and settings, and where partitions begin and end.

It does so by confluent-kafka's AdminClient, over connections of its own, whichever library reads the records: a client
that reads tells no topic's id, and retries for ever where a password is wrong. Here each failure is a SourceError of
one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType  # type: ignore[attr-defined]
from gevent.lock import RLock
from gevent.monkey import get_original

from streamdns.errors import SourceError
from streamdns.events.batch import Partition
from streamdns.sources.kafka import error_codes
from streamdns.sources.kafka.client import Refused
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.librdkafka import SILENT, TIMEOUT_S, Complaints, connection_options
from streamdns.sources.kafka.topic import Leader, Topic
from streamdns.sources.library_thread import LibraryThread
from streamdns.sources.tls import certificate_fault, context_of

_K = TypeVar("_K")
EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_LISTEN_S: Final = 0.02
#: What is no broker's answer.
_UNREACHABLE: Final = ("_TIMED_OUT", "_TRANSPORT", "_ALL_BROKERS_DOWN", "_TIMED_OUT_QUEUE")
# A lock of gevent's would want an event loop in the library's thread.
_native_lock: Final = get_original("_thread", "allocate_lock")


class _Unreachable(SourceError):
    """No broker answered. A new AdminClient may find one that does."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The cluster's id and our topics as the brokers know them now."""

    cluster: str
    topics: dict[str, Topic]


class Cluster:
    """Asks the cluster, one question at a time, on behalf of any number of greenlets.

    An AdminClient is made for the first question, and made anew when no broker answers any more.
    """

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._lock = RLock()
        self._session: _Session | None = None
        self._alive = ""

    def close(self) -> None:
        """Release everything within a second; a question that waits ends with SourceError."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def addresses(self) -> tuple[str, ...]:
        """List the addresses of the settings, a broker that is alive first: pykafka is slow to give up a dead one."""
        given = self._config.addresses
        return tuple(dict.fromkeys([self._alive, *given])) if self._alive else given

    def look(self) -> Metadata:
        """Ask for the cluster's id and our topics, as they are now."""

        def ask(admin: AdminClient) -> dict[str, Future[Any]]:
            topics = admin.describe_topics(ck.TopicCollection(list(self._config.topics)), request_timeout=TIMEOUT_S)
            return {"": admin.describe_cluster(request_timeout=TIMEOUT_S), **topics}

        found = self._ask(ask)
        cluster = found.pop("")
        if isinstance(cluster, ck.KafkaError):
            raise SourceError(f"the Kafka cluster does not tell its id: {_words(cluster)}")
        # A broker that the others see alive: since KRaft, any of them is told to be the controller.
        there = cluster.controller
        self._alive = f"{there.host}:{there.port}" if there is not None and ":" not in there.host else ""
        return Metadata(str(cluster.cluster_id), {name: _topic(name, described) for name, described in found.items()})

    def topic_settings(self) -> dict[str, tuple[int, dict[str, str]]]:
        """Ask for the topics' settings; gives topic to (error code, settings)."""
        asked = [ConfigResource(ResourceType.TOPIC, name) for name in self._config.topics]
        found = self._ask(lambda admin: admin.describe_configs(asked, request_timeout=TIMEOUT_S))
        return {
            resource.name: (entries.code(), {}) if isinstance(entries, ck.KafkaError)
            else (0, {name: str(entry.value) for name, entry in entries.items() if entry.value is not None})
            for resource, entries in found.items()
        }

    def offsets(self, partitions: Iterable[Partition], *, at: OffsetSpec, committed: bool) -> dict[Partition, int]:
        """Ask the leader of each partition for its first (EARLIEST) or next (LATEST) offset.

        `committed`: an open transaction ends the log, as read_committed sees it.
        """
        asked = {ck.TopicPartition(topic, number): at for topic, number in partitions}
        level = ck.IsolationLevel.READ_COMMITTED if committed else ck.IsolationLevel.READ_UNCOMMITTED
        found = self._ask(
            lambda admin: admin.list_offsets(asked, request_timeout=TIMEOUT_S, isolation_level=level)
        )
        return {(part.topic, part.partition): _offset(part, answer) for part, answer in found.items()}

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Commit positions under the group's name, for Kafka's own tools to see; raises SourceError."""
        group = self._config.group
        parts = [ck.TopicPartition(topic, number, at) for (topic, number), at in positions.items()]
        asked = [ck.ConsumerGroupTopicPartitions(group, parts)]
        answer = self._ask(
            lambda admin: admin.alter_consumer_group_offsets(asked, request_timeout=TIMEOUT_S)
        )[group]
        errors = [answer] if isinstance(answer, ck.KafkaError) else [each.error for each in answer.topic_partitions]
        for error in errors:
            if error is not None:
                raise SourceError(f"the group {group}: {_words(error)}")

    def _ask(self, ask: Callable[[AdminClient], Mapping[_K, Future[Any]]]) -> dict[_K, Any]:
        """Start requests with `ask` and wait for the answer to each: a KafkaError where the broker refuses it."""
        with self._lock:
            old, self._session = self._session, None
            if old is not None:
                try:
                    return self._ask_session(old, ask)
                except _Unreachable:
                    pass  # The broker that was asked so far is gone: another one may be there, or it says why.
            return self._ask_session(_Session(self._config), ask)

    def _ask_session(
        self, session: _Session, ask: Callable[[AdminClient], Mapping[_K, Future[Any]]]
    ) -> dict[_K, Any]:
        self._session = session
        try:
            return session.ask(ask)
        except SourceError:
            session.close()
            self._session = None
            raise


class _Session:
    """One AdminClient in a thread of its own, and librdkafka's complaints while it waits."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._thread = LibraryThread("Kafka")
        self._complaints = Complaints(config)
        self._held = ExitStack()
        self._admin: AdminClient | None = None
        self._connected = False

    def close(self) -> None:
        # In the thread, not when the last reference is gone: tracebacks have some, and the event loop may drop them.
        self._thread.close(self._held.close)

    def ask(self, ask: Callable[[AdminClient], Mapping[_K, Future[Any]]]) -> dict[_K, Any]:
        try:
            return self._thread.run(self._answers, ask)
        except ck.KafkaException as failure:
            # Its words for files that are of no use are OpenSSL's numbers: these are better, and raised at once.
            context_of(self._config)
            raise SourceError(f"the Kafka client does not start: {failure.args[0].str()}") from failure
        except Refused as refusal:
            host, _, port = self._complaints.uncertified.rpartition(":")
            fault = certificate_fault(self._config, host.strip("[]"), int(port)) if host else ""
            if not fault:
                raise
            where = f"Kafka at {self._complaints.uncertified}"
            raise Refused(f"{where}: the broker's certificate is not accepted: {fault}") from refusal

    def _answers(self, ask: Callable[[AdminClient], Mapping[_K, Future[Any]]]) -> dict[_K, Any]:
        """Ask and wait, in the library's thread."""
        if self._admin is None:
            options = connection_options(self._config) | {"client.id": "streamdns", "error_cb": self._complaints.hear}
            self._admin = self._held.enter_context(AdminClient(options, logger=SILENT))
        else:
            # What it has to say about the time before is of no interest. A new one connects at once, and says it once.
            self._admin.poll(0)
            self._complaints.clear()
        found = {key: self._answer(future) for key, future in ask(self._admin).items()}
        self._connected = True
        return found

    def _answer(self, future: Future[Any]) -> Any:
        ready = _native_lock()
        ready.acquire()
        future.add_done_callback(lambda _: ready.release())
        while not ready.acquire(timeout=_LISTEN_S):
            self._listen()
        try:
            return future.result()
        except ck.KafkaException as failure:
            error: ck.KafkaError = failure.args[0]
            if error.name() in _UNREACHABLE:
                self._listen()
                raise _Unreachable(self._complaints.told(connected=self._connected)) from failure
            return error

    def _listen(self) -> None:
        """Raise what librdkafka has said by now, if it makes waiting useless."""
        complaints = self._complaints
        # What is wrong with the last address may be told only after this.
        hopeless = complaints.hopeless
        if self._admin is not None:
            self._admin.poll(0)
        if self._thread.closed:
            raise SourceError("the Kafka client is closed")
        if complaints.refused:
            raise Refused(complaints.refused)
        if hopeless:
            raise _Unreachable(complaints.told(connected=self._connected))


def _topic(name: str, described: Any) -> Topic:
    if isinstance(described, ck.KafkaError):
        return Topic(name, described.code(), "", {})
    parts = described.partitions
    leaders = {each.id: Leader(each.leader.id, each.leader.host, each.leader.port) for each in parts if each.leader}
    return Topic(name, 0, _id(described.topic_id), {each.id: len(each.replicas) for each in parts}, leaders)


def _offset(part: ck.TopicPartition, answer: Any) -> int:
    """The offset that a leader has told; SourceError where it told none.

    librdkafka has negative numbers for none, without an error: so it is while leaders come and go. Taken for a place,
    they would be that of a log that was cut.
    """
    where = f"topic {part.topic}, partition {part.partition}"
    if isinstance(answer, ck.KafkaError):
        raise SourceError(f"{where}: {_words(answer)}")
    if answer.offset < 0:
        raise SourceError(f"{where}: its leader does not say where it begins or ends")
    return int(answer.offset)


def _id(topic: ck.Uuid) -> str:
    """Write a topic's id as Kafka's tools do: librdkafka has + and / where they, and our fingerprints, have - and _."""
    return str(topic).replace("+", "-").replace("/", "_")


def _words(error: ck.KafkaError) -> str:
    return error_codes.error_text(error.code()) if error.code() in error_codes.ERRORS else error.str()
