"""The service of the main process that keeps the workers: makes their sockets, starts and watches them, replaces those
that die or hang, and gathers what they count.

One process more than there are workers waits in reserve with everything loaded, so that a worker is replaced within
some hundredths of a second.
"""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import gevent
from gevent.event import AsyncResult, Event

from streamdns.admin.schema.state import WorkerState
from streamdns.errors import ApiError
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service
from streamdns.runtime.listening import InetListener
from streamdns.settings import Settings
from streamdns.workers.figures import Gathered, Levels
from streamdns.workers.messages import (
    Answers,
    Ask,
    Begin,
    Follow,
    FromWorker,
    Reload,
    Report,
    Stale,
    Stop,
    Told,
    ToWorker,
    packed,
)
from streamdns.workers.pauses import Pauses
from streamdns.workers.shares import share_of
from streamdns.workers.worker import Process

_log = logs.get("workers")
#: So often in the time that a worker may be silent it is looked whether it said something.
_LOOKS: Final = 5
_REAP_S: Final = 0.002
#: For how long a worker that is replaced makes the node not unready: balancers need not see it.
_GRACE_S: Final = 1.0
_LOADING_S: Final = 60.0
#: The part of the time for all services to stop that workers get before they are killed.
_PATIENCE: Final = 0.7


class _Seat:
    """The place of one worker: its sockets stay, and its processes come and go."""

    def __init__(self, number: int, listeners: Sequence[InetListener], registry: Registry, now_s: float) -> None:
        self.number, self.listeners = number, listeners
        self.sockets: list[socket.socket] = []
        self.process: Process | None = None
        self.state, self.since_s = "waiting", now_s
        self.error = ""
        self.restarts = self.queries = 0
        self.due_s = 0.0
        self.lost_s = float("-inf")
        """When its last process ended."""
        self.pauses = Pauses(at_once=True)
        self.begun_s = now_s
        """When its process became the worker."""
        self.cpu_s = 0.0
        self.levels: Levels = {}
        self.asked: dict[int, AsyncResult] = {}
        worker = str(number)
        self.up = registry.gauge("workers.up", worker=worker)
        self.restarted = registry.counter("workers.restarts", worker=worker)
        self.queried = registry.counter("workers.queries", worker=worker)
        self.cpu = registry.counter("workers.cpu_seconds", worker=worker)
        self.resident = registry.gauge("workers.resident_bytes", worker=worker)
        self.late = registry.gauge("workers.hub_late_max_seconds", worker=worker)
        self.up.set(0)

    def enter(self, state: str, now_s: float) -> None:
        """Note what it does from now on."""
        self.state, self.since_s = state, now_s
        self.up.set(int(state == "answering"))

    def count(self, report: Report, levels: Levels) -> None:
        """Note what a report says of this worker alone."""
        queries = int(sum(delta for name, _, delta in report.counts if name == "dns.queries"))
        self.queries += queries
        self.queried.add(queries)
        self.cpu.add(report.cpu_s - self.cpu_s)
        self.cpu_s, self.levels = report.cpu_s, levels
        self.resident.set(report.resident_bytes)
        self.late.set(report.late_s)


class Crew(Service):
    """The workers of a node. `listeners` are the sockets of all of them, one set after the other.

    `on_change` is called when one begins or ceases to answer, `on_death` when a process is gone, `on_first_answers`
    with what a report says of them.
    """

    name = "workers"
    essential = True

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[InetListener],
        *,
        registry: Registry,
        environment: Mapping[str, str],
        on_change: Callable[[], None] = lambda: None,
        on_death: Callable[[], None] = lambda: None,
        on_first_answers: Callable[[list[tuple[str, int, float]]], None] = lambda first: None,
        clock: Callable[[], float] = time.monotonic,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._environment = settings, dict(environment)
        self._on_change, self._on_death, self._clock, self._now_s = on_change, on_death, clock, now_s
        self._on_first_answers = on_first_answers
        size = len(listeners) // settings.workers
        self._seats = [
            _Seat(index + 1, listeners[index * size:(index + 1) * size], registry, clock())
            for index in range(settings.workers)
        ]
        self._gathered = Gathered(registry, lambda: [seat.levels for seat in self._seats])
        self._reserve: dict[Process, float] = {}
        """Processes that are no workers yet, and when they were started."""
        self._spawn_due_s = 0.0
        self._spawn_pauses = Pauses(at_once=False)
        self._looked_s = 0.0
        self._stale = False
        self._numbers = itertools.count(1)
        self._wake = Event()
        self._stopping = False

    # -- life

    def start(self) -> None:
        """Open all sockets and begin to start the workers; raises ConfigError and NotYet."""
        self._stopping = False
        try:
            for seat in self._seats:
                for listener in seat.listeners:
                    seat.sockets.append(listener.open())
        except BaseException:
            self._close_sockets()
            raise
        self._look()

    def run(self) -> None:
        """Watch the workers until stop()."""
        while not self._stopping:
            self._wake.wait(self._look())
            self._wake.clear()

    def stop(self) -> None:
        """Have all workers answer what has arrived, and end them; then close the sockets."""
        self._stopping = True
        self._wake.set()
        self._tell_all(Stop())
        for process in self._reserve:
            process.kill("")  # It has nothing to end.
        end_s = self._clock() + _PATIENCE * self._settings.stop_timeout_s
        while left := [process for process in self._processes() if not process.reap()]:
            if self._clock() > end_s:
                for process in left:
                    process.kill("did not stop")
                end_s = float("inf")
                _log.warning("workers.killed", pids=[process.pid for process in left])
            gevent.sleep(_REAP_S)
        self._reserve.clear()
        for seat in self._seats:
            seat.process, seat.levels = None, {}
            seat.enter("stopped", self._clock())
        self._close_sockets()

    def ready(self) -> bool:
        """Return whether queries are answered: by every worker but those that were just lost and are replaced."""
        answering = [seat for seat in self._seats if seat.state == "answering"]
        late_s = self._clock() - _GRACE_S
        return bool(answering) and all(seat in answering or seat.lost_s > late_s for seat in self._seats)

    def _close_sockets(self) -> None:
        for seat in self._seats:
            for sock in seat.sockets:
                sock.close()
            seat.sockets.clear()

    def _processes(self) -> list[Process]:
        return [*(seat.process for seat in self._seats if seat.process is not None), *self._reserve]

    # -- what the rest of the main process tells the workers

    def reload(self, settings: Settings) -> None:
        """Pass on settings that are in effect from now on."""
        self._settings = settings
        self._tell_all(Reload(packed(share_of(settings))))

    def mark_stale(self, stale: bool) -> None:
        """Have answers marked as stale from now on, or not any more."""
        if stale != self._stale:
            self._stale = stale
            self._tell_all(Stale(stale))

    def follow(self) -> None:
        """Have all workers answer from the generation of the view that serves now."""
        self._tell_all(Follow())

    def _tell_all(self, message: ToWorker) -> None:
        for seat in self._seats:
            if seat.process is not None:
                seat.process.say(message)

    # -- what the admin API wants to know

    def states(self) -> list[WorkerState]:
        """Return the state of every worker."""
        now_s, clock_s = self._now_s(), self._clock()
        return [
            WorkerState(
                number=seat.number, pid=None if seat.process is None else seat.process.pid, state=seat.state,
                since=int(now_s - (clock_s - seat.since_s)), restarts=seat.restarts, queries=seat.queries,
                error=seat.error,
            )
            for seat in self._seats
        ]

    def answering(self) -> list[int]:
        """Return the numbers of the workers that answer."""
        return [seat.number for seat in self._seats if seat.state == "answering"]

    def ask(self, worker: int, method: str, arguments: Mapping[str, str | int | bool], *, timeout_s: float) -> bytes:
        """Call a method of a worker's ResolverAdmin; what it returns, as JSON. Raises ApiError."""
        seat = self._seats[worker - 1]
        if seat.process is None:
            raise ApiError(503, "unavailable", f"worker {worker} does not answer now")
        number = next(self._numbers)
        result = seat.asked[number] = AsyncResult()
        seat.process.say(Ask(number, method, dict(arguments)))
        try:
            told = result.get(timeout=timeout_s)
        except gevent.Timeout:
            raise ApiError(503, "unavailable", f"worker {worker} does not answer now") from None
        finally:
            seat.asked.pop(number, None)
        assert isinstance(told, Told)
        if told.status:
            raise ApiError(told.status, told.code, told.error)
        return told.document

    # -- watching

    def _look(self) -> float:
        """Do what is due; after how many seconds something may be again."""
        if self._stopping:
            return 0.0
        now_s = self._clock()
        every_s = self._settings.worker_timeout_s / _LOOKS
        if now_s - self._looked_s >= every_s:
            self._looked_s = now_s
            self._look_for_hangs()
        pause_s = every_s
        for process in self._processes():
            if process.gone:
                process.kill("")  # It has let go of us, so it is of no use.
                if not self._buried(process):
                    pause_s = _REAP_S
        for seat in self._seats:
            if seat.process is None:
                pause_s = min(pause_s, self._fill(seat, now_s))
        return min(pause_s, self._keep_reserve(now_s))

    def _look_for_hangs(self) -> None:
        allowed_s = self._settings.worker_timeout_s
        for seat in self._seats:
            process = seat.process
            if process is not None:
                # By looks and not by the clock: where this process stood still, nobody was silent.
                process.silent += 1
                if process.silent > _LOOKS:
                    process.kill(f"gave no sign of life for {allowed_s:g} s")
        for process, began_s in self._reserve.items():
            if not process.loaded and self._clock() - began_s > _LOADING_S:
                process.kill(f"did not load within {_LOADING_S:g} s")

    def _buried(self, process: Process) -> bool:
        """Note the end of a process that is gone; False where it is still about to end."""
        if not process.reap():
            return False
        self._on_death()
        if self._reserve.pop(process, None) is not None:
            self._spawn_failed(process.error)
            return True
        seat = next(seat for seat in self._seats if seat.process is process)
        now_s = self._clock()
        pause_s = seat.pauses.after(now_s - seat.begun_s)
        seat.process, seat.levels, seat.cpu_s = None, {}, 0.0
        seat.lost_s, seat.due_s, seat.error = now_s, now_s + pause_s, process.error
        seat.resident.set(0)
        seat.enter("waiting", now_s)
        unavailable = ApiError(503, "unavailable", f"worker {seat.number} has ended")
        for result in seat.asked.values():
            result.set_exception(unavailable)
        _log.error(
            "workers.died", worker=seat.number, pid=process.pid, error=process.error, retry_s=pause_s,
            repeat_key=str(seat.number),
        )
        self._on_change()
        return True

    def _fill(self, seat: _Seat, now_s: float) -> float:
        """Make a process that is in reserve the worker of this place; after how many seconds to look again."""
        if seat.due_s > now_s:
            return seat.due_s - now_s
        process = next((each for each in self._reserve if each.loaded and not each.gone), None)
        if process is None:
            return _LOADING_S  # Whatever is loaded says so.
        del self._reserve[process]
        seat.process = process
        process.take = partial(self._said, seat)
        process.silent, seat.begun_s = 0, now_s
        seat.enter("starting", now_s)
        process.say(
            Begin(seat.number, packed(share_of(self._settings)), self._stale),
            [sock.fileno() for sock in seat.sockets],
        )
        return _LOADING_S

    def _keep_reserve(self, now_s: float) -> float:
        """Start processes: one for each place that is empty, else one for the next that will be; after how many seconds
        to look again.
        """
        wanted = max(1, sum(seat.process is None for seat in self._seats))
        while len(self._reserve) < wanted:
            if self._spawn_due_s > now_s:
                return self._spawn_due_s - now_s
            try:
                process = Process(
                    self._environment, resolves=bool(self._settings.recursion_allow), changed=self._wake.set
                )
            except OSError as err:
                self._spawn_failed(err.strerror or str(err))
                continue
            self._reserve[process] = now_s
        return _LOADING_S

    def _spawn_failed(self, error: str) -> None:
        """Wait longer each time before another process is started."""
        pause_s = self._spawn_pauses.after(0.0)
        self._spawn_due_s = self._clock() + pause_s
        _log.error("workers.start_failed", error=error, retry_s=pause_s)

    def _said(self, seat: _Seat, message: FromWorker) -> None:
        match message:
            case Report():
                seat.count(message, self._gathered.add(message))
                self._on_first_answers(message.first_answers)
            case Answers():
                self._spawn_pauses = Pauses(at_once=False)
                if seat.error:
                    seat.restarts += 1
                    seat.restarted.add()
                seat.error = ""
                seat.enter("answering", self._clock())
                assert seat.process is not None
                _log.info("workers.answers", worker=seat.number, pid=seat.process.pid, restarts=seat.restarts)
                self._on_change()
            case Told():
                if message.number in seat.asked:
                    seat.asked[message.number].set(message)
