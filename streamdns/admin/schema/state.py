"""Documents about one node: status, consumer, settings, metrics."""

from __future__ import annotations

from typing import Any

import msgspec


class Alarm(msgspec.Struct, kw_only=True):
    """Something an administrator must know of, kept after it is over; `time` in seconds."""

    time: int
    reason: str


class CatchUp(msgspec.Struct, kw_only=True):
    """Progress of a fill of the view: octets, events or entries (`unit`) of the log, how many a second, the time left.

    Entries are the batches of Pulsar.
    """

    done: int
    end: int
    percent: float
    per_second: float
    seconds_left: float | None
    unit: str = ""


class ConsumerSummary(msgspec.Struct, kw_only=True):
    """The consumer in short; `since`, `last_contact` and `whole_at` in seconds since 1970.

    `state` is connecting, catching-up, following, reconnecting, rebuilding, held or view-full.
    """

    source: str
    state: str
    since: int
    error: str
    alarm: Alarm | None
    last_contact: int | None
    whole_at: int | None
    stale: bool
    details: dict[str, Any]
    catch_up: CatchUp | None = None


class Lag(msgspec.Struct, kw_only=True):
    """How much of the log is not applied yet; with `events_estimated` from the mean length of an event so far."""

    events: int
    events_estimated: bool
    bytes: float
    seconds: float


class PartitionPosition(msgspec.Struct, kw_only=True):
    """A partition: where its reading goes on, its end as last seen, and the timestamp of the last event (ms)."""

    topic: str
    partition: int
    position: int
    end: int
    timestamp: int


class LastRebuild(msgspec.Struct, kw_only=True):
    """The last rebuild that came to serve; the counts are null where there was no view to compare it with."""

    time: int
    reason: str
    seconds: float
    added: int | None
    removed: int | None
    changed: int | None
    same_data: bool | None
    request: str


class RebuildRefusal(msgspec.Struct, kw_only=True):
    """A request for a rebuild that could not be carried out, and why."""

    request: str
    reason: str


class HeldRebuild(msgspec.Struct, kw_only=True):
    """A rebuilt view that does not take over, since when (ms) and why: too much would go away by it.

    `zones` and `rrsets` would go away, of `zones_served` and `rrsets_served`; `added` RRsets would come, `changed` have
    other records. The counts are those of the last comparison. `id` is what has to be accepted.
    """

    id: str
    since: int
    reason: str
    zones: int
    rrsets: int
    zones_served: int
    rrsets_served: int
    added: int
    changed: int


class ViewStatus(msgspec.Struct, kw_only=True):
    """The files of the view; `rebuild` is the reason of a rebuild that is running, `held` says why it waits."""

    path: str
    complete: bool
    bytes: int
    map_bytes: int
    rebuild: str | None
    last_rebuild: LastRebuild | None
    rebuild_refused: RebuildRefusal | None
    held: HeldRebuild | None = None


class ServiceState(msgspec.Struct, kw_only=True):
    """One part of the process; `state` is new, running, waiting (to be restarted), failed or stopped."""

    name: str
    state: str
    essential: bool
    ready: bool
    restarts: int
    error: str


class WorkerState(msgspec.Struct, kw_only=True):
    """One of the processes that answer queries (DNS_WORKERS), since when (s) it is in its `state`, and what it did.

    `state` is starting, answering, waiting (to be replaced) or stopped; `error` is what ended the process before. The
    queries are those of all its processes.
    """

    number: int
    pid: int | None
    state: str
    since: int
    restarts: int
    queries: int
    error: str


class NodeStatus(msgspec.Struct, kw_only=True):
    """The state of a node: version, readiness, consumer, view, counts and services; `dns_addresses` is DNS_ADDRESS.

    `workers` is empty where one process does everything.
    """

    version: str
    instance: str
    uptime: float
    ready: bool
    not_ready_because: list[str]
    consumer: ConsumerSummary
    lag: Lag
    positions: list[PartitionPosition]
    view: ViewStatus
    zones: int
    nodes: int
    rrsets: int
    records: int
    digest: str
    quarantine: int
    conflicts: int
    divergence: list[str]
    resolver: dict[str, Any]
    services: list[ServiceState]
    dns_addresses: list[str] = []
    workers: list[WorkerState] = []


class ConsumerPartition(msgspec.Struct, kw_only=True):
    """One partition of the log and how far it is behind; `last_event` is the timestamp of its last event (ms)."""

    topic: str
    partition: int
    position: int
    end: int
    lag_events: int
    lag_seconds: float
    last_event: int
    state: str


class Consumer(msgspec.Struct, kw_only=True):
    """The consumer in full; `unit` says whether positions count octets or events, or are packed ids."""

    source: str
    client: str
    unit: str
    state: str
    since: int
    error: str
    alarm: Alarm | None
    last_contact: int | None
    stale: bool
    partitions: list[ConsumerPartition]
    lag: Lag
    catch_up: CatchUp | None
    details: dict[str, Any]


class Setting(msgspec.Struct, kw_only=True):
    """One setting in effect; a secret is shown as ***."""

    name: str
    value: str
    given: bool
    default: str
    description: str
    since: str
    secret: bool
    reload: bool


class SettingsList(msgspec.Struct, kw_only=True):
    """All settings, in the order of their reference page."""

    settings: list[Setting]


class Series(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One series of a metric: a number, or a histogram with count, sum and cumulative counts by upper bound."""

    labels: dict[str, str]
    value: float | None = None
    count: int | None = None
    sum: float | None = None
    buckets: dict[str, int] | None = None


class MetricSeries(msgspec.Struct, kw_only=True):
    """One metric of the catalogue with its series."""

    name: str
    kind: str
    unit: str
    description: str
    series: list[Series]


class Metrics(msgspec.Struct, kw_only=True):
    """All metrics at the moment `time` (ms)."""

    time: int
    metrics: list[MetricSeries]


class RebuildAsked(msgspec.Struct, kw_only=True):
    """A waiting request for a rebuild; when it is done, /v1/status has its `id` in view.last_rebuild.request."""

    id: str
    by: str
    time: int


class Accept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The word that a held view may take over: its `id`, and as how many zones and RRsets were shown to go away."""

    id: str
    zones: int
    rrsets: int


class Accepted(msgspec.Struct, kw_only=True):
    """The word that was left for a held view; it takes over within a second unless more would go away by then."""

    id: str
    zones: int
    rrsets: int
    by: str
    time: int
