"""Compares a rebuilt view with the one it replaces: counts the RRsets that were added, removed and changed.

Both tables of nodes are walked side by side in the order of their keys, so memory does not grow with them. This runs
in a native thread; a pause now and then lets the event loop have the interpreter.
"""

from __future__ import annotations

import signal
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

import lmdb

from streamdns.dns import node as nodes
from streamdns.dns.canonical import canonical
from streamdns.errors import ViewError
from streamdns.view.entries import ZoneRow
from streamdns.view.keys import owner_of
from streamdns.view.reader import Inspector
from streamdns.view.store import Store, reported

_PAUSE_NODES = 500
_PAUSE_S = 0.0005
#: The exceptions that decoding raises when stored bytes are damaged.
_GARBAGE = (struct.error, lmdb.Error, ValueError, IndexError)


class Differences(NamedTuple):
    """Numbers of RRsets that only the new view serves, only the old one, and both with different records or TTL.

    `zones_removed` counts the zones that only the old one has.
    """

    added: int
    removed: int
    changed: int
    zones_removed: int = 0

    @property
    def same_data(self) -> bool:
        """True when both views give the same answers."""
        return self == (0, 0, 0, 0)


def differences(old: Store, new: Store, go_on: Callable[[], bool]) -> Differences | None:
    """Count the differences between what two views serve; call it in a native thread.

    Returns None where a view cannot be read, or once `go_on` returns False. Owner, type, TTL and RDATAs count; the
    order of RDATAs and the event that they came from do not.
    """
    try:
        with Inspector(old) as before, Inspector(new) as after:
            if _same_digest(before, after):
                return Differences(0, 0, 0)
            found = _count(_walk(before), _walk(after), go_on)
            return None if found is None else found._replace(zones_removed=_zones_removed(before, after))
    except (ViewError, *_GARBAGE):
        return None


def _zones_removed(before: Inspector, after: Inspector) -> int:
    with reported(before.store.path):
        kept = 0
        for number, (apex, _) in enumerate(before.rows("zones")):
            if number % _PAUSE_NODES == _PAUSE_NODES - 1:
                signal.sigtimedwait((), _PAUSE_S)
            kept += after.has_zone(apex)
        return before.state.zones - kept


def zones_gone(before: Inspector, after: Inspector) -> Iterator[tuple[bytes, ZoneRow]]:
    """Yield the zones, by apex key, that only the first of two views has."""
    return ((apex, row) for apex, row in before.zones() if not after.has_zone(apex))


def rrsets_gone(before: Inspector, after: Inspector) -> Iterator[tuple[bytes, list[int]]]:
    """Yield the names, by key, and the types of which only the first of two views has an RRset there."""
    for key, raw in before.walk():
        kept = after.types_at(key)
        gone = [rrset.rdtype for rrset in nodes.decode(raw) if rrset.rdtype not in kept]
        if gone:
            yield key, gone


def _same_digest(before: Inspector, after: Inspector) -> bool:
    """Return whether the digests prove that nothing differs: they do where no RRset has candidate rows."""
    one, other = before.state, after.state
    return one.digest == other.digest and not one.candidate_rows and not other.candidate_rows


def _walk(view: Inspector) -> Iterator[tuple[bytes, bytes]]:
    with reported(view.store.path):
        yield from view.walk()


_Nodes = Iterator[tuple[bytes, bytes]]


def _count(olds: _Nodes, news: _Nodes, go_on: Callable[[], bool]) -> Differences | None:
    added = removed = changed = seen = 0
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        seen += 1
        if seen % _PAUSE_NODES == 0:
            if not go_on():
                return None
            # Waits for no signal at all. time.sleep is gevent's where that has patched it, and wrong in this thread.
            signal.sigtimedwait((), _PAUSE_S)
        if new is None or (old is not None and old[0] < new[0]):
            assert old is not None
            removed += _rrsets(old[1])
            old = next(olds, None)
        elif old is None or new[0] < old[0]:
            added += _rrsets(new[1])
            new = next(news, None)
        else:
            if old[1] != new[1]:
                more = _compare(owner_of(old[0]), old[1], new[1])
                added, removed, changed = added + more.added, removed + more.removed, changed + more.changed
            old, new = next(olds, None), next(news, None)
    return Differences(added, removed, changed)


def _rrsets(raw: bytes) -> int:
    return raw[2] << 8 | raw[3]


def _compare(owner: bytes, old: bytes, new: bytes) -> Differences:
    """Count the differences between two nodes of one name."""
    before = {rrset.rdtype: rrset.records for rrset in nodes.decode(old, owner=owner)}
    after = {rrset.rdtype: rrset.records for rrset in nodes.decode(new, owner=owner)}
    both = before.keys() & after.keys()
    changed = sum(before[each] != after[each] and _data(before[each]) != _data(after[each]) for each in both)
    return Differences(len(after) - len(both), len(before) - len(both), changed)


def _data(records: bytes) -> tuple[int, set[bytes]]:
    rdtype = records[2] << 8 | records[3]
    return nodes.ttl_of(records), {canonical(rdtype, wire) for wire in nodes.unpack_rdatas(records)}
