"""What a resolution is about: the question, the queries that it asks for, its end, and what resolutions share. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from streamdns.resolver.resolution.cache import Cache
from streamdns.resolver.resolution.message import Options, Response, RRset
from streamdns.resolver.resolution.servers import Address, Chance, Servers
from streamdns.resolver.resolution.verdict import is_within, labels

EDE_OTHER, EDE_STALE, EDE_CACHED_ERROR, EDE_NO_AUTHORITY, EDE_NETWORK = 0, 3, 13, 22, 23


class Question(NamedTuple):
    """What a client wants: name in lower-case wire form, type, DO and CD."""

    qname: bytes
    qtype: int
    do: bool = False
    cd: bool = False


class Ask(NamedTuple):
    """A query to send. After `patience_s` without a response, `hurry` is to be called; after `timeout_s`, `failed`."""

    token: int
    address: Address
    zone: bytes
    qname: bytes
    qtype: int
    options: Options
    tcp: bool
    keep_case: bool
    patience_s: float
    timeout_s: float


class Outcome(NamedTuple):
    """The end: RCODE, answer, SOA of a negative answer, extended error (-1: none) with its text, packets sent.

    `own`: something of it is of our own zones, and may change at any moment.
    """

    rcode: int
    answer: tuple[RRset, ...]
    authority: tuple[RRset, ...]
    ede: int
    detail: str
    packets: int
    own: bool = False


class Forward(NamedTuple):
    """Names at and below `zone` are asked of these resolvers."""

    zone: bytes
    addresses: tuple[Address, ...]


#: What our own zones say of a name, as a response; None where they say nothing.
Local = Callable[[bytes, int], Response | None]


@dataclass(slots=True)
class Knowledge:
    """What resolutions share. `roots` are addresses; `may_ask` says whether an address may be sent to."""

    cache: Cache
    servers: Servers
    roots: tuple[Address, ...]
    rng: Chance
    forwards: tuple[Forward, ...] = ()
    local: Local = lambda qname, qtype: None
    may_ask: Callable[[Address], bool] = lambda address: True
    port: int = 53
    ipv6: bool = True
    edns_size: int = 1232

    def forward_of(self, name: bytes) -> Forward | None:
        """The forward whose zone is the nearest at or above a name."""
        fitting = [each for each in self.forwards if is_within(name, each.zone)]
        return max(fitting, key=lambda each: labels(each.zone), default=None)
