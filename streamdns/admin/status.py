"""Collects the state of a node for the admin API, for systemd and for readiness checks."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from streamdns import __version__
from streamdns.admin.resolver import ResolverAdmin
from streamdns.admin.schema.state import (
    ConsumerSummary,
    HeldRebuild,
    Lag,
    LastRebuild,
    NodeStatus,
    PartitionPosition,
    RebuildRefusal,
    ServiceState,
    ViewStatus,
    WorkerState,
)
from streamdns.consumer.progress import Progress
from streamdns.metrics.registry import Registry
from streamdns.runtime.lifecycle import Supervisor
from streamdns.settings import Settings
from streamdns.view.view import View


class Status:
    """Reads the state from the parts that keep it; holds only the time of the start and whether the process stops."""

    def __init__(self, settings: Settings, view: View, progress: Progress, registry: Registry) -> None:
        self._settings, self._view, self._progress = settings, view, progress
        self._started = time.monotonic()
        self._stopping = False
        self.supervisor: Supervisor | None = None
        self.resolver = ResolverAdmin(None)
        self.divergence: Callable[[], list[str]] = list
        """One sentence for each node whose data are not what this node's are."""
        self.workers: Callable[[], list[WorkerState]] = list
        registry.callback("view.zones", lambda: progress.view.zones)
        registry.callback("view.nodes", lambda: progress.view.nodes)
        registry.callback("view.rrsets", lambda: progress.view.rrsets)
        registry.callback("view.records", lambda: progress.view.records)
        registry.callback("view.quarantined", lambda: progress.view.quarantined)
        registry.callback("view.conflicts", lambda: progress.view.conflicts)
        registry.callback("view.size_bytes", lambda: view.store.used_bytes())
        registry.callback("view.map_bytes", lambda: view.store.map_bytes())
        registry.callback("view.max_bytes", lambda: view.max_bytes)
        registry.callback("view.free_bytes", lambda: view.room().free_bytes)
        registry.callback("process.ready", lambda: int(not self.not_ready()))

    def stop(self) -> None:
        """Be not ready from now on: the process stops."""
        self._stopping = True

    def not_ready(self) -> list[str]:
        """Return why this node should get no queries; empty when it should."""
        progress = self._progress
        reasons = []
        if self._stopping:
            reasons.append("stopping")
        if not progress.complete:
            reasons.append("the view has not yet caught up with the log")
        if progress.stale:
            if progress.state == "view-full":
                why = "the view has been full"
            elif progress.held is not None and progress.left_behind:
                why = f"{self.held()}, and that has been so"
            else:
                why = "the log has been out of reach"
            reasons.append(f"{why} for longer than DNS_STALE_AFTER")
        for service in self.supervisor.statuses() if self.supervisor is not None else ():
            if service.essential and not service.ready:
                reasons.append(f"{service.name} is not ready" + (f": {service.error}" if service.error else ""))
        return reasons

    def held(self) -> str | None:
        """Say in one sentence why a rebuilt view does not take over; None where there is none that waits."""
        held = self._progress.held
        return None if held is None else f"a rebuilt view is held: {held.reason}"

    def line(self) -> str:
        """Return one line for `systemctl status`."""
        progress = self._progress
        view = progress.view
        services = self.supervisor.statuses() if self.supervisor is not None else ()
        waits = "".join(f"{service.error}; " for service in services if service.state == "waiting")
        lag = f"{progress.lag():.0f} {'entries' if progress.unit == 'ids' else progress.unit}"
        return f"{waits}{progress.state}; {view.zones} zones, {view.records} records; lag {lag}"

    def summary(self) -> NodeStatus:
        """Return the document of /v1/status."""
        progress = self._progress
        view = progress.view
        reasons = self.not_ready()
        return NodeStatus(
            version=__version__,
            instance=self._settings.instance_id,
            uptime=round(time.monotonic() - self._started, 3),
            ready=not reasons,
            not_ready_because=reasons,
            consumer=msgspec.convert(progress.summary(), ConsumerSummary),
            lag=lag(progress),
            positions=[
                PartitionPosition(
                    topic=topic,
                    partition=partition,
                    position=position,
                    end=progress.ends.get((topic, partition), position),
                    timestamp=progress.timestamps.get((topic, partition), 0),
                )
                for (topic, partition), position in sorted(progress.positions.items())
            ],
            view=self._view_status(),
            zones=view.zones,
            nodes=view.nodes,
            rrsets=view.rrsets,
            records=view.records,
            digest=view.digest.hex(),
            quarantine=view.quarantined,
            conflicts=view.conflicts,
            divergence=self.divergence(),
            dns_addresses=[str(address) for address in self._settings.address],
            resolver=self.resolver.summary(),
            workers=self.workers(),
            services=[
                ServiceState(
                    name=service.name, state=service.state, essential=service.essential, ready=service.ready,
                    restarts=service.restarts, error=service.error,
                )
                for service in (self.supervisor.statuses() if self.supervisor is not None else ())
            ],
        )

    def held_rebuild(self) -> HeldRebuild | None:
        """Return what is known of the rebuilt view that is held; None where there is none."""
        held, marker = self._progress.held, self._view.rebuild
        if held is None or marker is None:
            return None
        return HeldRebuild(
            id=marker.id, since=held.since_ms, reason=held.reason, zones=held.zones, rrsets=held.rrsets,
            zones_served=held.zones_served, rrsets_served=held.rrsets_served, added=held.added, changed=held.changed,
        )

    def _view_status(self) -> ViewStatus:
        rebuilds = self._progress.rebuild_summary()
        return ViewStatus(
            path=self._view.path,
            complete=self._progress.view.complete,
            bytes=self._view.store.used_bytes(),
            map_bytes=self._view.store.map_bytes(),
            rebuild=self._view.rebuild_reason or None,
            held=self.held_rebuild(),
            last_rebuild=msgspec.convert(rebuilds["last_rebuild"], LastRebuild | None),
            rebuild_refused=msgspec.convert(rebuilds["rebuild_refused"], RebuildRefusal | None),
        )


def lag(progress: Progress) -> Lag:
    """Return how much of the log is not applied yet, over all partitions."""
    return Lag(
        events=progress.lag_events(),
        events_estimated=progress.unit != "events",
        bytes=progress.lag_bytes(),
        seconds=round(progress.lag_s(), 3),
    )
