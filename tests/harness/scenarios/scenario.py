"""The form of a scenario, and the judgement of a resolver's replies in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.harness.misbehaving import Host

#: From worst to best; nothing at all is no better than something wrong.
NOTHING, WRONG, SERVFAIL, RIGHT = "nothing", "wrong", "servfail", "right"
RANKS = {NOTHING: 0, WRONG: 0, SERVFAIL: 1, RIGHT: 2}


class Reply(NamedTuple):
    """What a resolver said: `said` is its RCODE, or NODATA, or the contents that were asked for, in order.

    `ttl_s` is that of these contents or of the SOA record; -1 where there is none.
    """

    said: str
    ttl_s: int = -1
    ede: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One question, and what is right: one of several sayings, or whatever a function of all replies so far takes.

    `ttl_s` is from least to most. `phase` is set at the scenario's hosts before, and `after_s` is how long it is then
    waited for what is kept to get old. With `again_s` it is asked over and over, so long at the most, until the reply
    is right.
    """

    name: str
    rdtype: str = "A"
    right: tuple[str, ...] | Callable[[Sequence[Reply]], bool] = ("192.0.2.1",)
    ttl_s: tuple[int, int] | None = None
    phase: int | None = None
    after_s: float = 0.0
    again_s: float = 0.0

    def judge(self, replies: Sequence[Reply | None]) -> str:
        """What the last reply is worth, knowing those before it."""
        last = replies[-1]
        if last is None:
            return NOTHING
        known = [reply for reply in replies if reply is not None]
        good = self.right(known) if callable(self.right) else last.said in self.right
        if good and self.ttl_s is not None and last.said != "SERVFAIL":
            good = self.ttl_s[0] <= last.ttl_s <= self.ttl_s[1]
        if good:
            return RIGHT
        return SERVFAIL if last.said == "SERVFAIL" else WRONG


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that is wrong. Zones are texts by origin; `org` and `net` are lines of the zones above.

    `behind`: zones that the scripted server knows the right answers of. `leaf`: zones of a server that does all right.
    `counted`: hosts whose queries are counted, `most` is how many there may be. `own`: only for who has zones of its
    own. `forwards`: zones whose names resolvers are told to ask of one host.
    """

    name: str
    about: str
    steps: tuple[Step, ...]
    hosts: Mapping[str, Host] = field(default_factory=dict)
    org: str = ""
    net: str = ""
    behind: Mapping[str, str] = field(default_factory=dict)
    leaf: Mapping[str, str] = field(default_factory=dict)
    counted: tuple[str, ...] = ()
    most: int = 0
    own: bool = False
    forwards: Mapping[str, str] = field(default_factory=dict)


class Result(NamedTuple):
    """What came of a scenario at one resolver; `shown` is what it said where it matters, `queries` those counted."""

    scenario: str
    resolver: str
    verdict: str
    shown: str
    queries: int
    ede: tuple[int, ...] = ()


def shown(replies: Sequence[Reply | None], step: Step) -> str:
    """The last reply in a few words."""
    last = replies[-1]
    if last is None:
        return "no answer"
    return f"{last.said}, TTL {last.ttl_s}" if step.ttl_s is not None and last.ttl_s >= 0 else last.said
