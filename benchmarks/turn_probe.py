"""Finds out what long turns of the event loop are made of: work, waiting, garbage collection, or page faults.

`Probe` runs within the server that is measured. `idle_gaps` runs beside none: what even an idle loop sees is the
machine's.
"""

from __future__ import annotations

import gc
import resource
import signal
import time
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

import greenlet

LONG_S: Final = 0.001
#: From so far into a turn on, and so often, it is noted where the thread is: turns that are short are not disturbed.
_FIRST_SAMPLE_S: Final = 0.000_3
_SAMPLE_S: Final = 0.000_2
#: Enough to know; a thread that waits for long would take a good part of its time for more.
_MOST_SAMPLES: Final = 12
_DEPTH: Final = 6


class Turn(NamedTuple):
    """One long turn. `cpu_ms` is the loop's thread alone; `wall_ms` has its waiting in it, for a processor or the GIL.

    `pieces` counts what ran in it, stints of greenlets and callbacks of the loop; `piece_ms` and `piece` are the
    longest of these. `garbage_ms` is all of `generation` and below, `faults` counts new pages.
    """

    at_s: float
    cpu_ms: float
    wall_ms: float
    garbage_ms: float
    generation: int
    pieces: int
    piece_ms: float
    piece: str
    faults: int
    preempted: int
    where: str

    def line(self) -> str:
        """It as a line of a file."""
        return "\t".join(f"{each:.3f}" if isinstance(each, float) else str(each) for each in self) + "\n"

    @classmethod
    def parse(cls, line: str) -> Turn:
        """Read such a line."""
        at_s, cpu, wall, garbage, generation, pieces, piece_ms, piece, faults, preempted, where = (
            line.rstrip("\n").split("\t")
        )
        return cls(float(at_s), float(cpu), float(wall), float(garbage), int(generation), int(pieces),
                   float(piece_ms), piece, int(faults), int(preempted), where)

    def cause(self) -> str:
        """Name what the turn is made of for the most part."""
        if self.cpu_ms <= LONG_S * 1000:
            return "waiting"
        if self.garbage_ms > self.cpu_ms / 2:
            return f"garbage, generation {self.generation}"
        if self.piece_ms > self.cpu_ms / 2:
            return "one piece"
        return f"{self.pieces} pieces"


class Probe:
    """Writes a line for each turn of the hub's loop of this thread that is long by its CPU time or by the clock."""

    def __init__(self, path: str) -> None:
        self._out = open(path, "w", buffering=1)  # noqa: SIM115 - until the process is killed
        self._began_s: float | None = None
        self._wall_s = self._garbage_s = self._garbage_began_s = 0.0
        self._generation = -1
        self._piece_began_s = self._longest_s = 0.0
        self._longest: Any = None
        self._runs: Any = None
        self._callback: Any = None
        self._pieces = 0
        self._usage: Any = None
        self._seen: list[tuple[CodeType, ...]] = []

    def start(self) -> None:
        """Measure from now on; before there is a hub, so that its loop tells of its callbacks."""
        import gevent

        gevent.config.loop = _telling_loop(self)
        loop = gevent.get_hub().loop
        # First behind the wait for sockets, and last before it: gevent runs what was spawned, or slept, in between.
        self._watchers = loop.check(priority=loop.MAXPRI), loop.prepare(priority=loop.MINPRI)
        self._watchers[0].start(self._begins)
        self._watchers[1].start(self._ends)
        gc.callbacks.append(self._collects)
        greenlet.settrace(self._switched)
        signal.signal(signal.SIGALRM, self._sampled)

    def _begins(self) -> None:
        self._seen.clear()
        self._garbage_s, self._generation, self._pieces, self._longest_s, self._longest = 0.0, -1, 1, 0.0, None
        self._usage = resource.getrusage(resource.RUSAGE_THREAD)
        signal.setitimer(signal.ITIMER_REAL, _FIRST_SAMPLE_S, _SAMPLE_S)
        self._wall_s = time.perf_counter()
        self._began_s = self._piece_began_s = time.thread_time()

    def _ends(self) -> None:
        if self._began_s is None:
            return
        now_s = time.thread_time()
        taken_s, wall_s = now_s - self._began_s, time.perf_counter() - self._wall_s
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._began_s = None
        if taken_s <= LONG_S and wall_s <= LONG_S:
            return
        self._piece_over(now_s)
        usage = resource.getrusage(resource.RUSAGE_THREAD)
        places = [code for stack in self._seen for code in stack[:1]]
        most = max(set(places), key=places.count, default=None)
        stack = next((stack for stack in self._seen if stack[0] is most), ())
        self._out.write(Turn(
            time.monotonic(), taken_s * 1000, wall_s * 1000, self._garbage_s * 1000, self._generation, self._pieces,
            self._longest_s * 1000, _name(self._longest), usage.ru_minflt - self._usage.ru_minflt,
            usage.ru_nivcsw - self._usage.ru_nivcsw, " < ".join(map(_place, stack)),
        ).line())

    def _piece_over(self, now_s: float) -> None:
        if now_s - self._piece_began_s >= self._longest_s:
            self._longest_s, self._longest = now_s - self._piece_began_s, self._runs

    def _next_piece(self, runs: Any) -> None:
        if self._began_s is not None:
            now_s = time.thread_time()
            self._piece_over(now_s)
            self._piece_began_s = now_s
            self._pieces += 1
        self._runs = runs

    def called(self, callback: Any) -> None:
        """The loop calls this now; None where it is done."""
        self._callback = callback
        self._next_piece(callback)

    def _switched(self, event: str, arguments: tuple[Any, Any]) -> None:
        # What a greenlet runs is forgotten when it ends; the hub has none of its own, and goes on with its callback.
        self._next_piece(getattr(arguments[1], "_run", self._callback))

    def _collects(self, phase: str, facts: dict[str, int]) -> None:
        if phase == "start":
            self._garbage_began_s = time.thread_time()
        else:
            self._garbage_s += time.thread_time() - self._garbage_began_s
            self._generation = max(self._generation, facts["generation"])

    def _sampled(self, _: int, frame: FrameType | None) -> None:
        stack: list[CodeType] = []
        while frame is not None and len(stack) < _DEPTH:
            stack.append(frame.f_code)
            frame = frame.f_back
        if stack:
            self._seen.append(tuple(stack))
        if len(self._seen) >= _MOST_SAMPLES:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _place(code: CodeType) -> str:
    return f"{code.co_filename.rpartition('/')[2]}:{code.co_name}"


def _name(ran: Any) -> str:
    """The name of what a greenlet runs, or of a callback of the loop."""
    return getattr(ran, "__qualname__", "") or "the loop"


def _telling_loop(probe: Probe) -> type[Any]:
    """A loop as gevent's own one whose watchers tell the probe when a callback begins and ends."""
    from gevent.libev import corecext

    def told(callback: Any) -> Any:
        def run(*arguments: Any) -> None:
            probe.called(callback)
            callback(*arguments)
            probe.called(None)

        return run

    class Io(corecext.io):  # type: ignore[misc]
        def start(self, callback: Any, *arguments: Any, **options: Any) -> None:
            super().start(told(callback), *arguments, **options)

    class Timer(corecext.timer):  # type: ignore[misc]
        def start(self, callback: Any, *arguments: Any, **options: Any) -> None:
            super().start(told(callback), *arguments, **options)

    class Loop(corecext.loop):  # type: ignore[misc]
        def io(self, fd: int, events: int, ref: bool = True, priority: int | None = None) -> Io:
            return Io(self, fd, events, ref, priority)

        def timer(
            self, after: float, repeat: float = 0.0, ref: bool = True, priority: int | None = None
        ) -> Timer:
            return Timer(self, after, repeat, ref, priority)

    return Loop


def idle_gaps(seconds: float) -> list[float]:
    """Look at the clocks for so long and do nothing else; the CPU times (ms) between two looks that were long.

    These are interruptions that the kernel or the machine below it counts as work of whoever runs.
    """
    ends_s = time.perf_counter() + seconds
    found, before_s = [], time.thread_time()
    while time.perf_counter() < ends_s:
        now_s = time.thread_time()
        if now_s - before_s > LONG_S:
            found.append((now_s - before_s) * 1000)
        before_s = now_s
    return sorted(found, reverse=True)
