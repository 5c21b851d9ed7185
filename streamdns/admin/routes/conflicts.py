"""The route that lists conflicts: RRsets of the log that contradict each other, of which only one can be served."""

from __future__ import annotations

from streamdns.admin.http import cursors
from streamdns.admin.http.route import Call, Route
from streamdns.admin.node import Node
from streamdns.admin.schema.data import Conflict, ConflictPage
from streamdns.admin.schema.queries import EitherWayQuery
from streamdns.dns import name, rdata
from streamdns.runtime.turns import Stint
from streamdns.view import entries as stored
from streamdns.view.pages import Pages

_CHUNK = 20
_MOST_LOOKED_AT = 2000


def _conflict(entry: stored.Conflict) -> Conflict:
    return Conflict(
        kind=entry.kind, name=name.to_text(entry.owner), type=rdata.type_to_text(entry.rdtype), detail=entry.detail
    )


def routes(node: Node) -> tuple[Route, ...]:
    """Return the row of the list; a caller limited to zones sees the conflicts in these."""

    def conflicts(call: Call) -> ConflictPage:
        """Return a page of conflicts."""
        query: EitherWayQuery = call.query
        start: bytes | None = cursors.decode(query.cursor)
        found: list[Conflict] = []
        stint = Stint()
        looked = 0
        while start is not None and len(found) < query.limit and looked < _MOST_LOOKED_AT:
            with Pages(node.view.store) as view:
                entries, start = view.conflicts_from(
                    start, most=min(_CHUNK, query.limit - len(found)), backwards=query.backwards
                )
            looked += len(entries)
            found += [_conflict(entry) for entry in entries if call.principal.may_see(entry.owner)]
            stint()
        total = node.progress.view.conflicts if call.principal.zones is None else None
        return ConflictPage(conflicts=found, total=total, next=cursors.encode(start))

    return (
        Route("GET", "/v1/conflicts", conflicts, "Contradictions in the data", ConflictPage, query=EitherWayQuery),
    )
