"""Routes for a rebuilt view that is held: what would go away by it, page by page, and letting it take over."""

from __future__ import annotations

from streamdns.admin.http import cursors
from streamdns.admin.http.route import Call, Role, Route
from streamdns.admin.node import Node
from streamdns.admin.routes.zones import CHUNK_NAMES, CHUNK_TAKEN, PAGE_OCTETS, describe, page_of
from streamdns.admin.schema.data import RRsetPage, Zone, ZonePage
from streamdns.admin.schema.queries import PageQuery
from streamdns.admin.schema.state import Accept, Accepted
from streamdns.errors import ApiError, ViewError
from streamdns.runtime.turns import Stint
from streamdns.view import rebuild_request
from streamdns.view.keys import node_key
from streamdns.view.pages import Pages
from streamdns.view.reader import Entry
from streamdns.view.store import Store

_MOST_LOOKED_AT = 20_000


class HeldRebuild:
    """The handlers; each page compares some names of the serving view with the one that is held."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def _held(self) -> tuple[Store, Store]:
        """Return the serving view and the one that is held; raises ApiError."""
        view = self._node.view
        if self._node.progress.held is None or view.rebuilding is None:
            raise ApiError(404, "not_held", "no rebuilt view is held")
        return view.store, view.rebuilding

    def zones(self, call: Call) -> ZonePage:
        """Return a page of the zones that would go away; an empty page with a cursor found none so far."""
        query: PageQuery = call.query
        at: bytes | None = cursors.decode(query.cursor)
        stint = Stint()
        found: list[Zone] = []
        looked = 0
        while at is not None and len(found) < query.limit and looked < _MOST_LOOKED_AT:
            served, held = self._held()
            with Pages(served) as view, Pages(held) as after:
                lines, at = view.zone_lines(
                    at, most=min(CHUNK_TAKEN, query.limit - len(found)), over=stint.over
                )
                gone = [line for line in lines if not after.has_zone(line.apex)]
            looked += len(lines)
            found += [describe(self._node, line) for line in gone]
            stint()
        held_now = self._node.progress.held
        return ZonePage(
            zones=found, total=None if held_now is None else held_now.zones, next=cursors.encode(at)
        )

    def rrsets(self, call: Call) -> RRsetPage:
        """Return a page of the RRsets that would go away; an empty page with a cursor found none so far."""
        query: PageQuery = call.query
        at: bytes | None = cursors.decode(query.cursor)
        stint = Stint()
        found: list[Entry] = []
        looked = octets = 0
        while at is not None and len(found) < query.limit and looked < _MOST_LOOKED_AT and octets < PAGE_OCTETS:
            served, held = self._held()
            with Pages(served, self._node.apexes()) as view, Pages(held) as after:
                page = view.names(
                    at, b"", after.differs, most=CHUNK_NAMES, enough=min(CHUNK_TAKEN, query.limit - len(found)),
                    over=stint.over,
                )
                gone = [
                    entry for entry in page.entries if entry.rrset.rdtype not in after.types_at(node_key(entry.owner))
                ]
            at, looked = page.next, looked + page.looked
            octets += sum(len(entry.rrset.records) for entry in gone)
            found += gone
            stint()
        return page_of(found, looked, at, stint, call.principal)

    def accept(self, call: Call) -> Accepted:
        """Leave the word that the held view may take over, with so much missing as the caller was shown."""
        body: Accept = call.body
        self._held()
        held = self._node.status.held_rebuild()
        if held is None or held.id != body.id:
            raise ApiError(409, "another_held", "another view is held than the one named: look at what it takes away")
        if held.zones > body.zones or held.rrsets > body.rrsets:
            raise ApiError(
                409, "more_goes_away", f"{held.zones} zones and {held.rrsets} RRsets would go away, which is more"
            )
        word = rebuild_request.Acceptance(
            body.id, body.zones, body.rrsets, call.principal.name, int(self._node.now_s() * 1000)
        )
        try:
            rebuild_request.accept(self._node.view.path, word)
        except ViewError as err:
            raise ApiError(507, "no_room", str(err)) from err
        return Accepted(id=word.rebuild, zones=word.zones, rrsets=word.rrsets, by=word.by, time=word.time_ms)


def routes(node: Node) -> tuple[Route, ...]:
    """Return the rows of the held view."""
    held = HeldRebuild(node)
    return (
        Route("GET", "/v1/rebuild/zones", held.zones, "The zones that would go away by the rebuilt view that is held",
              ZonePage, query=PageQuery, unscoped=True),
        Route("GET", "/v1/rebuild/rrsets", held.rrsets,
              "The RRsets that would go away by the rebuilt view that is held", RRsetPage, query=PageQuery,
              unscoped=True),
        Route("POST", "/v1/rebuild/accept", held.accept, "Let the rebuilt view that is held take over", Accepted,
              role=Role.ADMIN, body=Accept, unscoped=True),
    )
