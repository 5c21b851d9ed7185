"""A worker: a process that loads its modules, waits until it is told what to be, and then answers queries.

It ends when the main process tells it to, or is gone.
"""

from __future__ import annotations

import _socket
import contextlib
import ctypes
import gc
import os
import signal
import socket
import time
from importlib import import_module
from typing import Any, Final

import gevent
import msgspec
from gevent.event import Event

from streamdns.admin.resolver import ResolverAdmin
from streamdns.errors import ApiError, StreamDNSError, ViewError
from streamdns.metrics.lateness import HubLateness
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import EXIT_FAILED, EXIT_OK, Supervisor
from streamdns.runtime.malloc import use_one_arena
from streamdns.runtime.unexpected import into_the_log
from streamdns.serving.answering import Answering
from streamdns.serving.listeners import listeners
from streamdns.settings import Settings
from streamdns.view.followed import FollowedView
from streamdns.workers.channel import Channel
from streamdns.workers.figures import Reporter
from streamdns.workers.messages import (
    Answers,
    Ask,
    Begin,
    Failed,
    Follow,
    FromWorker,
    Loaded,
    Reload,
    Stale,
    Stop,
    Told,
    decode_to_worker,
    encode,
    unpacked,
)
from streamdns.workers.shown import FirstAnswers

_log = logs.get("workers")
REPORT_S: Final = 0.2
_PR_SET_PDEATHSIG: Final = 1
_LAST_STANDARD: Final = 2
#: Signals that a terminal or systemd sends to all processes at once: the main process decides what follows of them.
_OF_THE_MAIN_PROCESS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_IGNORED: Final = (*_OF_THE_MAIN_PROCESS, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
#: The same as in the main process.
_GARBAGE: Final = (500, 2_000, 50)


def main(descriptor: int, parent: int, *, resolves: bool) -> int:
    """Be a worker of the process `parent`, which holds the other end of the socket `descriptor`; the exit status."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    # They were held back until here: a process that is loading would have ended by them.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _IGNORED)
    _end_with_parent(parent)
    _close_others(descriptor)
    if resolves:
        import_module("streamdns.resolver.service.answering")
        import_module("streamdns.resolver.service.from_settings")
    return _Worker(descriptor).run()


def _end_with_parent(parent: int) -> None:
    """Have the kernel end this process when the main one is gone, which a process that stands still would not see."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(EXIT_FAILED)


def _close_others(descriptor: int) -> None:
    """Close what a library of the main process left open for programs that it starts; ours never are."""
    os.set_inheritable(descriptor, False)
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if int(name) > _LAST_STANDARD and os.get_inheritable(int(name)):
                os.close(int(name))


class _Worker:
    """The state of a worker, and what the messages of the main process do."""

    def __init__(self, descriptor: int) -> None:
        self._begun = Event()
        self._begin: Begin | None = None
        self._answering: Answering | None = None
        self._supervisor: Supervisor | None = None
        self._view: FollowedView | None = None
        self._resolver = ResolverAdmin(None)
        self._stale = self._stopped = False
        self._number = 0
        self._channel = Channel(_socket.socket(fileno=descriptor), take=self._take, ended=_main_is_gone)

    def run(self) -> int:
        """Wait for what to be, and be it; the exit status."""
        use_one_arena()
        self._say(Loaded())
        gc.freeze()
        gc.set_threshold(*_GARBAGE)
        self._begun.wait()
        if self._begin is None or self._stopped:
            return EXIT_OK
        self._number, settings = self._begin.number, unpacked(self._begin.settings)
        self._set_up_logs(settings)
        with into_the_log():
            try:
                return self._work(settings)
            except (StreamDNSError, OSError) as err:
                self._say(Failed(str(err)))
            except Exception as err:  # noqa: BLE001 - the last edge: it leaves as a log line, too
                _log.error("app.unexpected", exc=err)
                self._say(Failed(str(err) or type(err).__name__))
            finally:
                logs.flush(at_end=True)
                self._channel.flush()
        return EXIT_FAILED

    def _set_up_logs(self, settings: Settings) -> None:
        logs.setup(settings.log_level, settings.log_format, fields={"worker": self._number})

    def _work(self, settings: Settings) -> int:
        self._bind_to_cpu(settings)
        registry = Registry()
        self._view = FollowedView(settings.pathdb, max_bytes=settings.view_max_bytes)
        wanted = listeners(settings).dns
        numbers = list(self._channel.descriptors)
        self._channel.descriptors.clear()
        for listener, number in zip(wanted, numbers, strict=True):
            listener.returned = socket.socket(fileno=number)
        first = FirstAnswers(self._view, time.time)
        self._answering = Answering(
            settings, wanted, take_snapshot=first.snapshot, registry=registry, propagation=first
        )
        self._resolver = ResolverAdmin(self._answering.recursor)
        lateness = HubLateness(registry)
        self._reporter = Reporter(registry, lateness.recent.most, first.take)
        self._supervisor = Supervisor(
            [*self._answering.services, lateness],
            stop_timeout_s=settings.stop_timeout_s,
            tick=self._tick,
            on_ready=lambda: self._say(Answers()),
        )
        if self._stopped:
            self._supervisor.stop()
        timer = gevent.get_hub().loop.timer(REPORT_S, REPORT_S)
        timer.start(self._report)
        try:
            return self._supervisor.run(handle_signals=False)
        finally:
            timer.stop()
            timer.close()
            self._report()
            self._view.close()

    def _bind_to_cpu(self, settings: Settings) -> None:
        cpus = settings.worker_cpus
        if not cpus:
            return
        cpu = cpus[(self._number - 1) % len(cpus)]
        try:
            os.sched_setaffinity(0, {cpu})
        except OSError as err:
            _log.warning("workers.cpu_missing", cpu=cpu, error=err.strerror or str(err))

    def _tick(self) -> None:
        """Called once a second: also looks for a generation that came unannounced."""
        if self._answering is not None:
            self._answering.tick(stale=self._stale)
        self._follow()

    def _follow(self) -> None:
        try:
            if self._view is not None and self._view.follow():
                _log.debug("workers.view_followed")
        except ViewError as err:
            _log.error("dns.view_unreadable", error=str(err))

    def _report(self) -> None:
        """Called a few times a second."""
        if self._view is not None:
            self._view.let_go()
        self._say(self._reporter.take())

    def _say(self, message: FromWorker) -> None:
        self._channel.send(encode(message))

    # -- messages, each in a callback of the event loop: no snapshot is open then

    def _take(self, data: bytes) -> None:
        message = decode_to_worker(data)
        match message:
            case Begin():
                self._begin, self._stale = message, message.stale
                self._begun.set()
            case Stop():
                self._stopped = True
                self._begun.set()
                if self._supervisor is not None:
                    self._supervisor.stop()
            case Reload():
                self._reload(message)
            case Stale():
                self._stale = message.stale
                if self._answering is not None:
                    self._answering.tick(stale=self._stale)
            case Follow():
                self._follow()
            case Ask():
                gevent.spawn(self._tell, message)

    def _reload(self, message: Reload) -> None:
        if self._answering is None:
            if self._begin is not None:  # It has not come to begin.
                self._begin.settings = message.settings
            return
        settings = unpacked(message.settings)
        self._set_up_logs(settings)
        self._answering.reload(settings)

    def _tell(self, asked: Ask) -> None:
        """Call what the main process asked for, and send what it returns."""
        method: Any = getattr(self._resolver, asked.method)
        try:
            told = Told(asked.number, msgspec.json.encode(method(**asked.arguments)))
        except ApiError as err:
            told = Told(asked.number, status=err.status, code=err.code, error=err.message)
        except Exception as err:  # noqa: BLE001 - the edge: whatever it is, the main process waits for an answer
            _log.error("app.unexpected", exc=err)
            told = Told(asked.number, status=500, code="internal", error=str(err) or type(err).__name__)
        self._say(told)


def _main_is_gone() -> None:
    """Nobody is left to answer for."""
    os._exit(EXIT_OK)
