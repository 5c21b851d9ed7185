"""Sends metrics to InfluxDB and Telegraf in the line protocol, over HTTP or UDP."""

from __future__ import annotations

import re

from streamdns.metrics.flush import QUANTILES, Count, Figure, Flush, Level, pairs
from streamdns.metrics.outputs import Output, Target
from streamdns.metrics.outputs.datagrams import Datagrams, packed
from streamdns.metrics.outputs.http import Poster

_HTTP_PORT, _UDP_PORT = 8086, 8089
_escaped = re.compile(r"([,= ])").sub
# No escape of the protocol is for these.
_unfit = re.compile(r"[\x00-\x1f\x7f\\]").sub


class OverHttp:
    """Posts each flush as one document."""

    def __init__(self, poster: Poster, instance: str) -> None:
        self._poster, self._instance = poster, instance

    def send(self, flush: Flush) -> None:
        """Post a flush; raises OSError and Unwanted."""
        self._poster.post(b"\n".join(lines(flush, self._instance)) + b"\n")

    def close(self) -> None:
        """Do nothing: no connection stays open."""


class OverUdp:
    """Sends each flush in a few datagrams."""

    def __init__(self, datagrams: Datagrams, instance: str) -> None:
        self._datagrams, self._instance = datagrams, instance

    def send(self, flush: Flush) -> None:
        """Send a flush; raises OSError and Unwanted."""
        self._datagrams.send(packed(lines(flush, self._instance)))

    def close(self) -> None:
        self._datagrams.close()


def lines(flush: Flush, instance: str) -> list[bytes]:
    """Format one line a figure, with the labels as tags and the time in nanoseconds."""
    stamp = f" {int(flush.time_s * 1000) * 1_000_000}"
    found = []
    for figure in flush.figures:
        tags = "".join(f",{key}={_tag(value)}" for key, value in [("instance", instance), *pairs(figure)] if value)
        measurement = "streamdns_" + figure.metric.name.replace(".", "_")
        found.append(f"{measurement}{tags} {_fields(figure)}{stamp}".encode())
    return found


def _fields(figure: Figure) -> str:
    if isinstance(figure, Level):
        # A gauge is a float for ever, whatever it is now: a field's type cannot be changed.
        return f"value={float(figure.value)!r}"
    if isinstance(figure, Count):
        return f"delta={float(figure.delta)!r},total={float(figure.total)!r}"
    fields = f"count={figure.observed}i,sum={figure.sum!r}"
    if figure.observed:
        fields += "".join(f",p{quantile * 100:g}={figure.quantile(quantile)!r}" for quantile in QUANTILES)
    return fields


def _tag(value: str) -> str:
    return _escaped(r"\\\1", _unfit("_", value))


def output(target: Target) -> Output:
    """Make the output of a target."""
    if target.url.scheme == "influx+udp":
        return OverUdp(Datagrams(target.host, target.port(_UDP_PORT)), target.instance)
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if target.token:
        headers["Authorization"] = target.token if " " in target.token else f"Token {target.token}"
    tls = target.url.scheme == "influxs"
    poster = Poster(target.host, target.port(_HTTP_PORT), target.path, tls=tls, headers=headers)
    return OverHttp(poster, target.instance)
