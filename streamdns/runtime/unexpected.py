"""Sends to the log what would otherwise be printed to standard error: tracebacks, warnings, words of libraries.

Printing would be a second way out beside the log: no JSON, and it waits for who reads it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import gevent
from gevent.baseserver import BaseServer

from streamdns.runtime import logs

_log = logs.get("app")
_printed = logs.get("stderr")
_MOST_OCTETS = 16_000


@contextlib.contextmanager
def into_the_log() -> Iterator[None]:
    """While it lasts, nothing of Python's is printed to standard error; logs.setup() comes first."""
    hub: Any = gevent.get_hub()
    before = sys.excepthook, sys.unraisablehook, threading.excepthook, sys.stderr
    hub.print_exception = _of_the_hub
    sys.excepthook = lambda kind, error, trace: _log.error("app.unexpected", exc=_with(error, trace))
    sys.unraisablehook = _unraisable
    threading.excepthook = _of_a_thread
    sys.stderr = _Printed()
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        sys.excepthook, sys.unraisablehook, threading.excepthook, sys.stderr = before
        del hub.print_exception


def _of_the_hub(context: object, kind: type[BaseException], error: BaseException | None, trace: Any) -> None:
    """As gevent's Hub.print_exception(), which knows neither formats nor limits."""
    if isinstance(context, BaseServer) and isinstance(error, OSError):
        # Out of descriptors, say: gevent waits a moment and accepts again.
        _log.error("app.accept_failed", error=error.strerror or str(error), address=_address(context))
        return
    where = context if isinstance(context, str) else repr(context)
    _log.error("app.unexpected", exc=_with(kind() if error is None else error, trace), where=where)


def _address(server: Any) -> str:
    address = server.address
    if not isinstance(address, tuple):
        return str(address)
    host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
    return f"{host}:{address[1]}"


def _unraisable(found: Any) -> None:
    error = found.exc_value if found.exc_value is not None else found.exc_type()
    _log.error("app.unexpected", exc=_with(error, found.exc_traceback), where=found.err_msg or repr(found.object))


def _of_a_thread(found: Any) -> None:
    if found.exc_type is not SystemExit:
        error = found.exc_value if found.exc_value is not None else found.exc_type()
        _log.error("app.unexpected", exc=_with(error, found.exc_traceback), where=str(found.thread))


def _with(error: BaseException, trace: TracebackType | None) -> BaseException:
    return error if error.__traceback__ is not None else error.with_traceback(trace)


class _Printed(io.TextIOBase):
    """A standard error whose lines are log lines."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._rest = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        lines = (self._rest + text).split("\n")
        self._rest = lines.pop()[-_MOST_OCTETS:]
        for line in lines:
            if line.strip():
                _printed.warning("library.message", message=line)
        return len(text)
