"""The route for the quarantine: events that were rejected, each with the reason."""

from __future__ import annotations

from typing import Any

from streamdns.admin.http import cursors
from streamdns.admin.http.route import Call, Route
from streamdns.admin.node import Node
from streamdns.admin.routes.documents import piece
from streamdns.admin.schema.data import Quarantined, QuarantinePage
from streamdns.admin.schema.queries import EitherWayQuery
from streamdns.errors import BadEvent
from streamdns.events.event import decode_key
from streamdns.runtime.turns import Stint
from streamdns.view import entries
from streamdns.view.pages import Pages

_CHUNK = 20
_MOST_LOOKED_AT = 2000
_LAST = (1 << 63) - 1


class Quarantine:
    """The handler of the list; a caller limited to zones sees the events about names in these."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def page(self, call: Call) -> QuarantinePage:
        """Return a page of rejected events, newest first or, backwards, oldest first.

        Below the number that the cursor is stands what comes newest first, and from it on what comes backwards.
        """
        query: EitherWayQuery = call.query
        border = cursors.number(query.cursor, 0 if query.backwards else _LAST)
        found: list[Any] = []
        stint = Stint()
        for _ in range(_MOST_LOOKED_AT // _CHUNK):
            with Pages(self._node.view.store) as view:
                read = view.quarantine_from if query.backwards else view.quarantine_before
                entries = read(border, most=_CHUNK)
            for number, entry in entries:
                if len(found) == query.limit:
                    return self._page(call, found, border)
                border = number + query.backwards
                if call.principal.zones is None or call.principal.may_see(_owner(entry)):
                    found.append(piece(_quarantined(number, entry, placed=call.principal.zones is None)))
                stint()
            if len(entries) < _CHUNK:
                return self._page(call, found, None)
        return self._page(call, found, border)

    def _page(self, call: Call, found: list[Any], border: int | None) -> QuarantinePage:
        total = self._node.progress.view.quarantined if call.principal.zones is None else None
        return QuarantinePage(quarantined=found, total=total, next=None if border is None else str(border))


def _owner(entry: entries.Quarantined) -> bytes:
    """Return the name that an event is about; the root where its key has none."""
    try:
        return decode_key(entry.key)[0]
    except BadEvent:
        return b"\0"


def _quarantined(number: int, entry: entries.Quarantined, *, placed: bool) -> Quarantined:
    return Quarantined(
        id=number, time=entry.time_ms, topic=entry.topic if placed else None,
        partition=entry.partition if placed else None, position=entry.position if placed else None,
        timestamp=entry.timestamp, key=None if entry.key is None else _text(entry.key), reason=entry.reason,
        payload=_text(entry.payload),
    )


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")


def routes(node: Node) -> tuple[Route, ...]:
    """Return the row of the list."""
    return (
        Route("GET", "/v1/quarantine", Quarantine(node).page, "Rejected events, newest first", QuarantinePage,
              query=EitherWayQuery),
    )
