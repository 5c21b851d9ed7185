"""The workers of a node: each has a row, from the fleet's screen and from what needs attention."""

from __future__ import annotations

from streamdns_console.history import History

from streamdns.admin.schema import state
from tests.console import fake
from tests.console.driving import console, press, run, screen_lines, screen_text
from tests.console.fake import NOW_S, FakeReader, Part, node, snapshot

WORKERS = [
    state.WorkerState(number=1, pid=4711, state="answering", since=int(NOW_S) - 7200, restarts=0, queries=9, error=""),
    state.WorkerState(
        number=2, pid=None, state="waiting", since=int(NOW_S) - 3, restarts=3, queries=9, error="ended by SIGSEGV"
    ),
]


def figures(at_s: float) -> state.Metrics:
    """What two workers have counted: the first one 250 queries and 0.4 s of CPU in each second."""
    per_second = {"workers.queries": (250.0, 0.0), "workers.cpu_seconds": (0.4, 0.0)}
    gauges = {"workers.resident_bytes": (64 << 20, 0), "workers.hub_late_max_seconds": (0.0042, 0.0)}

    def series(values: tuple[float, float]) -> list[state.Series]:
        return [state.Series(labels={"worker": str(at + 1)}, value=float(value)) for at, value in enumerate(values)]

    return state.Metrics(time=int(at_s * 1000), metrics=[
        *(state.MetricSeries(name=name, kind="counter", unit="", description="",
                             series=series((at_s * values[0], at_s * values[1])))
          for name, values in per_second.items()),
        *(state.MetricSeries(name=name, kind="gauge", unit="", description="", series=series(values))
          for name, values in gauges.items()),
    ])


def with_workers() -> fake.Node:
    history = History()
    for second in range(20):
        history = history.added(figures(float(second)), float(second))
    return node(status=Part(fake.status(workers=WORKERS), NOW_S), history=history)


def test_each_worker_has_a_row_with_its_load() -> None:
    async def test() -> None:
        async with console(FakeReader(snapshot(with_workers())), size=(120, 30)) as (app, pilot):
            await press(pilot, "8", "w")
            text = screen_text(app)
            assert "workers (2)" in text
            first, second = (
                next(line for line in screen_lines(app) if word in line) for word in ("answering", "waiting")
            )
            assert first.split() == "› 1 ● answering 2 h 250 40 % 4.2 64 MiB 0 4711".split(), first
            assert second.split()[-2:] == ["3", "–"], second
            await press(pilot, "down")
            assert "worker 2, the process before: ended by SIGSEGV" in screen_text(app)
            await press(pilot, "escape")
            assert "fleet (3 nodes)" in screen_text(app)

    run(test)


def test_a_worker_that_needs_attention_leads_to_its_row_once() -> None:
    async def test() -> None:
        async with console(FakeReader(snapshot(with_workers())), size=(100, 30)) as (app, pilot):
            assert "worker 2 is waiting: ended by SIGSEGV" in screen_text(app)
            for _ in range(2):
                await press(pilot, "1", "enter")
                assert "workers (2)" in screen_text(app)
            await press(pilot, "escape")
            assert "workers (2)" not in screen_text(app)

    run(test)


def test_where_one_process_does_everything_it_is_said() -> None:
    async def test() -> None:
        async with console(FakeReader(snapshot(node())), size=(100, 30)) as (app, pilot):
            await press(pilot, "8")
            assert "workers" not in screen_text(app)
            await press(pilot, "w")
            text = " ".join(screen_text(app).replace("▌", " ").split())
            assert "one process does everything: DNS_WORKERS is not set" in text

    run(test)
