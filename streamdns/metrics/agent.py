"""Sends flushes to the outputs; each has its own greenlet and a bounded queue, so that a slow one delays no other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from streamdns.metrics.flush import Flush
from streamdns.metrics.outputs import Output, Unwanted
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service

_log = logs.get("metrics")
_SEND_S = 10.0
_LAST_S = 1.0
_PAUSE_FIRST_S, _PAUSE_LAST_S = 1.0, 30.0


class _Stopped(BaseException):
    """Ends a send that takes too long at stop(); a BaseException, which no output takes for its own failure."""


class OutputService(Service):
    """Sends flushes to one output in order; when it is slow or down, flushes are lost and counted.

    `most` flushes wait at most; when there is one more, the oldest is lost.
    """

    def __init__(
        self,
        name: str,
        output: Output,
        *,
        registry: Registry,
        most: int,
        send_s: float = _SEND_S,
        pause_first_s: float = _PAUSE_FIRST_S,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"metrics {name}"
        self._label, self._output, self._most = name, output, most
        self._send_s, self._pause_first_s, self._elapsed_s = send_s, pause_first_s, elapsed_s
        self._pause_s = pause_first_s
        self._sent = registry.counter("metrics.sent", output=name)
        self._lost = registry.counter("metrics.lost", output=name)
        self._up = registry.gauge("metrics.output_up", output=name)
        self._waiting: deque[Flush] = deque()
        self._came, self._stopping, self._ended = Event(), Event(), Event()
        self._greenlet: Any = None
        self._failing = ""

    def offer(self, flush: Flush) -> None:
        """Queue a flush; never waits."""
        self._waiting.append(flush)
        self._trim()
        self._came.set()

    def _trim(self) -> None:
        while len(self._waiting) > self._most:
            self._lose(self._waiting.popleft())

    def _lose(self, flush: Flush) -> None:
        self._lost.add(len(flush.figures))

    def start(self) -> None:
        """Acquire nothing: run() opens what may come and go."""
        self._stopping.clear()
        self._ended.clear()

    def run(self) -> None:
        """Send flushes until stop(), then for a moment what is left."""
        self._greenlet = gevent.getcurrent()
        try:
            while not self._stopping.is_set():
                self._came.wait()
                self._came.clear()
                while self._waiting and not self._stopping.is_set():
                    if not self._send_next():
                        self._stopping.wait(self._pause_s)
                        self._pause_s = min(2 * self._pause_s, _PAUSE_LAST_S)
            while self._waiting and not self._failing:
                self._send_next()
        except _Stopped:
            pass
        finally:
            self._greenlet = None
            self._output.close()
            self._ended.set()

    def _send_next(self) -> bool:
        """Send the oldest flush; where that fails it stays in the queue, unless newer ones need its place."""
        flush = self._waiting.popleft()
        try:
            with gevent.Timeout(self._send_s, TimeoutError(f"it took nothing for {self._send_s:g} seconds")):
                self._output.send(flush)
        except OSError as err:
            self._waiting.appendleft(flush)
            self._trim()
            self._fails(err)
        except _Stopped:
            self._lose(flush)
            raise
        except Exception as err:  # noqa: BLE001 - whatever an output does, it is the end of one flush and of nothing else
            self._lose(flush)
            self._fails(err)
        else:
            self._works()
            self._sent.add(len(flush.figures))
            return True
        return False

    def _works(self) -> None:
        self._up.set(1)
        self._pause_s = self._pause_first_s
        if self._failing:
            self._failing = ""
            _log.info("metrics.output_recovered", output=self._label)

    def _fails(self, err: Exception) -> None:
        """Log the first failure of a series, not each of them."""
        self._up.set(0)
        self._output.close()
        if not self._failing:
            expected = isinstance(err, OSError | Unwanted)
            _log.warning("metrics.output_failed", exc=None if expected else err, output=self._label, error=_said(err))
        self._failing = _said(err)

    def stop(self) -> None:
        """Make run() send what is left and return, and end it where that takes too long."""
        self._stopping.set()
        self._came.set()
        greenlet = self._greenlet
        if greenlet is not None and not self._ended.wait(_LAST_S) and self._greenlet is greenlet:
            greenlet.kill(exception=_Stopped, block=False)


def _said(err: Exception) -> str:
    return getattr(err, "strerror", None) or str(err) or type(err).__name__
