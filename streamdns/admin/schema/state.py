"""Documents about a node itself: status, consumer, settings, metrics."""

from __future__ import annotations

from typing import Any

import msgspec


class Alarm(msgspec.Struct, kw_only=True):
    """What an administrator must know, also after it is over; `time` in seconds."""

    time: int
    reason: str


class ConsumerSummary(msgspec.Struct, kw_only=True):
    """The consumer in short; `since`, `last_contact` and `whole_at` in seconds since 1970.

    `state` is connecting, catching-up, following, reconnecting, rebuilding or view-full.
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


class Lag(msgspec.Struct, kw_only=True):
    """What of the log is not applied yet; `events_estimated`: from the mean length of an event so far."""

    events: int
    events_estimated: bool
    bytes: float
    seconds: float


class PartitionPosition(msgspec.Struct, kw_only=True):
    """Where reading of a partition goes on, its end as of the last look, and the timestamp of the last event (ms)."""

    topic: str
    partition: int
    position: int
    end: int
    timestamp: int


class LastRebuild(msgspec.Struct, kw_only=True):
    """A rebuild that serves; the counts are null where there was nothing to compare it with."""

    time: int
    reason: str
    seconds: float
    added: int | None
    removed: int | None
    changed: int | None
    same_data: bool | None
    request: str


class RebuildRefusal(msgspec.Struct, kw_only=True):
    """A request for a rebuild that could not be met."""

    request: str
    reason: str


class ViewStatus(msgspec.Struct, kw_only=True):
    """The view's files; `rebuild` is the reason of one that is under way."""

    path: str
    complete: bool
    bytes: int
    map_bytes: int
    rebuild: str | None
    last_rebuild: LastRebuild | None
    rebuild_refused: RebuildRefusal | None


class ServiceState(msgspec.Struct, kw_only=True):
    """One part of the process; `state` is new, running, waiting (to be restarted), failed or stopped."""

    name: str
    state: str
    essential: bool
    ready: bool
    restarts: int
    error: str


class NodeStatus(msgspec.Struct, kw_only=True):
    """What a node is and how far it is."""

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


class CatchUp(msgspec.Struct, kw_only=True):
    """How far a fill of the view is: octets or events of the log, how fast (a second), and how long it may take."""

    done: int
    end: int
    percent: float
    per_second: float
    seconds_left: float | None


class ConsumerPartition(msgspec.Struct, kw_only=True):
    """One partition; lags are null where they cannot be told. `last_event` and the timestamp are in ms."""

    topic: str
    partition: int
    position: int
    end: int
    lag_events: int
    lag_seconds: float
    last_event: int
    state: str


class Consumer(msgspec.Struct, kw_only=True):
    """The consumer in full; `unit` says what positions count: octets or events."""

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
    """All settings, in the order of their page."""

    settings: list[Setting]


class Series(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One series: a number, or a histogram's count, sum and cumulative counts by upper bound."""

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
    """All metrics, as of `time` (ms)."""

    time: int
    metrics: list[MetricSeries]


class RebuildAsked(msgspec.Struct, kw_only=True):
    """A request for a rebuild that waits: `id` is what /v1/status has in view.last_rebuild.request when it is done."""

    id: str
    by: str
    time: int
