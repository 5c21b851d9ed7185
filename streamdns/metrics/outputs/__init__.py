"""The outputs of metrics: each is one module here and one line in the table of addresses.py.

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


def make(target: Target) -> Output:
    """The output that a target's URL names."""
    module = import_module(f"{__name__}.{OUTPUTS[target.url.scheme]}")
    made: Output = module.output(target)
    return made
