"""A plugin for pytest that plays changes: for each one a process that has collected all tests already is forked, and in
it the tests that call the changed function run, until one fails.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from os import fork, waitpid
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

from tests.mutants.changes import Change, become, functions, redirect

KILLED, TIMED_OUT, SURVIVED, UNTOUCHED = "killed", "timed out", "survived", "untouched"
#: With a change a test may use so many times the processor time that it needs without, and so much more.
_TIMES, _MORE_S = 4, 3.0
#: After so many looks, one a second, in which a process only slept, it waits for what never comes.
_LOOKS: Final = 20
_MEMORY: Final = 2 << 30
_BROKEN: Final = 3


class Outcome(NamedTuple):
    """What came of a change."""

    change: Change
    how: str
    by: str
    """The test that noticed."""


class Recorded(NamedTuple):
    """What tests do while nothing is changed."""

    calls: dict[str, list[int]]
    """Functions, and the tests that call them, as positions in what was collected."""
    seconds: list[float]
    failed: list[str]


class Play:
    """Plays changes until `until_s` (of time.monotonic()); outcomes are appended to `file`, one a line.

    Those that make no difference (`is_known`) are not played: all tests that touch them would run for each.
    """

    def __init__(
        self, changes: Sequence[Change], file: Path, *, until_s: float, jobs: int, is_known: Callable[[Change], bool],
    ) -> None:
        self._changes = changes
        self._is_known = is_known
        self._file = file
        self._until_s = until_s
        self._jobs = jobs
        self._kills: defaultdict[str, Counter[int]] = defaultdict(Counter)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """The same inputs each time, and no search for the smallest one that fails."""
        settings.register_profile(
            "mutants", settings.get_profile("streamdns"), derandomize=True, database=None,
            phases=(Phase.explicit, Phase.generate),
        )
        settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Play all, instead of one run of the tests."""
        if session.testsfailed:
            raise _failed(session, "the tests cannot be collected")
        said = Child(session.items, partial(record, session.items)).result()
        if said is None:
            raise _failed(session, "the tests do not come to an end though nothing was changed")
        recorded = Recorded(*said)
        if recorded.failed:
            raise _failed(session, f"tests fail though nothing was changed: {', '.join(recorded.failed)}")
        gc.freeze()  # What all have in common stays in common.
        with self._file.open("a", encoding="utf-8") as file:
            for outcome in self._outcomes(session.items, recorded):
                file.write(json.dumps(outcome) + "\n")
                file.flush()
        return True

    def _outcomes(self, items: list[pytest.Item], recorded: Recorded) -> Iterator[Outcome]:
        running: dict[Child, Change] = {}
        waiting = iter(self._changes)
        while True:
            while len(running) < self._jobs and time.monotonic() < self._until_s:
                change = next(waiting, None)
                if change is None:
                    break
                if self._is_known(change):
                    yield Outcome(change, SURVIVED, "")
                    continue
                tests = recorded.calls.get(change.function, [])
                if not tests:
                    yield Outcome(change, UNTOUCHED, "")
                    continue
                kills = self._kills[change.function]
                tests = sorted(tests, key=lambda test: (-kills[test], recorded.seconds[test]))
                running[Child(items, partial(play, items, tests, recorded.seconds, change))] = change
            if not running:
                return
            for child in Child.wait(running):
                yield self._outcome(items, running.pop(child), child)

    def _outcome(self, items: list[pytest.Item], change: Change, child: Child) -> Outcome:
        result = child.result()
        if result is None:
            return Outcome(change, TIMED_OUT, "")
        if result < 0:
            return Outcome(change, SURVIVED, "")
        self._kills[change.function][result] += 1
        return Outcome(change, KILLED, items[result].nodeid)


def _failed(session: pytest.Session, why: str) -> BaseException:
    """What ends the run; it is said here, for pytest says it in the summary, which is not asked for."""
    print(f"nothing can be played: {why}", flush=True)
    return session.Failed(why)


def record(items: Sequence[pytest.Item]) -> Recorded:
    """Run all tests once and see which functions each calls. Here alone every function has a detour."""
    calls: defaultdict[str, list[int]] = defaultdict(list)
    called: set[str] = set()

    def detour(name: str, body: Callable[..., Any]) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
        def to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            called.add(name)
            return body(*args, **kwargs)

        return to

    for name, (function, bodies) in functions.items():
        original = next(body for key, body in bodies.items() if key.endswith("_orig"))
        redirect(function, detour(name, getattr(original, "__func__", original)))
    seconds, failed = [], []
    for number, item in enumerate(items):
        called.clear()
        began = time.process_time()
        if not passes(item, items[number + 1] if number + 1 < len(items) else None):
            failed.append(item.nodeid)
        seconds.append(time.process_time() - began)
        for name in called:
            calls[name].append(number)
    return Recorded(calls, seconds, failed)


def play(items: Sequence[pytest.Item], tests: Sequence[int], seconds: Sequence[float], change: Change) -> int:
    """The first of the tests that notices, or -1. A test that takes far longer than its seconds ends the process."""
    function, bodies = functions[change.function]
    become(function, bodies[change.key])
    for number, test in enumerate(tests):
        after = items[tests[number + 1]] if number + 1 < len(tests) else None
        signal.setitimer(signal.ITIMER_PROF, _TIMES * seconds[test] + _MORE_S)
        if not passes(items[test], after):
            return test
    return -1


def passes(item: pytest.Item, after: pytest.Item | None) -> bool:
    """Run a test with its fixtures."""
    try:
        return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=after))
    except BaseException:  # A change may end the run as Ctrl-C does.
        return False


class Child:
    """A forked process that works something out; it says it as JSON. Without an answer in time it is ended."""

    def __init__(self, items: Sequence[pytest.Item], work: Callable[[], Any]) -> None:
        self._folder = tempfile.mkdtemp(prefix="mutants-")
        self._reads, writes = os.pipe()
        self._slept, self._cpu, self._data = 0, "", b""
        self._pid = fork()
        if not self._pid:
            try:
                _alone(self._folder, items[0].config)
                os.write(writes, json.dumps(work()).encode())
                os._exit(0)
            finally:
                os._exit(_BROKEN)
        os.close(writes)

    @staticmethod
    def wait(children: Sequence[Child] | dict[Child, Any]) -> list[Child]:
        """Those that have ended or are to be ended, once there is one."""
        by_descriptor = {child._reads: child for child in children}
        while True:
            readable = select.select(list(by_descriptor), [], [], 1.0)[0]
            ended = [by_descriptor[each] for each in readable if by_descriptor[each]._read()]
            ended += [child for child in by_descriptor.values() if not readable and child._hangs()]
            if ended:
                return ended

    def _read(self) -> bool:
        read = os.read(self._reads, 1 << 20)
        self._data += read
        return not read

    def _hangs(self) -> bool:
        fields = Path(f"/proc/{self._pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        state, cpu = fields[0], " ".join(fields[11:15])
        self._slept = self._slept + 1 if (state, cpu) == ("S", self._cpu) else 0
        self._cpu = cpu
        return self._slept >= _LOOKS

    def result(self) -> Any:
        """What it said; None when it said nothing. All that it started is gone afterwards."""
        if not self._data:
            Child.wait([self])
        try:
            os.killpg(self._pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        waitpid(self._pid, 0)
        os.close(self._reads)
        shutil.rmtree(self._folder, ignore_errors=True)
        return json.loads(self._data) if self._data else None


def _alone(folder: str, config: pytest.Config) -> None:
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    config._tmp_path_factory._basetemp = Path(folder)  # type: ignore[attr-defined]
    if "gevent" in sys.modules:
        import gevent

        gevent.reinit()
