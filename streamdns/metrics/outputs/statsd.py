"""Sends metrics to statsd: counters as deltas, gauges, and timers, packed into datagrams by the `statsd` package."""

from __future__ import annotations

import re
from typing import Any

from statsd.client.base import StatsClientBase
from statsd.client.udp import Pipeline

from streamdns.metrics.flush import Count, Figure, Flush, Level, Summary, pairs
from streamdns.metrics.outputs import Target
from streamdns.metrics.outputs.datagrams import MAX_OCTETS, Datagrams

_PORT = 8125
#: So many values stand for all that a histogram got: one for each twentieth of them.
_TIMINGS = 20
_unfit = re.compile(r"[^A-Za-z0-9_-]").sub
_unfit_tag = re.compile(r"[^A-Za-z0-9_./:-]").sub


class _Client(StatsClientBase):  # type: ignore[misc] # the package has no types
    """The package's client, but it collects datagrams instead of sending them and hiding all errors."""

    def __init__(self, prefix: str | None) -> None:
        self._prefix = prefix
        self._maxudpsize = MAX_OCTETS + 1  # The package keeps below it.
        self.datagrams: list[bytes] = []

    def _send(self, data: str) -> None:
        self.datagrams.append(data.encode("ascii"))

    def pipeline(self) -> Any:
        return Pipeline(self)


class _Tagged(Pipeline):  # type: ignore[misc] # the package has no types
    """A pipeline that puts tags behind each value, as DogStatsD has them."""

    suffix = ""

    def pipeline(self) -> Any:
        """Return a pipeline with the same tags; gauge() needs one for the two lines of a negative value."""
        inner = _Tagged(self)
        inner.suffix = self.suffix
        return inner

    def _prepare(self, stat: str, value: str, rate: float) -> str | None:
        prepared: str | None = super()._prepare(stat, value, rate)
        return None if prepared is None else prepared + self.suffix


class _Plain(float):
    """A number in the form that every statsd reads: no exponent, and no sign on zero."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self + 0.0:.9f}".rstrip("0").rstrip(".")


class Statsd:
    """Sends flushes to one statsd daemon. `tags`: plain (in the name), dogstatsd or influx."""

    def __init__(self, datagrams: Datagrams, *, prefix: str, tags: str, instance: str) -> None:
        self._datagrams, self._tags = datagrams, tags
        self._prefix = prefix.strip(".") or None
        self._instance = instance

    def send(self, flush: Flush) -> None:
        """Send all figures that are new or changed. Raises OSError and Unwanted."""
        self._datagrams.send(self.datagrams(flush))

    def close(self) -> None:
        self._datagrams.close()

    def datagrams(self, flush: Flush) -> list[bytes]:
        """Return the datagrams of a flush, none of more than MAX_OCTETS."""
        client = _Client(self._prefix)
        pipeline = _Tagged(client)
        for figure in flush.figures:
            name, pipeline.suffix = self._name(figure)
            if isinstance(figure, Level):
                pipeline.gauge(name, _plain(figure.value))
            elif isinstance(figure, Count):
                if figure.delta:
                    pipeline.incr(name, _plain(figure.delta))
            elif figure.observed:
                _add_timings(pipeline, name, figure)
        pipeline.send()
        return client.datagrams

    def _name(self, figure: Figure) -> tuple[str, str]:
        """Return the name of a figure, and the tags that follow its value."""
        labels = pairs(figure)
        if self._tags == "plain":
            return ".".join([figure.metric.name, *(_unfit("_", value) or "_" for _, value in labels)]), ""
        tags = [("instance", self._instance), *labels]
        if self._tags == "influx":
            return figure.metric.name + "".join(f",{key}={_unfit('_', value) or '_'}" for key, value in tags), ""
        return figure.metric.name, "|#" + ",".join(f"{key}:{_unfit_tag('_', value) or '_'}" for key, value in tags)


def _add_timings(pipeline: Any, name: str, summary: Summary) -> None:
    """Add a few values in milliseconds that are distributed as the observations are, each standing for many of them.

    The package would throw dice for a rate of less than 1, so the rate is written behind the value here.
    """
    count = summary.observed
    values = min(count, _TIMINGS)
    rate = f"|@{values / count:.12f}".rstrip("0") if values < count else ""
    for number in range(values):
        milliseconds = summary.quantile((number + 0.5) / values) * 1000
        # What _send_stat() gets is what timing() makes of it, and the rate.
        pipeline._send_stat(name, f"{milliseconds:.6f}|ms{rate}", 1)  # noqa: SLF001


def _plain(value: float) -> float:
    return value if isinstance(value, int) else _Plain(round(value, 9))


def output(target: Target) -> Statsd:
    """Make the output of a target."""
    return Statsd(
        Datagrams(target.host, target.port(_PORT)), prefix=target.prefix, tags=target.tags, instance=target.instance
    )
