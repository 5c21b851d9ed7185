"""Logs events to stderr through the standard library: a stable dotted name and fields, as JSON or plain text.

May be called from any greenlet and from native threads: nothing here waits for a lock.
"""

from __future__ import annotations

import atexit
import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from streamdns.runtime.log_events import BY_NAME
from streamdns.runtime.log_lines import LogLines

_ROOT = "streamdns"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_RESERVED = frozenset({"ts", "level", "event", "component", "repeated", "traceback"})
_HIDDEN = frozenset({"secret", "cookie_secret", "password", "token", "payload"})
_MAX_FIELD = 500
_MAX_TRACEBACK = 16_000
_STDERR_FD = 2
#: For who reads the log to take the last lines of a process that ends.
_PATIENCE_S = 0.2


class Summary(NamedTuple):
    """Repeats of one event that were left out; they are logged as one line with the fields of the last of them."""

    component: str
    level: int
    event: str
    fields: dict[str, Any]
    repeated: int


@dataclass(slots=True)
class _Window:
    started_s: float
    passed: int = 0
    left_out: int = 0
    last: tuple[int, dict[str, Any]] = field(default_factory=lambda: (logging.INFO, {}))


class Limiter:
    """Lets the first `limit` lines of an event and key through in each window and counts the others."""

    def __init__(self, *, limit: int = 10, window_s: float = 10.0, max_keys: int = 1000) -> None:
        self._limit, self._window_s, self._max_keys = limit, window_s, max_keys
        self._windows: dict[tuple[str, str, str], _Window] = {}

    def admit(
        self, subject: tuple[str, str, str], *, level: int, fields: dict[str, Any], now_s: float
    ) -> tuple[bool, Summary | None]:
        """Decide whether the line of this (component, event, key) passes; also return an earlier window's summary.

        With more keys at once than max_keys, new keys of an event share one window.
        """
        if subject not in self._windows and len(self._windows) >= self._max_keys:
            self._forget(now_s)
            if len(self._windows) >= self._max_keys:
                subject = (subject[0], subject[1], "")
        window = self._windows.get(subject)
        summary = None
        if window is None or now_s - window.started_s >= self._window_s:
            summary = _summary(subject, window)
            window = self._windows[subject] = _Window(now_s)
        if window.passed < self._limit:
            window.passed += 1
            return True, summary
        window.left_out += 1
        window.last = (level, fields)
        return False, summary

    def due(self, now_s: float, *, all_windows: bool = False) -> list[Summary]:
        """Return the summaries of every window that has ended, or of all of them; call it now and then."""
        found = []
        for subject, window in list(self._windows.items()):
            if all_windows or now_s - window.started_s >= self._window_s:
                self._windows.pop(subject, None)
                if summary := _summary(subject, window):
                    found.append(summary)
        return found

    def _forget(self, now_s: float) -> None:
        for subject, window in list(self._windows.items()):
            if now_s - window.started_s >= self._window_s and not window.left_out:
                self._windows.pop(subject, None)


def _summary(subject: tuple[str, str, str], window: _Window | None) -> Summary | None:
    if window is None or not window.left_out:
        return None
    level, fields = window.last
    return Summary(subject[0], level, subject[1], fields, window.left_out)


class _Setup:
    """The choices of setup(); until it is called, lines go to the handlers that the standard library has (tests)."""

    def __init__(self) -> None:
        self.limiter = Limiter()
        self.clock: Callable[[], float] = time.monotonic
        # An event that is not in the table is a fault: tests and debugging see it, production logs the line.
        self.strict = True
        self.fields: Mapping[str, object] = {}
        self.lines: LogLines | None = None


_setup = _Setup()


# getLogger() takes a lock, so a logger is looked up once, when its component asks for it.
_loggers: dict[str, logging.Logger] = {}


def _logger(component: str) -> logging.Logger:
    logger = _loggers.get(component)
    if logger is None:
        logger = _loggers[component] = logging.getLogger(f"{_ROOT}.{component}")
    return logger


class Logger:
    """Logs the events of one component; fields are keyword arguments.

    `exc` adds the error and its traceback; `repeat_key` tells repeats of one event apart for the limiter.
    """

    __slots__ = ("_component", "_logger")

    def __init__(self, component: str) -> None:
        self._component = component
        self._logger = _logger(component)

    def debug(
        self, event: str, /, *, exc: BaseException | None = None, repeat_key: str = "", **fields: object
    ) -> None:
        """Log an event of level debug."""
        self._log(logging.DEBUG, event, exc, repeat_key, fields)

    def info(
        self, event: str, /, *, exc: BaseException | None = None, repeat_key: str = "", **fields: object
    ) -> None:
        """Log an event of level info."""
        self._log(logging.INFO, event, exc, repeat_key, fields)

    def warning(
        self, event: str, /, *, exc: BaseException | None = None, repeat_key: str = "", **fields: object
    ) -> None:
        """Log an event of level warning."""
        self._log(logging.WARNING, event, exc, repeat_key, fields)

    def error(
        self, event: str, /, *, exc: BaseException | None = None, repeat_key: str = "", **fields: object
    ) -> None:
        """Log an event of level error."""
        self._log(logging.ERROR, event, exc, repeat_key, fields)

    def _log(
        self, level: int, event: str, exc: BaseException | None, repeat_key: str, fields: dict[str, Any]
    ) -> None:
        if _setup.strict:
            _check(event, level, fields)
        # Not isEnabledFor(): on a miss of its cache it takes a lock, which a native thread must not share with gevent.
        if level < self._logger.getEffectiveLevel():
            return
        cleaned = {_field_name(name): _cleaned(name, value) for name, value in fields.items()}
        if exc is not None:
            cleaned.setdefault("error", _cleaned("error", str(exc) or type(exc).__name__))
            cleaned["traceback"] = _traceback(exc)
        if level > logging.DEBUG:
            passes, summary = _setup.limiter.admit(
                (self._component, event, repeat_key), level=level, fields=cleaned, now_s=_setup.clock()
            )
            if summary is not None:
                _emit_summary(summary)
            if not passes:
                return
        _emit(self._component, level, event, cleaned)


def get(component: str) -> Logger:
    """Make the logger of a component such as dns, view or consumer."""
    return Logger(component)


def setup(
    level: str,
    format: str,  # noqa: A002 - the setting is called so
    *,
    fd: int = _STDERR_FD,
    fields: Mapping[str, object] | None = None,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], float] = time.time,
) -> None:
    """Set up logging to a file descriptor; call it again to change it.

    level: debug, info, warning or error. format: json or plain. `fields` are in every line of this process.
    """
    # Who logs is told by its component; finding out thread and process would cost time and register foreign threads.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    lines = LogLines(fd)
    for old in [old for old in root.handlers if isinstance(old, _LinesHandler)]:
        root.removeHandler(old)
        if old.lines.identity == lines.identity:
            # What still waits there goes first.
            lines.close()
            lines = old.lines
        else:
            old.lines.close()
    handler = _LinesHandler(lines)
    handler.setFormatter(_JsonFormatter(now) if format == "json" else _PlainFormatter(now))
    root.addHandler(handler)
    if _setup.lines is None:
        atexit.register(_finish)
    _setup.lines = lines
    root.setLevel(max(_LEVELS[level], logging.WARNING))
    logging.getLogger(_ROOT).setLevel(_LEVELS[level])
    logging.raiseExceptions = False
    _setup.clock, _setup.fields = clock, fields or {}
    _setup.strict = level == "debug"


def flush(*, at_end: bool = False) -> None:
    """Log the summaries of repeats that are due, and write what waits for the log's reader.

    The main loop calls this; at the end of the process it logs all summaries and waits a moment for the reader.
    """
    for summary in _setup.limiter.due(_setup.clock(), all_windows=at_end):
        _emit_summary(summary)
    lines = _setup.lines
    if lines is None:
        return
    if at_end:
        _finish()
    lines.flush()
    if lost := lines.untold():
        _emit("app", logging.WARNING, "app.log_lines_lost", {"lost": lost})


def _finish() -> None:
    if _setup.lines is not None:
        _setup.lines.finish(_PATIENCE_S)


def lost_lines() -> int:
    """How many lines nobody took, since the start of the process."""
    return 0 if _setup.lines is None else _setup.lines.lost


def _emit_summary(summary: Summary) -> None:
    _emit(summary.component, summary.level, summary.event, {**summary.fields, "repeated": summary.repeated})


def _emit(component: str, level: int, event: str, fields: dict[str, Any]) -> None:
    _logger(component).handle(_record(component, level, event, fields))


def _record(component: str, level: int, event: str, fields: dict[str, Any]) -> logging.LogRecord:
    record = logging.LogRecord(_logger(component).name, level, "", 0, event, None, None)
    record.streamdns_fields = {**_setup.fields, **fields}
    record.streamdns_component = component
    return record


def _check(event: str, level: int, fields: dict[str, Any]) -> None:
    row = BY_NAME[event]
    if _LEVELS[row.level] != level:
        raise ValueError(f"{event} is of level {row.level} in LOG_EVENTS")
    if hidden := _HIDDEN & fields.keys():
        raise ValueError(f"{event} would log {', '.join(sorted(hidden))}")


def _field_name(name: str) -> str:
    return name + "_" if name in _RESERVED else name


def _cleaned(name: str, value: object) -> object:
    if name in _HIDDEN:
        return "***"
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return round(value, 6) if value - value == 0 else str(value)
    if isinstance(value, (list, tuple, set, frozenset)) and type(value).__str__ is object.__str__:
        return [_cleaned(name, item) for item in (sorted(value, key=str) if isinstance(value, (set, frozenset))
                                                  else value)]
    if isinstance(value, dict):
        return {str(key): _cleaned(str(key), item) for key, item in value.items()}
    text = value.decode("ascii", "backslashreplace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= _MAX_FIELD else text[:_MAX_FIELD] + "..."


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()[-_MAX_TRACEBACK:]


class _LinesHandler(logging.Handler):
    """Hands each line to the descriptor at once, without a lock and without waiting for who reads it."""

    def __init__(self, lines: LogLines) -> None:
        super().__init__()
        self.lines = lines

    def createLock(self) -> None:  # noqa: N802 - the standard library's name
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.put((self.format(record) + "\n").encode("ascii", "backslashreplace"))
        if lost := self.lines.untold():
            self.handle(_record("app", logging.WARNING, "app.log_lines_lost", {"lost": lost}))


class _JsonFormatter(logging.Formatter):
    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now

    def format(self, record: logging.LogRecord) -> str:
        component, event, fields = _parts(record)
        head = {"ts": _timestamp(self._now()), "level": record.levelname.lower(), "event": event,
                "component": component}
        return json.dumps(head | fields, default=str, allow_nan=False)


class _PlainFormatter(logging.Formatter):
    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now

    def format(self, record: logging.LogRecord) -> str:
        component, event, fields = _parts(record)
        trace = fields.pop("traceback", None)
        words = [_timestamp(self._now()), f"{record.levelname:7}", event, f"[{component}]"]
        words += [f"{name}={_plain(value)}" for name, value in fields.items()]
        # The text of an error may come from the network: what could disturb a terminal is replaced.
        shown = "".join(char if char.isprintable() or char == "\n" else "?" for char in trace or "")
        return " ".join(words) + (f"\n{shown}" if shown else "")


def _parts(record: logging.LogRecord) -> tuple[str, str, dict[str, Any]]:
    fields = getattr(record, "streamdns_fields", None)
    if fields is not None:
        return record.streamdns_component, record.msg, dict(fields)  # type: ignore[attr-defined]
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):
        message = str(record.msg)
    fields = {"message": _cleaned("message", message)}
    if record.exc_info and record.exc_info[1] is not None:
        fields["traceback"] = _traceback(record.exc_info[1])
    return record.name, "library.message", fields


def _plain(value: object) -> str:
    if isinstance(value, str):
        bare = value and value.isascii() and value.isprintable() and not set(value) & {" ", '"', "=", "\\"}
        return value if bare else json.dumps(value)
    return json.dumps(value, default=str)


def _timestamp(now_s: float) -> str:
    """Write a time as RFC 3339 says, in UTC with milliseconds."""
    return datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
