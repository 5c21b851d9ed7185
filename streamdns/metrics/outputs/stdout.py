"""Writes metrics to standard output: one JSON object a line for each figure."""

from __future__ import annotations

import gevent
import msgspec

from streamdns.metrics.flush import QUANTILES, Count, Figure, Flush, Level, pairs
from streamdns.metrics.outputs import Target, Unwanted
from streamdns.runtime.outlet import Outlet

_STDOUT_FD = 1
_LOOK_AGAIN_S = 0.02


class Stdout:
    """Writes to a file descriptor without ever blocking the process on a slow reader."""

    def __init__(self, fd: int = _STDOUT_FD) -> None:
        self._outlet = Outlet(fd)
        self._rest = b""
        """What is left of a line that was begun."""

    def send(self, flush: Flush) -> None:
        """Write the figures; counters and histograms without anything new are left out.

        Raises OSError where nothing of it could be written, and Unwanted where that turns out in the middle: what was
        written must not be a second time.
        """
        self._finish()
        begun = False
        for figure in flush.figures:
            document = _document(figure)
            if document is None:
                continue
            line = self._rest = msgspec.json.encode({"time": round(flush.time_s, 3), **document}) + b"\n"
            try:
                self._finish()
            except OSError as err:
                if begun or len(self._rest) < len(line):
                    raise Unwanted(f"in the middle of it: {err}") from err
                self._rest = b""
                raise
            begun = True

    def _finish(self) -> None:
        """Write the rest of a line; raises OSError."""
        while self._rest:
            try:
                self._rest = self._rest[self._outlet.write(self._rest) :]
            except BlockingIOError:
                # A wait for this descriptor by way of the loop would make it non-blocking for all who share it.
                gevent.sleep(_LOOK_AGAIN_S)

    def close(self) -> None:
        """Do nothing: standard output belongs to the process."""


def _document(figure: Figure) -> dict[str, object] | None:
    head: dict[str, object] = {"metric": figure.metric.name, "labels": dict(pairs(figure))}
    if isinstance(figure, Level):
        return {**head, "value": figure.value}
    if isinstance(figure, Count):
        return {**head, "delta": figure.delta, "total": figure.total} if figure.delta else None
    if not figure.observed:
        return None
    quantiles = {f"p{quantile * 100:g}": round(figure.quantile(quantile), 9) for quantile in QUANTILES}
    return {**head, "count": figure.observed, "sum": round(figure.sum, 9), **quantiles}


def output(target: Target) -> Stdout:
    """Make the output of a target."""
    return Stdout()
