"""Lifecycle: order, restarts, deadlines, signals in a real process, and what systemd is told."""

from __future__ import annotations

import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent.event import Event

from streamdns.errors import SourceError
from streamdns.runtime.lifecycle import EXIT_FAILED, EXIT_OK, Service, Supervisor
from streamdns.runtime.sdnotify import Notifier
from tests.harness import ROOT
from tests.harness.process import wait_until

# In this process gevent does not patch anything: services wait on gevent's own events.


class Recorded(Service):
    """A service that writes down what is done with it; `bodies` are what run() does, one a run, the last for ever."""

    def __init__(self, name: str, journal: list[str], *bodies: Callable[[], None], essential: bool = False) -> None:
        self.name, self.journal, self.essential = name, journal, essential
        self.bodies = list(bodies)
        self.stopped = Event()
        self.start_error: Exception | None = None

    def start(self) -> None:
        self.journal.append(f"start {self.name}")
        if self.start_error is not None:
            raise self.start_error
        self.stopped.clear()

    def run(self) -> None:
        self.journal.append(f"run {self.name}")
        if self.bodies:
            self.bodies.pop(0)()
        else:
            self.stopped.wait()

    def stop(self) -> None:
        self.journal.append(f"stop {self.name}")
        self.stopped.set()


def boom() -> None:
    raise SourceError("the log is away")


def in_greenlet(supervisor: Supervisor) -> gevent.Greenlet:
    return gevent.spawn(supervisor.run, handle_signals=False)


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        gevent.sleep(0.001)


def result(greenlet: gevent.Greenlet) -> int:
    code = greenlet.get(timeout=10)
    assert isinstance(code, int)
    return code


def test_started_in_order_and_stopped_in_reverse() -> None:
    journal: list[str] = []
    services = [Recorded(name, journal) for name in ("view", "dns", "admin")]
    supervisor = Supervisor(services, not_ready=lambda: journal.append("not ready"))
    greenlet = in_greenlet(supervisor)
    until(lambda: "run admin" in journal, "admin runs")
    assert all(status.state == "running" and status.ready for status in supervisor.statuses())
    supervisor.stop()
    assert result(greenlet) == EXIT_OK
    assert [entry for entry in journal if not entry.startswith("run")] == [
        "start view", "start dns", "start admin", "not ready", "stop admin", "stop dns", "stop view"]
    assert {status.state for status in supervisor.statuses()} == {"stopped"}
    assert supervisor.overdue == ()


def test_the_services_run_when_an_essential_one_is_ready_and_another_may_be_told() -> None:
    """Which may be later than its start: it says so by look()."""
    journal: list[str] = []
    service = Recorded("workers", journal, essential=True)
    ready = False
    service.ready = lambda: ready  # type: ignore[method-assign]
    supervisor = Supervisor([service], on_ready=lambda: journal.append("told"), tick=lambda: journal.append("tick"))
    greenlet = in_greenlet(supervisor)
    until(lambda: "tick" in journal, "a turn of the main loop")
    assert "told" not in journal
    ready = True
    supervisor.look()
    until(lambda: "told" in journal, "told")
    supervisor.stop()
    assert result(greenlet) == EXIT_OK
    assert journal.count("told") == 1


def test_a_failed_start_stops_what_was_started_and_raises() -> None:
    journal: list[str] = []
    services = [Recorded(name, journal) for name in ("view", "dns", "admin")]
    services[1].start_error = OSError("port in use")
    with pytest.raises(OSError, match="port in use"):
        Supervisor(services).run(handle_signals=False)
    assert [entry for entry in journal if not entry.startswith("run")] == [
        "start view", "start dns", "stop dns", "stop view"]


def test_the_death_of_an_essential_service_ends_the_process() -> None:
    journal: list[str] = []
    services = [Recorded("view", journal), Recorded("dns", journal, boom, essential=True), Recorded("admin", journal)]
    supervisor = Supervisor(services)
    assert supervisor.run(handle_signals=False) == EXIT_FAILED
    assert journal[-3:] == ["stop admin", "stop dns", "stop view"]
    assert supervisor.statuses()[1].state == "failed"
    assert supervisor.statuses()[1].error == "the log is away"


def test_an_essential_service_that_just_returns_is_dead_too() -> None:
    assert Supervisor([Recorded("dns", [], lambda: None, essential=True)]).run(handle_signals=False) == EXIT_FAILED


def test_system_exit_in_a_service_is_its_death_only() -> None:
    journal: list[str] = []
    supervisor = Supervisor([Recorded("consumer", journal, sys.exit)], sleep=lambda s: gevent.sleep(0))
    greenlet = in_greenlet(supervisor)
    until(lambda: journal.count("run consumer") == 2, "it runs again")
    supervisor.stop()
    assert result(greenlet) == EXIT_OK


def test_back_off_grows_to_30_seconds_and_begins_anew_after_a_steady_run() -> None:
    journal: list[str] = []
    pauses: list[float] = []
    now_s = [0.0]

    def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        now_s[0] += pause_s
        gevent.sleep(0)

    def steady_then_boom() -> None:
        now_s[0] += 3600
        boom()

    service = Recorded("consumer", journal, *[boom] * 7, steady_then_boom, boom)
    supervisor = Supervisor([service], clock=lambda: now_s[0], sleep=sleep)
    greenlet = in_greenlet(supervisor)
    until(lambda: not service.bodies and journal[-1] == "run consumer", "all bodies ran")
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 1, 2]
    status = supervisor.statuses()[0]
    assert (status.state, status.restarts, status.error) == ("running", 9, "the log is away")
    # Released before each new start.
    assert journal[:6] == ["start consumer", "run consumer", "stop consumer"] * 2
    supervisor.stop()
    assert result(greenlet) == EXIT_OK


def test_a_restart_whose_start_fails_is_tried_again() -> None:
    journal: list[str] = []
    pauses: list[float] = []
    service = Recorded("admin", journal, boom)

    def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        service.start_error = None if len(pauses) > 2 else OSError("port in use")
        gevent.sleep(0)

    supervisor = Supervisor([service], sleep=sleep)
    greenlet = in_greenlet(supervisor)
    until(lambda: journal.count("run admin") == 2, "it runs again")
    assert pauses == [1, 2, 4]
    assert supervisor.statuses()[0].restarts == 1
    supervisor.stop()
    assert result(greenlet) == EXIT_OK


def test_a_service_that_waits_for_its_restart_does_not_delay_the_stop() -> None:
    journal: list[str] = []
    supervisor = Supervisor([Recorded("consumer", journal, boom)], stop_timeout_s=60)
    greenlet = in_greenlet(supervisor)
    until(lambda: supervisor.statuses()[0].state == "waiting", "it waits")
    supervisor.stop()
    assert result(greenlet) == EXIT_OK
    assert journal.count("run consumer") == 1


def test_one_deadline_for_all_and_every_service_is_stopped() -> None:
    journal: list[str] = []

    class Deaf(Recorded):
        def stop(self) -> None:
            self.journal.append(f"stop {self.name}")
            gevent.sleep(3600)

    services = [Recorded("view", journal), Deaf("dns", journal), Deaf("admin", journal)]
    supervisor = Supervisor(services, stop_timeout_s=0.2)
    greenlet = in_greenlet(supervisor)
    until(lambda: "run admin" in journal, "all run")
    supervisor.stop()
    assert result(greenlet) == EXIT_OK
    assert journal[-3:] == ["stop admin", "stop dns", "stop view"]
    assert supervisor.overdue == ("admin", "dns")


def test_a_stop_that_raises_does_not_keep_the_others_from_stopping() -> None:
    journal: list[str] = []

    class Raising(Recorded):
        def stop(self) -> None:
            super().stop()
            raise OSError("cannot")

    supervisor = Supervisor([Recorded("view", journal), Raising("dns", journal)])
    greenlet = in_greenlet(supervisor)
    until(lambda: "run dns" in journal, "all run")
    supervisor.stop()
    assert result(greenlet) == EXIT_OK
    assert journal[-2:] == ["stop dns", "stop view"]


def test_hooks_that_raise_do_not_end_the_server() -> None:
    turns: list[int] = []

    def tick() -> None:
        turns.append(1)
        raise ValueError("a fault")

    supervisor = Supervisor([Recorded("dns", [], essential=True)], tick=tick, status=lambda: 1 / 0,  # type: ignore[return-value]
                            not_ready=tick, watchdog_s=0.01)
    greenlet = in_greenlet(supervisor)
    until(lambda: len(turns) > 3, "the loop turns")
    supervisor.stop()
    assert result(greenlet) == EXIT_OK


# A real process

PROGRAM = """
import sys
from gevent import monkey; monkey.patch_all()
import gevent, time
from gevent.event import Event
from streamdns import settings
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service, Supervisor
from streamdns.runtime.sdnotify import Notifier

class Tiny(Service):
    name, essential = "tiny", True
    def __init__(self): self.stopped = Event()
    def start(self): self.stopped.clear()
    def run(self):
        if "hog" in sys.argv:
            print("hogging", flush=True)
            while True: pass
        self.stopped.wait()
        if "slow" in sys.argv: gevent.sleep(3600)
    def stop(self): self.stopped.set()

def reload():
    print("reload", flush=True)
    if "bad-reload" in sys.argv: raise ValueError("a fault")

loaded = settings.from_process()
logs.setup(loaded.log_level, loaded.log_format)
supervisor = Supervisor(
    [Tiny()], stop_timeout_s=loaded.stop_timeout_s, notifier=Notifier(loaded.notify_socket),
    watchdog_s=loaded.watchdog_s, reload=reload, status=lambda: "works\\nwell",
    not_ready=lambda: print("not ready", flush=True),
)
code = supervisor.run()
print("code", code, flush=True)
sys.exit(code)
"""


class Tiny:
    """The program above as a child process."""

    def __init__(self, folder: pathlib.Path, *words: str, **environ: str) -> None:
        self.path = folder / "output"
        with self.path.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *words], stdout=output, stderr=subprocess.STDOUT, cwd=ROOT,
                env={"PATH": os.environ["PATH"], "LOG_LEVEL": "debug", **environ})

    def output(self) -> str:
        return self.path.read_text()

    def wait_for(self, text: str, count: int = 1) -> None:
        wait_until(lambda: self.output().count(text) >= count or self.process.poll() is not None, text)
        assert self.output().count(text) >= count, self.output()

    def code(self) -> int:
        return self.process.wait(timeout=10)


@pytest.fixture
def tiny(tmp_path: pathlib.Path) -> Iterator[Callable[..., Tiny]]:
    made: list[Tiny] = []

    def make(*words: str, **environ: str) -> Tiny:
        made.append(Tiny(tmp_path, *words, **environ))
        return made[-1]

    yield make
    for one in made:
        one.process.kill()
        one.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_process_with_0(tiny: Callable[..., Tiny], number: signal.Signals) -> None:
    child = tiny()
    child.wait_for("app.ready")
    child.process.send_signal(number)
    assert child.code() == 0
    events = [json.loads(line)["event"] for line in child.output().splitlines() if line.startswith("{")]
    assert events == ["service.started", "app.ready", "app.stopping", "service.stopped", "app.stopped"]
    assert number.name in child.output()
    assert child.output().index("not ready") < child.output().index("service.stopped")
    assert "Traceback" not in child.output()


def test_sighup_reloads_and_a_reload_that_fails_changes_nothing(tiny: Callable[..., Tiny]) -> None:
    child = tiny("bad-reload")
    child.wait_for("app.ready")
    for count in (1, 2):
        child.process.send_signal(signal.SIGHUP)
        child.wait_for("app.reload_failed", count)
    child.process.terminate()
    assert child.code() == 0
    assert child.output().count("reload\n") == 2


def test_a_second_signal_ends_at_once(tiny: Callable[..., Tiny]) -> None:
    child = tiny("slow", DNS_STOP_TIMEOUT="3600")
    child.wait_for("app.ready")
    child.process.send_signal(signal.SIGINT)
    child.wait_for("not ready")
    child.process.send_signal(signal.SIGINT)
    assert child.code() == 128 + signal.SIGINT


def test_a_second_signal_ends_even_a_loop_that_does_not_turn(tiny: Callable[..., Tiny]) -> None:
    child = tiny("hog")
    child.wait_for("hogging")

    def ended() -> bool:
        child.process.terminate()
        return child.process.poll() is not None

    wait_until(ended, "the process has ended")
    assert child.code() == 128 + signal.SIGTERM


def test_the_deadline_ends_a_service_that_does_not_stop(tiny: Callable[..., Tiny]) -> None:
    child = tiny("slow", DNS_STOP_TIMEOUT="0.2")
    child.wait_for("app.ready")
    child.process.terminate()
    assert child.code() == 0
    assert "service.stop_timeout" in child.output()


# systemd

@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket as systemd's, and the value of NOTIFY_SOCKET for it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@streamdns-test-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if name.startswith("@") else name)
        listening.settimeout(10)
        yield listening, name


def test_what_systemd_is_told(tiny: Callable[..., Tiny], manager: tuple[socket.socket, str]) -> None:
    listening, name = manager
    child = tiny(NOTIFY_SOCKET=name, WATCHDOG_USEC="50000")
    heard: list[str] = []

    def hear(message: str, count: int = 1) -> None:
        while heard.count(message) < count:
            heard.append(listening.recv(4096).decode().split("\nMONOTONIC_USEC=")[0])

    hear("READY=1")
    assert heard == ["READY=1"]
    hear("WATCHDOG=1", 5)
    child.process.send_signal(signal.SIGHUP)
    hear("RELOADING=1")
    hear("READY=1", 2)
    child.process.terminate()
    hear("STOPPING=1")
    assert child.code() == 0
    assert heard.count("STATUS=works well") == 1
    assert set(heard) == {"READY=1", "WATCHDOG=1", "STATUS=works well", "RELOADING=1", "STOPPING=1"}


def test_the_time_of_a_reload(manager: tuple[socket.socket, str]) -> None:
    listening, name = manager
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notifier(name).reloading()
    told = dict(line.split("=") for line in listening.recv(4096).decode().split("\n"))
    assert told["RELOADING"] == "1"
    assert before_us <= int(told["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


@pytest.mark.parametrize("path", [None, "", "relative", "/nowhere/notify", "@nobody-listens-here"])
def test_nobody_to_tell(path: str | None) -> None:
    Notifier(path).ready()
