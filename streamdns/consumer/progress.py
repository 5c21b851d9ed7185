"""The consumer's state, lag and counts: the consumer writes them here, status, metrics and /ready read them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from streamdns.consumer.propagation import Propagation
from streamdns.errors import BAD_EVENT_KINDS, SourceError
from streamdns.events.batch import Batch, Partition
from streamdns.metrics.registry import Registry
from streamdns.sources.base import Source
from streamdns.view.comparison import Differences
from streamdns.view.partition_digests import Mark
from streamdns.view.store import Position, State
from streamdns.view.view import Held
from streamdns.view.writer import Applied

STATES = ("connecting", "catching-up", "following", "reconnecting", "rebuilding", "held", "view-full")
ALARMS = ("log-replaced", "away-too-long", "log-too-slow", "stalled", "view-damaged", "no-room", "held", "deletes",
          "batch-passed-over", "zone-claimed")
_LOOK_EVERY_S = 1.0
_MARKS_KEPT = 256


class LastRebuild(NamedTuple):
    """The last rebuild, whose view serves since `time_s` (UNIX seconds).

    `differences` is None where there was nothing to compare it with. `request` is the id of the request that asked for
    it, "" for none.
    """

    time_s: float
    reason: str
    seconds: float
    differences: Differences | None
    request: str

    def summary(self) -> dict[str, Any]:
        """Return it in the form of /v1/status."""
        found = self.differences
        return {
            "time": int(self.time_s),
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
            "added": None if found is None else found.added,
            "removed": None if found is None else found.removed,
            "changed": None if found is None else found.changed,
            "same_data": None if found is None else found.same_data,
            "request": self.request,
        }


class Progress:
    """The progress of the consumer; it alone writes here, all within the event loop's thread.

    `state` is one of STATES; `since_s` UNIX seconds.
    """

    def __init__(self, registry: Registry, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.state = "connecting"
        self._started_s = self.since_s = now_s()
        self.error = ""
        self.last_alarm: tuple[float, str] | None = None
        self.last_contact_s: float | None = None
        self.held: Held | None = None
        """Why a rebuilt view does not take over yet; None while there is none that waits."""
        self._followed = False
        self.whole_s: float | None = None
        self.last_rebuild: LastRebuild | None = None
        self.last_refusal: tuple[str, str] | None = None
        self.complete = False
        self.rebuilding = False
        self.view = State()
        self._reading = State()
        self.positions: dict[Partition, int] = {}
        self.timestamps: dict[Partition, int] = {}
        self.ends: dict[Partition, int] = {}
        self.behind_since_s: float | None = None
        self.stale_after_s = float("inf")
        self.describe = ""
        self.details: dict[str, Any] = {}
        self.unit = "octets"
        self._looked_s = 0.0
        self._begun: tuple[float, int] | None = None
        """When the log was opened (UNIX seconds), or when its size was known first, and how much was done then."""
        self.marks: deque[Mark] = deque(maxlen=_MARKS_KEPT)
        """The last marks that were passed while following: what is read late may have been compacted meanwhile."""
        self._on_commit: list[Callable[[], None]] = []
        self._applied = registry.counter("consumer.applied")
        self._deletes = registry.counter("consumer.deletes")
        self._rejected = {kind: registry.counter("consumer.rejected", reason=kind) for kind in BAD_EVENT_KINDS}
        self._left_out = registry.counter("consumer.metadatas_left_out")
        self._alarms = {why: registry.counter("consumer.alarms", reason=why) for why in ALARMS}
        self.propagation = Propagation(registry, now_s)
        self._reconnects = registry.counter("consumer.reconnects")
        self._commits = registry.counter("view.commits")
        self._apply_seconds = registry.histogram("consumer.apply_seconds")
        self.rebuilds = registry.counter("consumer.rebuilds")
        registry.callback("consumer.lag_bytes", lambda: self._known(self.lag_bytes()))
        registry.callback("consumer.lag_events", lambda: self._known(self.lag_events()))
        registry.callback("consumer.lag_seconds", self.lag_s)
        registry.callback("consumer.held", lambda: int(self.held is not None))
        registry.callback("consumer.stale", lambda: int(self.stale))
        for state in STATES:
            registry.callback("consumer.state", partial(self._is_in, state), state=state)

    def _known(self, lag: float) -> float:
        """The lag of the last look, where the log can be looked at; LookupError leaves it out of the metrics."""
        if self.state == "reconnecting":
            raise LookupError("unknown is not zero")
        return lag

    def _is_in(self, state: str) -> int:
        return int(state == self.state)

    def _enter(self, state: str, error: str = "") -> None:
        if state != self.state:
            self.state, self.since_s = state, self._now_s()
        self.error = error

    def on_commit(self, tell: Callable[[], None]) -> None:
        """Call `tell` after every commit to the view that serves, and when another one serves; it must be quick."""
        self._on_commit.append(tell)

    def _tell(self) -> None:
        for tell in self._on_commit:
            tell()

    def serves(self, state: State, positions: Mapping[Partition, Position]) -> None:
        """Note which view serves from now on, by its counters and positions."""
        self.view = state
        self.complete = state.complete
        self.marks.clear()
        self._at(positions)
        self._tell()

    def _at(self, positions: Mapping[Partition, Position]) -> None:
        self.positions = {partition: each.next for partition, each in positions.items()}
        self.timestamps = {partition: each.timestamp for partition, each in positions.items()}

    def reads(self, state: State, *, rebuilding: bool, held: Held | None = None) -> None:
        """Note into which view the log is read from now on: the serving one, or one that a rebuild fills.

        `held`: that one is filled and waits.
        """
        self._reading, self.rebuilding, self.held = state, rebuilding, held

    @property
    def left_behind(self) -> bool:
        """True while the serving view gets nothing of the log that is read, because the view that does is held."""
        return self.held is not None and not self._followed

    def _busy(self) -> str:
        if self.held is not None:
            return "held"
        return "rebuilding" if self.rebuilding else "catching-up"

    def connected(self, source: Source, positions: Mapping[Partition, Position]) -> None:
        """Note that the log is open and is read from these positions on."""
        self._enter(self._busy(), "" if self.held is None else self.held.reason)
        self.describe, self.details, self.unit = source.describe(), source.details(), source.unit
        if not self.left_behind:
            self.last_contact_s = self._now_s()
        self._at(positions)
        extent = self._extent()
        self._begun = None if extent is None else (self._now_s(), extent[0])
        self._look(source)
        self.propagation.expects({topic for topic, _ in self.ends})

    def _look(self, source: Source) -> None:
        self.ends = source.ends()
        self._looked_s = self._now_s()

    def disconnected(self, error: str) -> None:
        """Note that the log cannot be read."""
        self._reconnects.add()
        self._enter("reconnecting", error)

    def full(self, error: str, source: Source | None) -> None:
        """Note that there is no room for the view; still ask the source for its ends, so that the lag is right."""
        if self.behind_since_s is None:
            self.behind_since_s = self._now_s()
        self._enter("view-full", error)
        if source is not None:
            try:
                self._look(source)
            except SourceError:
                pass  # The next read will raise it again.

    def recovered(self) -> None:
        """Note that there is room for the view again."""
        self._enter(self._busy(), "" if self.held is None else self.held.reason)

    def resumes(self, held: Held | None, *, followed: bool) -> None:
        """Note that a rebuilt view was held when the process before this one ended."""
        self.held, self._followed = held, followed

    def holds(self, held: Held, *, followed: bool) -> None:
        """Note that the rebuilt view may not serve yet, and why.

        Unless the serving view is kept up to date, too (`followed`), reads of the log do not make that fresh.
        """
        self.held, self._followed = held, followed
        self._enter("held", held.reason)

    def alarm(self, why: str, error: str) -> None:
        """Keep what an administrator must know even after it is over; `why` is one of ALARMS."""
        self._alarms[why].add()
        self.last_alarm = (self._now_s(), error)

    def rebuilt(self, rebuild: LastRebuild) -> None:
        """Note that a rebuilt view serves from now on."""
        self.held = None
        self.last_rebuild = rebuild

    def refused(self, request: str, why: str) -> None:
        """Note that the request with this id was refused."""
        self.last_refusal = (request, why)

    def applied(self, batch: Batch, applied: Applied, elapsed_s: float) -> None:
        """Count a batch that was committed to the view that is read into."""
        self.positions.update(batch.positions)
        self.timestamps.update(applied.timestamps)
        self._applied.add(applied.events)
        self._deletes.add(applied.deletes)
        for rejection in applied.rejections:
            self._rejected[rejection.kind].add()
        self._left_out.add(len(applied.left_out))
        self._commits.add()
        self._apply_seconds.observe(elapsed_s)
        self._reading = applied.state
        if not self.rebuilding:
            if self.complete:
                self.propagation.committed(batch.records, applied.rejections)
            self.view = applied.state
            if self.state == "following":
                self.marks.extend(applied.marks)
            self._tell()

    def applied_to_serving(self, batch: Batch, applied: Applied) -> None:
        """Count a batch that was committed to the serving view while a rebuild fills another one."""
        self._commits.add()
        self.propagation.committed(batch.records, applied.rejections)
        self.view = applied.state
        self._tell()

    def contact(self, source: Source, caught_up: bool) -> None:
        """Note that a read of the log was answered; `caught_up` as in Batch."""
        now_s = self._now_s()
        if not self.left_behind:
            self.last_contact_s = now_s
        self.details = source.details()
        if self._begun is None and (extent := self._extent()) is not None:
            self._begun = now_s, extent[0]
        if caught_up:
            self.behind_since_s = None
            self.ends = dict(self.positions)
            if not self.rebuilding:
                if not self.complete:
                    self.complete = True
                    self._tell()
                self._enter("following")
            return
        if self.behind_since_s is None:
            self.behind_since_s = now_s
        if now_s - self._looked_s > _LOOK_EVERY_S:
            self._look(source)

    def rebuild_summary(self) -> dict[str, Any]:
        """Return what status shows about the last rebuild and the last refused one."""
        last, refusal = self.last_rebuild, self.last_refusal
        return {
            "last_rebuild": None if last is None else last.summary(),
            "rebuild_refused": None if refusal is None else {"request": refusal[0], "reason": refusal[1]},
        }

    def lag(self) -> float:
        """Return how much of the log is not applied, by the ends last asked for, in the unit of its positions.

        Of positions that only have an order it is what the source counts, or 1 for every partition that is behind.
        """
        if self.unit == "ids":
            behind = sum(end > self.positions.get(partition, 0) for partition, end in self.ends.items())
            return max(behind, self.details.get("entries_behind") or 0) if behind else 0
        return sum(max(0, end - self.positions.get(partition, 0)) for partition, end in self.ends.items())

    def lag_bytes(self) -> float:
        """Return the lag in octets; 0 where positions count events."""
        return self.lag() if self.unit == "octets" else 0

    def lag_events(self) -> int:
        """Return the lag in events; where positions are octets, an estimate by the mean length of the events so far."""
        if self.unit != "octets":
            return int(self.lag())
        lag, read = self.lag(), sum(self.positions.values())
        seen = self._reading.applied + self._reading.rejected
        return 0 if not lag else max(1, round(lag * seen / read)) if read and seen else 1

    def lag_s(self) -> float:
        """Return the seconds since the view last held the whole log; 0 while it does, as far as can be known."""
        since_s = [] if self.behind_since_s is None else [self.behind_since_s]
        if self.left_behind or self.state == "reconnecting":
            since_s.append(self._fresh_s)
        return max(0.0, self._now_s() - min(since_s)) if since_s else 0.0

    @property
    def _fresh_s(self) -> float:
        """When the serving view last got what its log had; the start, where the log was not read since."""
        last_s = self._started_s if self.last_contact_s is None else self.last_contact_s
        return min(last_s, self.held.since_ms / 1000) if self.held is not None and self.left_behind else last_s

    @property
    def stale(self) -> bool:
        """True when the serving view got nothing from its log for longer than `stale_after_s`.

        That is so while the log cannot be read, the view is full, or a rebuilt view of another log is held. Where the
        log was never read, the time counts from the start.
        """
        waits = self.left_behind or self.state in ("reconnecting", "view-full")
        return waits and self._now_s() - self._fresh_s > self.stale_after_s

    @property
    def ready(self) -> bool:
        """True when answers come from a view that has once held the whole log and is not stale."""
        return self.complete and not self.stale

    def _extent(self) -> tuple[int, int] | None:
        """Return how much of the log is read and how much there is; None where that is not known.

        Of ids only the order counts: no share of them is a share of the events, but the source may count entries.
        """
        if self.unit != "ids":
            done = sum(self.positions.values())
            return done, max(done, sum(self.ends.values()))
        entries, behind = self.details.get("entries"), self.details.get("entries_behind")
        return None if entries is None or behind is None else (max(0, entries - behind), entries)

    def catch_up(self) -> dict[str, Any] | None:
        """Return how far a fill is, in the form of /v1/consumer; None where there is none, or its end is not known.

        The rate is that since the log was opened.
        """
        if self.state not in ("catching-up", "rebuilding") or self._begun is None:
            return None
        extent = self._extent()
        if extent is None:
            return None
        (done, end), (begun_s, begun) = extent, self._begun
        rate = max(0.0, (done - begun) / max(0.001, self._now_s() - begun_s))
        return {
            "done": done,
            "end": end,
            "percent": round(100 * done / end, 1) if end else 100.0,
            "per_second": round(rate, 1),
            "seconds_left": round((end - done) / rate, 1) if rate else None,
            "unit": "entries" if self.unit == "ids" else self.unit,
        }

    def summary(self) -> dict[str, Any]:
        """Return the consumer's part of /v1/status."""
        alarm = self.last_alarm
        return {
            "source": self.describe,
            "state": self.state,
            "since": int(self.since_s),
            "error": self.error,
            "alarm": None if alarm is None else {"time": int(alarm[0]), "reason": alarm[1]},
            "last_contact": None if self.last_contact_s is None else int(self.last_contact_s),
            "whole_at": None if self.whole_s is None else int(self.whole_s),
            "stale": self.stale,
            "catch_up": self.catch_up(),
            "details": self.details,
        }
