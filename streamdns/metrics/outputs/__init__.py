"""The outputs of metrics: each is one module here and one line in this table.

docs/metrics-outputs.md says what each sends, and how another one is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from streamdns.metrics.flush import Flush

#: The word that a URL begins with -> the module below this one; it is imported when it is used.
OUTPUTS: Mapping[str, str] = {
    "stdout": "stdout",
    "statsd": "statsd",
    "influx": "influx",
    "influx+udp": "influx",
    "influxs": "influx",
    "warp10": "warp10",
    "warp10s": "warp10",
}


class Unwanted(Exception):
    """Whoever is at the other end will not take this flush, now or later; the message says why."""


class Output(Protocol):
    """One way out of the process; it is used by one greenlet, which is its own, and may wait there as long as it likes.

    Every module of the table has a function `output(target: Target) -> Output`, which neither connects nor waits.
    """

    def send(self, flush: Flush) -> None:
        """Hand over a flush. Raises OSError where that cannot be done now (it is tried again), and Unwanted."""
        ...

    def close(self) -> None:
        """Give back what is open; the next send() opens it again. May be called twice."""
        ...


class Target(NamedTuple):
    """Where an output sends: `url` as it was set, the name of this instance, and what settings say of the output."""

    url: SplitResult
    instance: str
    token: str = ""
    prefix: str = "streamdns"
    tags: str = "plain"

    @property
    def host(self) -> str:
        return self.url.hostname or ""

    def port(self, default: int) -> int:
        return self.url.port or default

    @property
    def path(self) -> str:
        """What is asked for over HTTP: the path with its query."""
        return (self.url.path or "/") + (f"?{self.url.query}" if self.url.query else "")


def parse(text: str) -> SplitResult:
    """A URL of an output, such as stdout or influx://127.0.0.1:8086/write?db=dns; raises ValueError with a phrase."""
    scheme, separator, _ = text.partition("://")
    if scheme not in OUTPUTS:
        raise ValueError(f"has {text}, which is none of {', '.join(OUTPUTS)}")
    if not separator and scheme != "stdout":
        raise ValueError(f"has {text}, which names no host")
    url = urlsplit(text if separator else f"{text}://")
    if "@" in url.netloc:
        raise ValueError("has a password in it; DNS_METRICS_TOKENS is the place for that")
    try:
        url.port  # noqa: B018 - it is looked at here, so that it is never wrong later
    except ValueError:
        raise ValueError(f"has {text}, whose port is none") from None
    if scheme != "stdout" and not url.hostname:
        raise ValueError(f"has {text}, which names no host")
    return url


def make(target: Target) -> Output:
    """The output that a target's URL names."""
    module = import_module(f"{__name__}.{OUTPUTS[target.url.scheme]}")
    made: Output = module.output(target)
    return made
