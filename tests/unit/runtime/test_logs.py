"""Logs: the table, both formats, consolidation of repeats, and writing from several threads at once."""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.runtime import logs
from streamdns.runtime.log_events import BY_NAME, LOG_EVENTS, LogEvent
from streamdns.settings import Address
from tests.harness import ROOT as TOP

LEVELS = ("debug", "info", "warning", "error")
NOW_S = 1_700_000_000.0625


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Capture:
    """A pipe that the logs are sent to."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def setup(self, level: str, format: str) -> None:  # noqa: A002
        logs.setup(level, format, fd=self.writer, clock=self.clock, now=lambda: NOW_S)

    def text(self) -> str:
        chunks = []
        while True:
            try:
                chunk = os.read(self.reader, 1 << 16)
            except BlockingIOError:
                return b"".join(chunks).decode("ascii")
            chunks.append(chunk)

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    root, ours = logging.getLogger(), logging.getLogger("streamdns")
    before = list(root.handlers), root.level, ours.level
    flags = {name: getattr(logging, name) for name in
             ("logThreads", "logProcesses", "logMultiprocessing", "raiseExceptions")}
    for name, value in flags.items():
        monkeypatch.setattr(logging, name, value)
    monkeypatch.setattr(logs, "_setup", logs._Setup())
    captured = Capture()
    yield captured
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    os.close(captured.reader)
    os.close(captured.writer)



def test_fields_of_the_process_are_in_every_line(capture: Capture) -> None:
    """Also in those that stand for repeats; of one process of several they say which."""
    logs.setup("info", "json", fd=capture.writer, fields={"worker": 2}, clock=capture.clock, now=lambda: NOW_S)
    log = logs.get("dns")
    for _ in range(20):
        log.info("dns.listening", transport="udp", address="a")
    logs.flush(at_end=True)
    lines = capture.lines()
    assert len(lines) == 11
    assert {line["worker"] for line in lines} == {2}
    capture.setup("info", "json")
    log.info("dns.listening", transport="udp", address="a")
    assert "worker" not in capture.lines()[0]


def test_json(capture: Capture) -> None:
    capture.setup("info", "json")
    logs.get("view").info("view.opened", path="/a b", zones=3, ratio=0.5, ok=True, none=None,
                          addresses=(Address("::1", 53),), raw=b"\xff\n", names={"b", "a"})
    assert capture.text() == (
        '{"ts": "2023-11-14T22:13:20.062Z", "level": "info", "event": "view.opened", "component": "view", '
        '"path": "/a b", "zones": 3, "ratio": 0.5, "ok": true, "none": null, "addresses": ["[::1]:53"], '
        '"raw": "\\\\xff\\n", "names": ["a", "b"]}\n'
    )


def test_plain(capture: Capture) -> None:
    capture.setup("info", "plain")
    logs.get("view").info("view.opened", path="/a b", zones=3, name="x\n\x1b[1m", empty="")
    assert capture.text() == (
        '2023-11-14T22:13:20.062Z INFO    view.opened [view] path="/a b" zones=3 name="x\\n\\u001b[1m" empty=""\n'
    )


@pytest.mark.parametrize("level", LEVELS)
def test_levels(capture: Capture, level: str) -> None:
    capture.setup(level, "json")
    log = logs.get("app")
    log.debug("service.started")
    log.info("app.ready")
    log.warning("settings.warning")
    log.error("service.failed")
    assert [line["level"] for line in capture.lines()] == list(LEVELS[LEVELS.index(level):])


@pytest.mark.parametrize("log_format", ["json", "plain"])
def test_an_error_with_its_traceback(capture: Capture, log_format: str) -> None:
    capture.setup("info", log_format)
    try:
        raise RuntimeError("bad\x1b[2Jthing")
    except RuntimeError as error:
        logs.get("dns").error("dns.query_failed", exc=error)
    text = capture.text()
    assert "\x1b" not in text
    assert "RuntimeError: bad" in text
    if log_format == "json":
        (line,) = [json.loads(text)]
        assert line["error"] == "bad\x1b[2Jthing"
        assert line["traceback"].startswith("Traceback")


def test_fields_cannot_pass_for_the_head(capture: Capture) -> None:
    capture.setup("info", "json")
    logs.get("app").info("app.ready", level="debug", component="x", ts=1)
    (line,) = capture.lines()
    assert (line["level"], line["component"], line["level_"], line["ts_"]) == ("info", "app", "debug", 1)


def test_an_unknown_event_is_a_fault_until_production(capture: Capture) -> None:
    log = logs.get("app")
    with pytest.raises(KeyError):
        log.info("app.nonsense")
    capture.setup("debug", "json")
    with pytest.raises(KeyError):
        log.info("app.nonsense")
    with pytest.raises(ValueError, match="is of level info"):
        log.error("app.ready")
    capture.setup("info", "json")
    log.info("app.nonsense")
    assert [line["event"] for line in capture.lines()] == ["app.nonsense"]


@pytest.mark.parametrize("name", ["secret", "cookie_secret", "password", "token", "payload"])
def test_secrets_and_payloads_are_not_logged(capture: Capture, name: str) -> None:
    capture.setup("info", "json")
    logs.get("app").info("app.ready", **{name: "hush", "nested": {name: "hush"}})  # type: ignore[arg-type]
    text = capture.text()
    assert "hush" not in text
    assert text.count("***") == 2
    capture.setup("debug", "json")
    with pytest.raises(ValueError, match=name):
        logs.get("app").info("app.ready", **{name: "hush"})  # type: ignore[arg-type]


def test_long_fields_are_cut(capture: Capture) -> None:
    capture.setup("info", "json")
    logs.get("app").info("app.ready", long="x" * 100_000)
    assert len(capture.text()) < 700


def test_libraries_are_logged_too(capture: Capture) -> None:
    capture.setup("info", "json")
    library = logging.getLogger("some.library")
    library.info("no")
    library.warning("yes %d", 1)
    library.warning("wrong %d", "x")
    first, second = capture.lines()
    assert (first["event"], first["component"], first["message"]) == ("library.message", "some.library", "yes 1")
    assert second["message"] == "wrong %d"


def test_nobody_reads_the_log(capture: Capture) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    logs.setup("info", "json", fd=writer)
    logs.get("app").info("app.ready")
    os.close(writer)
    logs.get("app").info("app.ready")


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3), max_leaves=5), max_size=4))
def test_any_fields_make_one_line(fields: dict[str, object]) -> None:
    record = logging.LogRecord("streamdns.app", logging.INFO, "", 0, "app.ready", None, None)
    record.streamdns_component = "app"
    record.streamdns_fields = {logs._field_name(name): logs._cleaned(name, value) for name, value in fields.items()}
    line = logs._JsonFormatter(lambda: NOW_S).format(record)
    assert json.loads(line)["event"] == "app.ready"
    plain = logs._PlainFormatter(lambda: NOW_S).format(record)
    assert (line + plain).isprintable()


# Repeats

def test_repeats_are_summarised(capture: Capture) -> None:
    capture.setup("info", "json")
    log = logs.get("consumer")
    for number in range(25):
        capture.clock.now_s += 0.1
        log.warning("consumer.event_rejected", number=number)
    assert [line["number"] for line in capture.lines()] == list(range(10))
    logs.flush()
    assert capture.lines() == []
    capture.clock.now_s += 10
    log.warning("consumer.event_rejected", number=25)
    summary, line = capture.lines()
    assert (summary["repeated"], summary["number"], summary["level"]) == (15, 24, "warning")
    assert (line["number"], line.get("repeated")) == (25, None)


def test_a_summary_does_not_wait_for_the_next_repeat(capture: Capture) -> None:
    capture.setup("info", "json")
    for _ in range(12):
        logs.get("consumer").warning("consumer.event_rejected")
    capture.clock.now_s += 10
    logs.flush()
    assert [line.get("repeated") for line in capture.lines()] == [None] * 10 + [2]
    for _ in range(12):
        logs.get("consumer").warning("consumer.event_rejected")
    logs.flush(at_end=True)
    assert [line.get("repeated") for line in capture.lines()] == [None] * 10 + [2]


def test_keys_are_told_apart(capture: Capture) -> None:
    capture.setup("info", "json")
    for number in range(30):
        logs.get("dns").info("dns.listening", address=str(number), repeat_key=str(number))
    assert len(capture.lines()) == 30


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 7)), max_size=120))
def test_no_repeat_is_lost(steps: list[tuple[str, float]]) -> None:
    limiter = logs.Limiter(limit=3, window_s=10.0, max_keys=2)
    passed = summarised = 0
    now_s = 0.0
    for key, wait_s in steps:
        now_s += wait_s
        passes, summary = limiter.admit(("c", "e", key), level=20, fields={}, now_s=now_s)
        passed += passes
        summarised += summary.repeated if summary else 0
    summarised += sum(summary.repeated for summary in limiter.due(now_s, all_windows=True))
    assert passed + summarised == len(steps)


def test_memory_of_keys_is_bounded() -> None:
    limiter = logs.Limiter(limit=1, max_keys=100)
    for number in range(10_000):
        limiter.admit(("c", "e", str(number)), level=20, fields={}, now_s=0.0)
    assert len(limiter._windows) <= 101


# The table

@pytest.mark.parametrize("row", LOG_EVENTS, ids=lambda row: row.name)
def test_rows(row: LogEvent) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", row.name)
    assert row.level in LEVELS
    assert row.meaning.endswith(".")
    assert not row.action or row.action.endswith(".")
    if row.level == "error":
        assert row.action, "an error has to say what to do"


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(LOG_EVENTS)


def logged_events() -> Iterator[tuple[str, str, str]]:
    """Each (place, level, event) in the sources where a logger's method is called with a literal dotted name."""
    for path in sorted((TOP / "streamdns").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
                continue
            if ast.unparse(node.func.value) in ("_log", "log", "self._log"):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield f"{path.relative_to(TOP)}:{node.lineno}", node.func.attr, first.value


def test_every_event_that_is_logged_is_in_the_table_with_its_level() -> None:
    found = list(logged_events())
    assert len(found) > 5
    wrong = [f"{place} {level} {event}" for place, level, event in found
             if event not in BY_NAME or BY_NAME[event].level != level]
    assert not wrong


def test_threads_and_greenlets_log_at_the_same_time() -> None:
    program = """
from gevent import monkey; monkey.patch_all()
import gevent, gevent.threadpool
from streamdns.runtime import logs
from tests.harness import ROOT
logs.setup("debug", "json")
log = logs.get("service")
def work(number):
    for count in range(200):
        log.debug("service.started", number=number, count=count, long="x" * 300)
        if number % 2:
            gevent.sleep(0)
pool = gevent.threadpool.ThreadPool(4)
gevent.joinall([pool.spawn(work, 2 * n) for n in range(4)] + [gevent.spawn(work, 2 * n + 1) for n in range(4)],
               raise_error=True)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert sorted((line["number"], line["count"]) for line in lines) == [(n, c) for n in range(8) for c in range(200)]
