"""One name being resolved: the zone reached, the servers asked, and QNAME minimisation (RFC 9156). No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from streamdns.dns.wire import AAAA, CNAME, A
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.question import Ask, Outcome
from streamdns.resolver.resolution.servers import Address
from streamdns.resolver.resolution.verdict import Verdict, labels

_MINIMISED_MOST, _MINIMISED_ONE_BY_ONE = 10, 4


class Job:
    """The state of resolving one name and type; `step` grows with every zone and every name that is asked there.

    Thousands may wait at a time, so what is empty for most of them takes no memory: sets are made anew when they grow.
    `parent_visit` is the visit of the parent that this is for; `name` is qname at first, before aliases.
    """

    # Where it is.
    zone: bytes | None = None
    names: Sequence[bytes] = ()
    fixed: tuple[Address, ...] = ()
    recursive: bool = False
    until_s: float = inf  # when the delegation to the zone ends, and with it all that its servers delegate
    own: Verdict | None = None  # the referral of one of our own zones that it is below of
    border: bytes = b"\0"  # the nearest forward zone or cut of ours at or above the name
    from_cache: bool = False  # the delegation is known for long enough that it may have changed
    useless: frozenset[Address] = frozenset()  # asked in vain before the delegation was asked for anew
    shown: int = 0  # labels of qname that the servers of the zone are shown; 0: not decided yet
    minimised: int = 0
    whole: bool = False  # minimisation was given up for this name
    # What became of this step's queries.
    visit: int = 0  # grows with every zone
    step: int = 0
    over_tcp: frozenset[Address] = frozenset()
    spent: frozenset[Address] = frozenset()  # not to be asked again
    cased: frozenset[Address] = frozenset()  # asked over TCP only because it changes case
    unreachable: frozenset[Address] = frozenset()
    bad: bool = False  # somebody could not answer for a part of the name
    waiting: int = 0
    children: int = 0
    names_tried: int = 0
    missing: frozenset[bytes] = frozenset()  # names of servers that do not exist
    looked_for: frozenset[bytes] = frozenset()  # names of servers whose addresses were, or are
    # The whole way.
    referrals: int = 0
    aliases: int = 0
    resort: tuple[Ask, Response, Verdict] | None = None  # the best of what was said of the name without authority
    done: bool = False
    outcome: Outcome | None = None

    def __init__(
        self, qname: bytes, qtype: int, parent: Job | None, depth: int, parent_visit: int, name: bytes
    ) -> None:
        self.qname, self.qtype, self.parent, self.depth = qname, qtype, parent, depth
        self.parent_visit, self.name = parent_visit, name
        self.glue: dict[bytes, tuple[Address, ...]] = {}
        self.asks: dict[Address, int] = {}  # in this step
        self.silent: dict[Address, int] = {}  # time-outs of this step
        self.chain: list[RRset] = []
        self.reasons: list[str] = []

    def new_step(self) -> None:
        """Begins another step: responses still on their way belong to the last one."""
        self.step += 1
        self.asks.clear()
        self.silent.clear()
        self.over_tcp = self.spent = self.cased = self.unreachable = frozenset()
        self.bad = False
        self.waiting = 0

    def new_zone(self) -> None:
        """Begins a step in another zone: nobody waits any longer for addresses of the last zone's servers."""
        self.new_step()
        self.visit += 1
        self.children = self.names_tried = 0
        self.looked_for = self.missing = frozenset()
        self.shown = 0

    def is_moot(self, step: int) -> bool:
        """Whether a response to that step would come too late to matter."""
        if self.done or step != self.step:
            return True
        job = self
        while job.parent is not None:
            if job.parent.done or job.parent.visit != job.parent_visit:
                return True
            job = job.parent
        return False

    def is_underway(self, name: bytes) -> bool:
        """Whether the addresses of that name are waited for by this job or those that wait for it: a circle."""
        above: Job | None = self
        while above is not None:
            if name in (above.qname, above.name) and above.qtype in (A, AAAA):
                return True
            above = above.parent
        return False

    def is_for(self, zone: bytes) -> bool:
        """Whether this job looks up the address of one of that zone's name servers."""
        above = self.parent
        while above is not None:
            if above.zone == zone:
                return True
            above = above.parent
        return False

    def has_alias_at(self, name: bytes) -> bool:
        """Whether an alias at that name was followed already."""
        return any(rrset.owner == name and rrset.rdtype == CNAME for rrset in self.chain)

    def show_more(self, known: int) -> None:
        """Decides how many labels the zone's servers are shown next, when they know this many (RFC 9156 §2.3)."""
        all_labels = labels(self.qname)
        left = all_labels - known
        if self.whole or left <= 1 or self.minimised >= _MINIMISED_MOST:
            self.shown = all_labels
        elif self.minimised < _MINIMISED_ONE_BY_ONE:
            self.shown = known + 1
        else:
            self.shown = known + -(-left // (_MINIMISED_MOST - self.minimised))

    def is_minimised(self) -> bool:
        """Whether the servers are shown a part of the name only."""
        return self.shown < labels(self.qname)

    def asked_name(self) -> tuple[bytes, int]:
        """The name and type of the next query to the zone's servers."""
        hidden = labels(self.qname) - self.shown
        if hidden <= 0:
            return self.qname, self.qtype
        at = 0
        for _ in range(hidden):
            at += self.qname[at] + 1
        return self.qname[at:], A
