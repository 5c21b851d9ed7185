"""What is wrong with the data: events that were rejected, and conflicts."""

from __future__ import annotations

from streamdns.admin.http import cursors
from streamdns.admin.http.route import Call, Route
from streamdns.admin.node import Node
from streamdns.admin.schema.data import Conflict, ConflictPage, Quarantined, QuarantinePage
from streamdns.admin.schema.queries import PageQuery
from streamdns.dns import name, rdata
from streamdns.errors import BadEvent
from streamdns.events.event import decode_key
from streamdns.runtime.turns import Stint
from streamdns.view import quarantine
from streamdns.view import transaction as stored
from streamdns.view.pages import Pages

_CHUNK = 20
_MOST_LOOKED_AT = 2000
_LAST = (1 << 63) - 1


class Trouble:
    """The handlers of both lists; a caller with zones sees what is about names in them."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def quarantine(self, call: Call) -> QuarantinePage:
        """A page of rejected events, newest first; `next` is the number of the last one."""
        query: PageQuery = call.query
        before = cursors.number(query.cursor, _LAST)
        found: list[Quarantined] = []
        stint = Stint()
        for _ in range(_MOST_LOOKED_AT // _CHUNK):
            with Pages(self._node.view.store) as view:
                entries = view.quarantine_before(before, most=_CHUNK)
            for number, entry in entries:
                if len(found) == query.limit:
                    return self._quarantine_page(call, found, before)
                before = number
                if call.principal.zones is None or call.principal.may_see(_owner(entry)):
                    found.append(_quarantined(number, entry))
            if len(entries) < _CHUNK:
                return self._quarantine_page(call, found, None)
            stint()
        return self._quarantine_page(call, found, before)

    def _quarantine_page(self, call: Call, found: list[Quarantined], before: int | None) -> QuarantinePage:
        total = self._node.progress.view.quarantined if call.principal.zones is None else None
        return QuarantinePage(quarantined=found, total=total, next=None if before is None else str(before))

    def conflicts(self, call: Call) -> ConflictPage:
        """A page of conflicts."""
        query: PageQuery = call.query
        start: bytes | None = cursors.decode(query.cursor)
        found: list[Conflict] = []
        stint = Stint()
        looked = 0
        while start is not None and len(found) < query.limit and looked < _MOST_LOOKED_AT:
            with Pages(self._node.view.store) as view:
                entries, start = view.conflicts_from(start, most=min(_CHUNK, query.limit - len(found)))
            looked += len(entries)
            found += [_conflict(entry) for entry in entries if call.principal.may_see(entry.owner)]
            stint()
        total = self._node.progress.view.conflicts if call.principal.zones is None else None
        return ConflictPage(conflicts=found, total=total, next=cursors.encode(start))


def _owner(entry: quarantine.Quarantined) -> bytes:
    """The name that an event is about; the root where its key names none."""
    try:
        return decode_key(entry.key)[0]
    except BadEvent:
        return b"\0"


def _quarantined(number: int, entry: quarantine.Quarantined) -> Quarantined:
    return Quarantined(
        id=number, time=entry.time_ms, topic=entry.topic, partition=entry.partition, position=entry.position,
        timestamp=entry.timestamp, key=None if entry.key is None else _text(entry.key), reason=entry.reason,
        payload=_text(entry.payload),
    )


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")


def _conflict(entry: stored.Conflict) -> Conflict:
    return Conflict(
        kind=entry.kind, name=name.to_text(entry.owner), type=rdata.type_to_text(entry.rdtype), detail=entry.detail
    )


def routes(node: Node) -> tuple[Route, ...]:
    """What is served of quarantine and conflicts."""
    trouble = Trouble(node)
    return (
        Route("GET", "/v1/quarantine", trouble.quarantine, "Rejected events, newest first", QuarantinePage,
              query=PageQuery),
        Route("GET", "/v1/conflicts", trouble.conflicts, "Contradictions in the data", ConflictPage, query=PageQuery),
    )
