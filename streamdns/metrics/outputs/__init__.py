"""The outputs of metrics: each is one module here and one row in the table of addresses.py.

docs/metrics-outputs.md says what each sends, and how another one is added.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import SplitResult

from streamdns.addresses import OUTPUTS

if TYPE_CHECKING:
    from streamdns.metrics.flush import Flush

class Unwanted(Exception):
    """The receiver will never take this flush; the message says why."""


class Output(Protocol):
    """Sends flushes to one receiver; it has a greenlet of its own and may wait as long as it likes.

    Every module of the table has a function `output(target: Target) -> Output`, which neither connects nor waits.
    """

    def send(self, flush: Flush) -> None:
        """Send a flush; raises OSError where that fails now (it is tried again), and Unwanted."""
        ...

    def close(self) -> None:
        """Close what is open; the next send() opens it again. May be called twice."""
        ...


class Target(NamedTuple):
    """Where an output sends: the URL of the setting, the name of this instance, and the settings of the output."""

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
        """The path of HTTP requests, with its query."""
        return (self.url.path or "/") + (f"?{self.url.query}" if self.url.query else "")


def make(target: Target) -> Output:
    """Make the output that the URL of a target names."""
    module = import_module(f"{__name__}.{OUTPUTS[target.url.scheme]}")
    made: Output = module.output(target)
    return made
