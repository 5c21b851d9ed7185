"""Services and the supervisor that starts them in order, restarts those that die, and stops them in reverse.

The supervisor is the only place that spawns long-lived greenlets; it knows no particular service. Signals only set
flags.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NamedTuple

import gevent
from gevent.event import Event

from streamdns.errors import NotYet, StreamDNSError
from streamdns.runtime import early_signals, logs
from streamdns.runtime.sdnotify import Notifier

EXIT_OK = 0
EXIT_FAILED = 1
BACKOFF_FIRST_S = 1.0
BACKOFF_LAST_S = 30.0
#: For what is not there yet, such as a port that another process has.
WAITING_LAST_S = 5.0
# A service that ran this long before it died starts again with the shortest pause.
_STEADY_S = 60.0
_TICK_S = 1.0
# After the deadline each service that is left still gets its stop() called, and this long to let go.
_LAST_CHANCE_S = 0.05

_log = logs.get("app")


class Service:
    """A part of the process that the supervisor starts, runs and stops. One that died is stopped and started again.

    start() acquires what the service cannot be without (opens, binds) and raises; run() is the body and blocks its
    greenlet until stop(); stop() is idempotent, may be called before start(), and makes run() return. What may come
    and go (a broker) belongs into run(): when start() fails at the first start, the process does not start.
    """

    name: str = ""
    essential: bool = False

    def start(self) -> None:
        """Acquire what the service needs (open, bind); raise if that fails."""

    def run(self) -> None:
        """Work until stop() is called; returning before counts as a failure."""
        raise NotImplementedError

    def stop(self) -> None:
        """Make run() return and release what start() acquired."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Return whether the service can do its work now."""
        return True


class ServiceStatus(NamedTuple):
    """The state of a service for status pages: new, running, waiting (to be restarted), failed or stopped."""

    name: str
    essential: bool
    state: str
    ready: bool
    restarts: int
    error: str


class _Watched:
    """A service with the greenlet of its body and its history."""

    __slots__ = ("error", "greenlet", "restarts", "service", "state")

    def __init__(self, service: Service) -> None:
        self.service = service
        self.greenlet: gevent.Greenlet | None = None
        self.state = "new"
        self.restarts = 0
        self.error = ""


class Supervisor:
    """Runs services until a signal, stop(), or the death of an essential one.

    Hooks: `not_ready` is called first when the process stops; `reload` at SIGHUP; `tick` about every second from the
    main loop (keep it short); `status` gives the line for `systemctl status`. `on_ready` is told that the services run
    in place of systemd and the log, which for one process of several is for another one to say.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        stop_timeout_s: float = 5.0,
        notifier: Notifier | None = None,
        watchdog_s: float | None = None,
        not_ready: Callable[[], None] | None = None,
        reload: Callable[[], None] | None = None,
        tick: Callable[[], None] | None = None,
        status: Callable[[], str] | None = None,
        on_ready: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = gevent.sleep,
    ) -> None:
        self._watched = [_Watched(service) for service in services]
        self._stop_timeout_s, self._clock, self._sleep = stop_timeout_s, clock, sleep
        self._notifier = notifier or Notifier(None)
        self._tick_s = _TICK_S if watchdog_s is None else min(_TICK_S, watchdog_s / 2)
        self._watchdog = watchdog_s is not None
        self._not_ready, self._reload, self._tick, self._status = not_ready, reload, tick, status
        self._on_ready = on_ready
        self._wake = Event()
        self._stop_asked = self._reload_asked = self._stopping = False
        self._cause = ""
        self._dead: str | None = None
        self._told_ready = False
        self.overdue: tuple[str, ...] = ()
        """Names of the services that did not stop before the deadline: their native threads may still be at work."""

    def statuses(self) -> tuple[ServiceStatus, ...]:
        """Return the state of every service, in the order of their start."""
        return tuple(
            ServiceStatus(w.service.name, w.service.essential, w.state, w.state == "running" and w.service.ready(),
                          w.restarts, w.error)
            for w in self._watched
        )

    def stop(self, cause: str = "asked") -> None:
        """Make run() stop everything and return."""
        self._stop_asked, self._cause = True, self._cause or cause
        self._wake.set()

    def run(self, *, handle_signals: bool = True) -> int:
        """Start, work, stop; returns 0 after a signal or stop(), 1 after the death of an essential service.

        Raises what a service's start() raised, after the services started before it were stopped.
        """
        restore = self._install_signals() if handle_signals else None
        try:
            self._start()
            self._main_loop()
            self._stop()
        finally:
            if restore is not None:
                restore()
        return EXIT_OK if self._dead is None else EXIT_FAILED

    def _start(self) -> None:
        for index, watched in enumerate(self._watched):
            if self._stop_asked:
                return
            failure: NotYet | None = None
            try:
                watched.service.start()
            except NotYet as error:
                failure = error
            except BaseException:
                watched.state = "failed"
                # What a failed start() left half-open is for its own stop() to release.
                self._stop_services(self._watched[: index + 1])
                raise
            if failure is None:
                watched.state = "running"
                _log.debug("service.started", service=watched.service.name)
            else:
                self._waits(watched, failure)
            watched.greenlet = gevent.spawn(self._watch, watched)

    def _waits(self, watched: _Watched, failure: NotYet) -> None:
        """What a service needs is not there yet: said once, and again when the reason is another one."""
        if watched.error != str(failure):
            name = watched.service.name
            _log.error("service.waiting", service=name, error=str(failure), repeat_key=name)
        watched.state, watched.error = "waiting", str(failure)

    def _start_late(self, watched: _Watched) -> BaseException | None:
        """Try again until what a service needs is there; what ended that, if anything did."""
        pause_s = BACKOFF_FIRST_S
        while not self._stopping:
            self._sleep(pause_s)
            pause_s = min(pause_s * 2, WAITING_LAST_S)
            failure = _failure_of(watched.service.start)
            if failure is None:
                watched.state, watched.error = "running", ""
                self._wake.set()
                return None
            _failure_of(watched.service.stop)
            if not isinstance(failure, NotYet):
                return failure
            self._waits(watched, failure)
        return None

    def _tell_ready(self) -> None:
        """READY, once: as soon as one of the services that the process is there for runs."""
        essential = [watched for watched in self._watched if watched.service.essential]
        if self._told_ready or (essential and not any(
            watched.state == "running" and watched.service.ready() for watched in essential
        )):
            return
        self._told_ready = True
        if self._on_ready is not None:
            self._on_ready()
            return
        self._notifier.ready()
        _log.info("app.ready")

    def look(self) -> None:
        """Have the main loop look at everything now, because a service has become ready, say."""
        self._wake.set()

    def _main_loop(self) -> None:
        while not self._stop_asked and self._dead is None:
            self._tell_ready()
            if self._reload_asked:
                self._reload_asked = False
                self._run_reload()
            self._notifier.settle()
            if self._watchdog:
                self._notifier.watchdog()
            if self._status is not None:
                _call_hook("status", self._tell_status)
            if self._tick is not None:
                _call_hook("tick", self._tick)
            logs.flush()
            # With a timeout: a wait with nothing but signal watchers in the loop raises LoopExit.
            self._wake.wait(timeout=self._tick_s)
            self._wake.clear()

    def _tell_status(self) -> None:
        if self._status is not None:
            self._notifier.status(self._status())

    def _run_reload(self) -> None:
        self._notifier.reloading()
        try:
            if self._reload is not None:
                self._reload()
        except Exception as error:  # noqa: BLE001 - a reload that fails must not end a server that works
            _log.warning("app.reload_failed", exc=None if isinstance(error, StreamDNSError) else error,
                         error=str(error) or type(error).__name__)
        if self._told_ready:
            self._notifier.ready()

    def _watch(self, watched: _Watched) -> None:
        """Run a service in its greenlet, and restart it with growing pauses unless it is essential."""
        service, pause_s = watched.service, BACKOFF_FIRST_S
        failure = self._start_late(watched) if watched.state == "waiting" else None
        while True:
            began_s = self._clock()
            if failure is None and not self._stopping:
                failure = _failure_of(service.run)
            while not self._stopping:
                if failure is None:
                    failure = RuntimeError("the service ended although nobody stopped it")
                watched.error = str(failure) or type(failure).__name__
                if self._clock() - began_s >= _STEADY_S:
                    pause_s = BACKOFF_FIRST_S
                if not self._will_restart(watched, failure, pause_s):
                    return
                self._sleep(pause_s)
                pause_s = min(pause_s * 2, BACKOFF_LAST_S)
                began_s = self._clock()
                failure = _failure_of(service.start)
                if failure is None:
                    break
            if self._stopping:
                return
            watched.state = "running"
            watched.restarts += 1
            _log.info("service.restarted", service=service.name, restarts=watched.restarts)

    def _will_restart(self, watched: _Watched, failure: BaseException, pause_s: float) -> bool:
        """Log the death of a service and release it; returns False for an essential one, which ends the process."""
        service = watched.service
        trace = None if isinstance(failure, StreamDNSError) else failure
        if service.essential:
            watched.state = "failed"
            _log.error("service.failed", exc=trace, service=service.name, error=watched.error, essential=True)
            self._dead = service.name
            self._cause = self._cause or f"{service.name} died"
            self._wake.set()
            return False
        watched.state = "waiting"
        _log.error("service.failed", exc=trace, service=service.name, error=watched.error, retry_s=pause_s,
                   repeat_key=service.name)
        released = _failure_of(service.stop)
        if released is not None:
            _log.error("service.failed", exc=released, service=service.name, repeat_key=service.name)
        return True

    def _stop(self) -> None:
        if self._on_ready is None:
            _log.info("app.stopping", cause=self._cause)
        self._notifier.stopping()
        if self._not_ready is not None:
            _call_hook("not_ready", self._not_ready)
        self._stop_services(self._watched)
        logs.flush(at_end=True)
        if self._on_ready is None:
            _log.info("app.stopped")

    def _stop_services(self, watched: Sequence[_Watched]) -> None:
        """Stop services in reverse order, each before those it depends on, with one deadline for all."""
        self._stopping = True
        deadline_s = self._clock() + self._stop_timeout_s
        overdue = []
        for one in reversed(watched):
            if one.state == "new":
                continue
            waits = one.state == "waiting"
            if waits and one.greenlet is not None:
                one.greenlet.kill(block=False)
            stopper = gevent.spawn(_failure_of, one.service.stop)
            late = False
            for greenlet in filter(None, (stopper, one.greenlet)):
                greenlet.join(timeout=max(deadline_s - self._clock(), _LAST_CHANCE_S))
                if not greenlet.dead:
                    late = True
                    greenlet.kill(block=False)
            if late:
                overdue.append(one.service.name)
                _log.warning("service.stop_timeout", service=one.service.name, repeat_key=one.service.name)
            elif stopper.value is not None:
                _log.error("service.failed", exc=stopper.value, service=one.service.name, repeat_key=one.service.name)
            else:
                _log.debug("service.stopped", service=one.service.name)
            one.state = "failed" if one.state == "failed" else "stopped"
        self.overdue = tuple(overdue)

    def _install_signals(self) -> Callable[[], None]:
        """Let SIGTERM, SIGINT and SIGHUP set flags and wake the main loop; a second SIGTERM or SIGINT ends at once.

        A SIGHUP that came while modules were loaded counts, too. Returns a function that restores the handlers that
        were there before.
        """
        waker = gevent.get_hub().loop.async_()
        waker.start(self._wake.set)

        def ask_stop(number: int, frame: FrameType | None) -> None:
            if self._stop_asked:
                os._exit(128 + number)
            self._stop_asked, self._cause = True, signal.Signals(number).name
            waker.send()

        def ask_reload(number: int, frame: FrameType | None) -> None:
            self._reload_asked = True
            waker.send()

        # Handlers of the interpreter, not gevent's watchers: these run even where a greenlet never yields.
        before = {
            number: signal.signal(number, handler)
            for number, handler in ((signal.SIGTERM, ask_stop), (signal.SIGINT, ask_stop), (signal.SIGHUP, ask_reload))
        }

        self._reload_asked = early_signals.take_hangup()

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)
            waker.stop()
            waker.close()

        return restore


def _call_hook(name: str, hook: Callable[[], None]) -> None:
    failure = _failure_of(hook)
    if failure is not None:
        _log.error("app.hook_failed", exc=failure, hook=name, repeat_key=name)


def _failure_of(call: Callable[[], None]) -> BaseException | None:
    """Call a service's method and return what it raised, or None: failures of services end in the supervisor."""
    try:
        call()
    except gevent.GreenletExit:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit in a service is its death, not the process's
        return error
    return None
