"""Reads Kafka topics as a source: chooses the client library, and watches that the log is still the same one.

Two client libraries can read; each is imported only when it is used. Nothing here trusts them with positions.
"""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import gevent

from streamdns.errors import LogReplaced, SourceError, SourceStalled
from streamdns.events.batch import Batch, Partition
from streamdns.sources.kafka import error_codes
from streamdns.sources.kafka.client import CannotServe, KafkaClient, OutOfRange, Refused
from streamdns.sources.kafka.cluster import EARLIEST, LATEST, Cluster, Metadata
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.topic import check, keeps_deletes_s

CHECK_S: Final = 10.0
STALL_S: Final = 30.0
#: Where deletes are kept for a short time only, the ends are looked at so many times within it.
_LOOKS: Final = 4
_LEAST_CHECK_S: Final = 0.25


def make_client(name: str, config: KafkaConfig, cluster: Cluster) -> KafkaClient:
    """Make the client of that name, importing its library only now. Raises SourceError where it is missing."""
    try:
        if name == "pykafka":
            from streamdns.sources.kafka.pykafka import PykafkaClient

            return PykafkaClient(config, cluster)
        from streamdns.sources.kafka.confluent import ConfluentClient

        return ConfluentClient(config, cluster)
    except ImportError as error:
        raise Refused(f"the Kafka client {name} is not installed here: {error}") from error


def preload(config: KafkaConfig) -> None:
    """Import what may be needed before anything is served, because pykafka blocks the event loop for a quarter second.

    A library that is missing is told when it is used.
    """
    for module in ("pykafka", "confluent") if config.client == "auto" else (config.client,):
        try:
            with warnings.catch_warnings():
                # Of pykafka's, to whoever runs it: nothing that they could do anything about.
                warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
                importlib.import_module(f"streamdns.sources.kafka.{module}")
        except ImportError:
            pass


def reachable(config: KafkaConfig, *, within_s: float) -> list[str]:
    """Ask the brokers for our topics, once, and say what is unwise about them.

    Raises SourceError where they cannot be read now.
    """
    cluster = Cluster(config)
    try:
        with gevent.Timeout(within_s, SourceError(f"no broker answers within {within_s:g} s")):
            _identify(config.topics, cluster.look())
            return _check_topics(config, cluster)[1]
    finally:
        cluster.close()


def _check_topics(config: KafkaConfig, cluster: Cluster) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Give the settings of each topic that shows them, and what is unwise; raises Refused where data would be lost."""
    found: dict[str, dict[str, str]] = {}
    unwise: list[str] = []
    seen = cluster.look()
    for name, (error, values) in cluster.topic_settings().items():
        if error:
            unwise.append(f"topic {name}: its settings cannot be looked at: {error_codes.error_text(error)}")
            continue
        found[name] = values
        findings = check(seen.topics[name], values, fetch_max_bytes=config.fetch_max_bytes)
        unwise += findings.warnings
        if findings.refusals and not config.allow_lossy_topic:
            raise Refused(findings.refusals[0])
        unwise += findings.refusals
    return found, unwise


def _identify(topics: Iterable[str], seen: Metadata) -> dict[Partition, str]:
    """Give the fingerprint of each partition; raises SourceError for a topic that cannot be read."""
    prints: dict[Partition, str] = {}
    for name in topics:
        topic = seen.topics.get(name)
        if topic is None or topic.error:
            error = topic.error if topic is not None else error_codes.UNKNOWN_TOPIC
            raise SourceError(f"Kafka topic {name}: {error_codes.error_text(error)}")
        for number in sorted(topic.replicas):
            prints[name, number] = f"{seen.cluster}/{topic.id}"
    return prints


def choose_client(config: KafkaConfig) -> tuple[str, str]:
    """Choose the client that reads; gives its name, and why it is not pykafka ("" when it is).

    Raises SourceError for a client that is wanted and never can read.
    """
    reason = ""
    if config.mechanism:
        reason = "pykafka does not speak SASL"
    elif any(":" in host for host, _ in config.hosts()):
        reason = "pykafka takes no IPv6 addresses"
    if config.client == "pykafka" and reason:
        raise Refused(f"{reason}: unset DNS_KAFKA_CLIENT")
    if config.client == "confluent":
        return "confluent", "DNS_KAFKA_CLIENT=confluent"
    return ("confluent" if reason else "pykafka"), reason


class _Limits(NamedTuple):
    starts: dict[Partition, int]
    ends: dict[Partition, int]


class _Look(NamedTuple):
    """Where all partitions ended when they were asked, and the moment before that."""

    asked_s: float
    ends: dict[Partition, int]


class KafkaSource:
    """One or several topics of one cluster as a Source; a fingerprint is the cluster's id and the topic's.

    `warnings` has a sentence for each thing about the topics that is unwise; `client` and `client_reason` say who
    reads, and why it is not pykafka; `retention_s` is the smallest delete.retention.ms of the topics. `check_s`: how
    often identity, partitions and ends are looked at again.
    """

    unit = "events"

    def __init__(
        self,
        config: KafkaConfig,
        *,
        check_s: float = CHECK_S,
        stall_s: float = STALL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._check_s, self._stall_s, self._clock = config, check_s, stall_s, clock
        self._cluster: Cluster | None = None
        self._client: KafkaClient | None = None
        self._watcher: gevent.Greenlet | None = None
        self.warnings: list[str] = []
        self.retention_s: float | None = None
        self.client = self.client_reason = self.group_error = ""
        self._reset()

    def _reset(self) -> None:
        self._prints: dict[Partition, str] = {}
        self._positions: dict[Partition, int] = {}
        self._told: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._targets: dict[Partition, int] = {}
        self._new: dict[Partition, int] = {}
        self._unready: set[Partition] = set()
        self._committed: dict[Partition, int] = {}
        self._failure: SourceError | None = None
        self._look: _Look | None = None
        self._moved_s = self._clock()

    def connect(self, positions: Mapping[Partition, int], fingerprints: Mapping[Partition, str]) -> None:
        """As Source.connect: also a position before the start of the log raises LogReplaced."""
        self.close()
        self._reset()
        connected = False
        self._cluster = cluster = Cluster(self._config)
        try:
            self._connect(cluster, {p: at for p, at in positions.items() if at > 0}, fingerprints)
            connected = True
        finally:
            if not connected:
                self.close()
        self._watcher = gevent.spawn(self._watch, cluster)

    def _connect(
        self, cluster: Cluster, positions: Mapping[Partition, int], fingerprints: Mapping[Partition, str]
    ) -> None:
        self._prints = _identify(self._config.topics, cluster.look())
        for partition in positions:
            if partition not in self._prints:
                raise LogReplaced(f"the positions are of {_text(partition)}, which is not read or not there now")
            known = fingerprints.get(partition)
            if known and known != self._prints[partition]:
                raise LogReplaced(_replaced(partition, known, self._prints[partition]))
        settings, self.warnings = _check_topics(self._config, cluster)
        self.retention_s = keeps_deletes_s(settings.get(name) for name in self._config.topics)
        self.client, self.client_reason = choose_client(self._config)
        asked_s = self._clock()
        starts, self._ends = self._limits(cluster, positions, list(self._prints))
        client = self._client = make_client(self.client, self._config, cluster)
        self._check_client(client, cluster, {partition: end for partition, end in self._ends.items()
                                             if end > starts[partition]})
        self._look = _Look(asked_s, self._ends)
        self._targets = dict(self._ends)
        self._positions = {partition: positions.get(partition) or at for partition, at in starts.items()}
        # Where a log does not begin at 0, the first batch says so: else all before it would count as lag.
        self._new = {partition: at for partition, at in self._positions.items() if partition not in positions and at}
        self._client.start(self._positions)

    def _check_client(self, client: KafkaClient, cluster: Cluster, ends: Mapping[Partition, int]) -> None:
        """Change to the other client where this one should not read; `ends` are of partitions that are not empty."""
        automatic = self._config.client == "auto"
        try:
            doubt = client.unsuited(ends)
        except CannotServe as error:
            if not automatic:
                raise Refused(f"{error}: unset DNS_KAFKA_CLIENT") from error
            doubt = str(error)
        if not doubt:
            return
        if automatic:
            self._change_client(client, cluster, doubt)
            self._ends = cluster.offsets(list(self._ends), at=LATEST, committed=True)
        else:
            self.warnings.append(f"{doubt}: unset DNS_KAFKA_CLIENT")

    def _change_client(self, client: KafkaClient, cluster: Cluster, reason: str) -> KafkaClient:
        """Put confluent-kafka in the place of pykafka; it is not started yet."""
        client.close()
        self.client, self.client_reason = "confluent", reason
        other = self._client = make_client(self.client, self._config, cluster)
        return other

    def _limits(self, cluster: Cluster, positions: Mapping[Partition, int], partitions: list[Partition]) -> _Limits:
        """Ask where each partition begins, and where it ends for the client that reads; LogReplaced as in connect."""
        starts = cluster.offsets(partitions, at=EARLIEST, committed=False)
        ends = cluster.offsets(partitions, at=LATEST, committed=False)
        # The ends were asked for after the positions were noted: none can be behind only because time passed. And not
        # those of read_committed: an older version may have read into a transaction that is still open.
        for partition, at in positions.items():
            _compare(partition, at, starts[partition], ends[partition])
        return _Limits(starts, cluster.offsets(partitions, at=LATEST, committed=True))

    def fingerprints(self) -> dict[Partition, str]:
        """As Source.fingerprints: every partition has one from connect on."""
        return self._prints

    def read(self, *, max_records: int, timeout_s: float) -> Batch:
        """As Source.read; where pykafka turns out not to do, confluent-kafka goes on from the same positions."""
        client, cluster = self._client, self._cluster
        if client is None or cluster is None:
            raise SourceError("the Kafka source is not connected")
        if self._failure is not None:
            raise self._failure
        moved, self._new = self._new, {}
        try:
            if any(partition not in self._positions for partition in moved):
                self._positions |= moved
                client.start(moved)
            got = client.fetch(max_records=max_records, timeout_s=0 if moved else timeout_s)
        except CannotServe as error:
            if self._config.client != "auto" or self.client != "pykafka":
                raise
            self._change_client(client, cluster, str(error)).start(self._positions)
            return Batch([], self._news(moved), False)
        except OutOfRange as error:
            self._verify(cluster)
            raise SourceError(str(error)) from error
        moved |= got.positions
        if any(self._positions.get(partition) != at for partition, at in got.positions.items()):
            self._moved_s = self._clock()
        self._positions |= got.positions
        at_end = got.at_end
        caught_up = all(at_end.get(partition, -1) >= end for partition, end in self._targets.items())
        return Batch(got.records, self._news(moved), caught_up, self._whole_since())

    def _news(self, moved: Mapping[Partition, int]) -> dict[Partition, int]:
        """Leave out positions that were given before: a partition that still is at its end is no reason to commit."""
        news = {partition: at for partition, at in moved.items() if self._told.get(partition) != at}
        self._told |= news
        return news

    def _whole_since(self) -> float | None:
        """Give, once, the time of the last look at the ends when every partition has been read up to them."""
        look = self._look
        if look is None or any(self._positions.get(partition, 0) < end for partition, end in look.ends.items()):
            return None
        self._look = None
        return look.asked_s

    def ends(self) -> dict[Partition, int]:
        """As Source.ends, as of the last look."""
        return {partition: max(end, self._positions.get(partition, 0)) for partition, end in self._ends.items()}

    def ends_now(self) -> dict[Partition, int]:
        """As Source.ends_now: asked of the leaders of all partitions, for those who read what is committed."""
        cluster = self._cluster
        if cluster is None:
            raise SourceError("the Kafka source is not connected")
        return cluster.offsets(list(self._prints), at=LATEST, committed=True)

    def close(self) -> None:
        """As Source.close; a read that waits in another greenlet ends with SourceError."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.kill(block=False)
        client, self._client = self._client, None
        if client is not None:
            client.close()
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()

    def describe(self) -> str:
        by = f" by {self.client}" if self.client else ""
        return f"Kafka {','.join(self._config.addresses)} topic {','.join(self._config.topics)}{by}"

    def details(self) -> dict[str, Any]:
        """Give what status shows of this source beside describe()."""
        return {
            "client": self.client,
            "client_reason": self.client_reason,
            "group": self._config.group,
            "group_error": self.group_error,
            "keeps_deletes": self.retention_s,
            "warnings": list(self.warnings),
        }

    def _watch(self, cluster: Cluster) -> None:
        """Check, in a greenlet of its own, what no client would tell; the next read raises what it finds."""
        while True:
            gevent.sleep(self._pause_s())
            try:
                self._verify(cluster)
                self._raise_if_stalled()
                self._commit(cluster)
            except SourceError as error:
                self._failure = error
                return
            except Exception as error:  # noqa: BLE001 - who looks no more would never see a stall or another log
                self._failure = SourceError(f"looking at the Kafka cluster failed: {type(error).__name__}: {error}")
                return

    def _pause_s(self) -> float:
        if self.retention_s is None:
            return self._check_s
        return min(self._check_s, max(_LEAST_CHECK_S, self.retention_s / _LOOKS))

    def _verify(self, cluster: Cluster) -> None:
        """Raise LogReplaced unless this is still the same log with our positions in it; add new partitions."""
        now = _identify(self._config.topics, cluster.look())
        for partition, before in self._prints.items():
            if now.get(partition) != before:
                raise LogReplaced(_replaced(partition, before, now.get(partition, "gone")))
        asked_s = self._clock()
        known = {partition: now[partition] for partition in self._prints}
        ends = self._limits(cluster, dict(self._positions), list(known)).ends
        added = self._added(cluster, [partition for partition in now if partition not in known])
        self._ends = ends | added.ends
        if self._look is None:  # One that is not reached yet stands, or what is always behind would never reach one.
            self._look = _Look(asked_s, self._ends)
        self._prints = known | {partition: now[partition] for partition in added.starts}
        self._new |= added.starts
        self._targets |= added.ends

    def _added(self, cluster: Cluster, partitions: list[Partition]) -> _Limits:
        """Ask where new partitions begin and end; gives none while their leaders do not know yet that they lead."""
        waited, self._unready = self._unready, set(partitions)
        try:
            return self._limits(cluster, {}, partitions) if partitions else _Limits({}, {})
        except SourceError:
            if waited & self._unready:
                raise
            return _Limits({}, {})

    def _raise_if_stalled(self) -> None:
        behind = [p for p, end in self._ends.items() if end > self._positions.get(p, 0)]
        if not behind:
            self._moved_s = self._clock()
        elif self._clock() - self._moved_s > self._stall_s:
            partition = behind[0]
            raise SourceStalled(
                f"{_text(partition)}: nothing came for {self._stall_s:g} s, though the log goes to "
                f"{self._ends[partition]} and was read up to {self._positions.get(partition, 0)}"
            )

    def _commit(self, cluster: Cluster) -> None:
        """Commit positions for Kafka's tools alone: they are never read back, so a failure is only noted."""
        positions = dict(self._positions)
        if positions == self._committed:
            return
        try:
            cluster.commit(positions)
            self._committed, self.group_error = positions, ""
        except SourceError as error:
            self.group_error = str(error)


def _compare(partition: Partition, at: int, start: int, end: int) -> None:
    if at < start:
        raise LogReplaced(f"{_text(partition)} was cut: it begins at {start} and was read up to {at}")
    if at > end:
        raise LogReplaced(f"{_text(partition)} ends at {end} and was read up to {at}")


def _replaced(partition: Partition, before: str, now: str) -> str:
    return f"topic {partition[0]} is another one than before (cluster and topic id {now}, it was {before})"


def _text(partition: Partition) -> str:
    return f"topic {partition[0]}, partition {partition[1]}"
