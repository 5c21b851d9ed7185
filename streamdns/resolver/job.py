"""One name and type on its way down the zones, and how much of the name their servers are shown (RFC 9156). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamdns.dns.wire import A
from streamdns.resolver.message import RRset
from streamdns.resolver.question import Outcome
from streamdns.resolver.servers import Address
from streamdns.resolver.verdict import labels

_MINIMISED_MOST, _MINIMISED_ONE_BY_ONE = 10, 4


@dataclass(slots=True)
class Job:
    """One name and type on its way down; `step` grows with every zone and every name that is asked there."""

    qname: bytes
    qtype: int
    parent: Job | None
    depth: int
    zone: bytes | None = None
    names: list[bytes] = field(default_factory=list)
    glue: dict[bytes, tuple[Address, ...]] = field(default_factory=dict)
    fixed: tuple[Address, ...] = ()
    recursive: bool = False
    from_cache: bool = False
    given_up: bool = False  # what the cache knew of the delegation led nowhere
    shown: int = 0  # labels of qname that the servers of the zone are shown; 0: not decided yet
    minimised: int = 0
    whole: bool = False  # minimisation was given up for this name
    step: int = 0
    asks: dict[Address, int] = field(default_factory=dict)
    waiting: int = 0
    children: int = 0
    names_tried: int = 0
    referrals: int = 0
    chain: list[RRset] = field(default_factory=list)
    aliases: int = 0
    reasons: list[str] = field(default_factory=list)
    heard: bool = False
    done: bool = False
    outcome: Outcome | None = None

    def choose_shown(self) -> None:
        """How many labels of the name the zone's servers are shown next (RFC 9156 §2.3)."""
        all_labels = labels(self.qname)
        assert self.zone is not None
        zone_labels = labels(self.zone)
        if self.whole or self.minimised >= _MINIMISED_MOST or zone_labels + 1 >= all_labels:
            self.shown = all_labels
            return
        left = all_labels - zone_labels
        if self.minimised < _MINIMISED_ONE_BY_ONE or left <= 1:
            self.shown = zone_labels + 1
        else:
            self.shown = zone_labels + max(1, left // max(1, _MINIMISED_MOST - self.minimised))

    def asked_name(self) -> tuple[bytes, int]:
        """What to ask the servers of the zone for."""
        all_labels = labels(self.qname)
        if self.shown >= all_labels:
            return self.qname, self.qtype
        at = 0
        for _ in range(all_labels - self.shown):
            at += self.qname[at] + 1
        return self.qname[at:], A

    def show_more(self, asked: bytes) -> None:
        """The servers know of `asked`: they are shown more of the name, all of it when `whole`."""
        if self.whole:
            self.shown = labels(self.qname)
            return
        before = labels(asked)
        all_labels = labels(self.qname)
        if self.minimised >= _MINIMISED_MOST:
            self.shown = all_labels
        elif self.minimised < _MINIMISED_ONE_BY_ONE:
            self.shown = min(all_labels, before + 1)
        else:
            left = all_labels - before
            self.shown = min(all_labels, before + max(1, left // max(1, _MINIMISED_MOST - self.minimised)))
