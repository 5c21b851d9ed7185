"""What a zone file changes in the log: RRsets that are added, changed, deleted, or another zone's affair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from streamdns.commands.log_reader import Key, LogState
from streamdns.commands.zonefile import FileRRsets
from streamdns.dns import name
from streamdns.dns.master import Problem, is_within
from streamdns.dns.node import DS, NS, SOA


@dataclass(slots=True)
class Changes:
    """Keys by what becomes of them; `left_alone` by the apex of the zone below whose affair they are.

    `kept` would have been deleted, but a bad record of the file may have been meant for them.
    """

    added: list[Key] = field(default_factory=list)
    changed: list[Key] = field(default_factory=list)
    deleted: list[Key] = field(default_factory=list)
    unchanged: int = 0
    left_alone: dict[bytes, list[Key]] = field(default_factory=dict)
    kept: list[Key] = field(default_factory=list)


def compare(
    wanted: FileRRsets, state: LogState, origin: bytes, *, replace: bool, listed: Iterable[str],
    problems: Sequence[Problem] = (),
) -> Changes:
    """Which RRsets the file changes; one whose newest event was rejected is written again, which heals it.

    What lies at or below the apex of a zone below is that zone's affair, but for the DS at the cut. `listed` are the
    zones of DNS_ZONES.
    """
    known = state.rrsets
    below = apexes_below(origin, state, listed)
    changes = Changes()
    for key, rrset in wanted.items():
        old = known.get(key)
        if old is not None and not old.rejected and old.is_like(key[1], rrset.ttl, rrset.rdatas):
            changes.unchanged += 1
            continue
        apex = owner_zone(key, below)
        if apex is not None:
            if old is None or not old.has_same_data(key[1], rrset.rdatas):
                changes.left_alone.setdefault(apex, []).append(key)
            else:
                changes.unchanged += 1  # The TTL is the child's, too: parents state another one all the time.
        elif old is None:
            changes.added.append(key)
        else:
            changes.changed.append(key)
    if replace:
        gone = [key for key in of_zone(known, origin, below) if key not in wanted]
        bad = {(problem.owner, problem.rdtype) for problem in problems}
        for key in gone:
            doubtful = key in bad or (key[0], None) in bad or (None, None) in bad
            (changes.kept if doubtful else changes.deleted).append(key)
    return changes


def apexes_below(origin: bytes, state: LogState, listed: Iterable[str]) -> frozenset[bytes]:
    """The zones below a name: those with a SOA in the log, and those of DNS_ZONES."""
    found = {owner for owner, rdtype in state.rrsets if rdtype == SOA}
    found |= {name.from_text(zone).lower() for zone in listed}
    return frozenset(each for each in found if each != origin and is_within(each, origin))


def owner_zone(key: Key, below: frozenset[bytes]) -> bytes | None:
    """The deepest zone of these that an RRset belongs to; None where it is the affair of the zone above them."""
    owner, rdtype = key
    at = 0
    while below and at < len(owner):
        if owner[at:] in below and not (at == 0 and rdtype == DS):
            return owner[at:]
        at += owner[at] + 1
    return None


def of_zone(known: Iterable[Key], origin: bytes, below: frozenset[bytes]) -> list[Key]:
    """Those RRsets that the zone of this name holds: nothing of zones below it, and no DS at its own top."""
    return [
        key for key in known
        if is_within(key[0], origin) and key != (origin, DS) and owner_zone(key, below) is None
    ]


def delegation_of(known: Iterable[Key], origin: bytes) -> list[Key]:
    """The NS and DS at the top of a zone: where the zone above is served here too, they are its delegation."""
    return [key for key in known if key in ((origin, NS), (origin, DS))]
