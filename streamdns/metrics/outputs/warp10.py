"""Sends metrics to Warp 10 in the GTS input format over HTTP, with a write token."""

from __future__ import annotations

from urllib.parse import quote

from streamdns.metrics.flush import QUANTILES, Count, Figure, Flush, Level, pairs
from streamdns.metrics.outputs import Target
from streamdns.metrics.outputs.http import Poster

_HTTP_PORT, _HTTPS_PORT = 8080, 443
_PATH = "/api/v0/update"


class Warp10:
    """Posts each flush as one document."""

    def __init__(self, poster: Poster, instance: str) -> None:
        self._poster, self._instance = poster, instance

    def send(self, flush: Flush) -> None:
        """Post a flush; raises OSError and Unwanted."""
        self._poster.post("".join(f"{line}\n" for line in lines(flush, self._instance)).encode())

    def close(self) -> None:
        """Do nothing: no connection stays open."""


def lines(flush: Flush, instance: str) -> list[str]:
    """Format one line a value, `TS// class{labels} value`, the time in microseconds; a counter's value is its total."""
    stamp = f"{int(flush.time_s * 1_000_000)}//"
    found = []
    for figure in flush.figures:
        named = [("instance", instance), *pairs(figure)]
        labels = ",".join(f"{key}={_encoded(value)}" for key, value in named if value)
        for suffix, value in _values(figure):
            found.append(f"{stamp} streamdns.{_encoded(figure.metric.name)}{suffix}{{{labels}}} {value}")
    return found


def _values(figure: Figure) -> list[tuple[str, str]]:
    if isinstance(figure, Level):
        return [("", _double(figure.value))]
    if isinstance(figure, Count):
        return [("", _double(figure.total))]
    found = [(".count", str(figure.observed)), (".sum", _double(figure.sum))]
    if figure.observed:
        found += [(f".p{quantile * 100:g}", _double(figure.quantile(quantile))) for quantile in QUANTILES]
    return found


def _double(value: float) -> str:
    """Format a value so that it is read as a double: a series keeps the type of its first value."""
    return repr(float(value))


def _encoded(text: str) -> str:
    return quote(text, safe="")


def output(target: Target) -> Warp10:
    """Make the output of a target."""
    tls = target.url.scheme == "warp10s"
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if target.token:
        headers["X-Warp10-Token"] = target.token
    path = target.path if target.url.path.strip("/") else _PATH
    port = target.port(_HTTPS_PORT if tls else _HTTP_PORT)
    return Warp10(Poster(target.host, port, path, tls=tls, headers=headers), target.instance)
