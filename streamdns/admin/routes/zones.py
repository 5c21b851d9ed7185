"""Routes for zones: the list, one zone, its records, and one name of it."""

from __future__ import annotations

from streamdns.admin.http import cursors
from streamdns.admin.http.route import Call, Principal, Route
from streamdns.admin.node import Node
from streamdns.admin.routes import documents, scope
from streamdns.admin.schema.data import NameRecords, RRsetPage, Zone, ZonePage
from streamdns.admin.schema.queries import EitherWayQuery, NamesQuery, RecordsQuery
from streamdns.dns import name
from streamdns.errors import ApiError
from streamdns.runtime.turns import Stint
from streamdns.view.keys import node_key, owner_of, subtree
from streamdns.view.pages import Pages, ZoneLine
from streamdns.view.reader import Entry

#: Of names that are read in one transaction: most that are looked at, and that are taken.
CHUNK_NAMES = 100
CHUNK_TAKEN = 20
PAGE_OCTETS = 1 << 20
"""A page ends behind so many octets of records and metadatas, however few RRsets they are."""
_MOST_LOOKED_AT = 10_000


class Zones:
    """The handlers of zones and their records."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def all(self, call: Call) -> ZonePage:
        """Return a page of zones in canonical order, or backwards from the end."""
        query: NamesQuery = call.query
        stint = Stint()
        lines, following = self._lines(scope.prefixes(call.principal, query.below), query, stint)
        zones = []
        for line in lines:
            zones.append(documents.piece(describe(self._node, line)))
            stint()
        total = self._node.progress.view.zones if call.principal.zones is None else None
        return ZonePage(zones=zones, total=total, next=cursors.encode(following))

    def _lines(
        self, prefixes: list[bytes], query: NamesQuery, stint: Stint
    ) -> tuple[list[ZoneLine], bytes | None]:
        lines: list[ZoneLine] = []
        for prefix, start in scope.parts(prefixes, cursors.decode(query.cursor), backwards=query.backwards):
            at: bytes | None = start
            while at is not None:
                if len(lines) >= query.limit:
                    return lines, at
                with Pages(self._node.view.store) as view:
                    found, at = view.zone_lines(
                        at, within=prefix, most=min(CHUNK_TAKEN, query.limit - len(lines)), over=stint.over,
                        backwards=query.backwards,
                    )
                lines += found
                stint()
        return lines, None

    def one(self, call: Call) -> Zone:
        """Return one zone."""
        with Pages(self._node.view.store) as view:
            line = view.zone_line(apex_of(view, call.path["zone"]))
        assert line is not None
        return describe(self._node, line)

    def records(self, call: Call) -> RRsetPage:
        """Return a page of the records of a zone, without those of zones below it, from its begin or its end."""
        query: EitherWayQuery = call.query
        stint = Stint()
        with Pages(self._node.view.store) as view:
            apex = apex_of(view, call.path["zone"])
        start: bytes | None = cursors.decode(query.cursor)
        found: list[Entry] = []
        looked = octets = 0
        apexes = self._node.apexes()
        while start is not None and len(found) < query.limit and octets < PAGE_OCTETS and looked < _MOST_LOOKED_AT:
            with Pages(self._node.view.store, apexes) as view:
                enough = min(CHUNK_TAKEN, query.limit - len(found))
                read = view.zone_names_before if query.backwards else view.zone_names
                page = read(apex, start, most=CHUNK_NAMES, enough=enough, over=stint.over)
            found += page.entries
            octets += sum(map(octets_of, page.entries))
            looked, start = looked + page.looked, page.next
            stint()
        return page_of(found, looked, start, stint, call.principal)

    def name(self, call: Call) -> NameRecords:
        """Return the RRsets of one name of a zone, or only that of a type."""
        query: RecordsQuery = call.query
        wanted = scope.rdtype(query.type)
        owner = scope.owner(call.path["name"])
        key = node_key(owner)
        with Pages(self._node.view.store, self._node.apexes()) as view:
            apex = apex_of(view, call.path["zone"])
            if not key.startswith(subtree(apex)):
                zone_text = name.to_text(owner_of(apex))
                raise ApiError(404, "not_found", f"{call.path['name']} is not in the zone {zone_text}")
            entries, zone = view.entries(key), view.zone_of(key)
        found = [entry for entry in entries if wanted in (None, entry.rrset.rdtype)]
        return NameRecords(
            name=name.to_text(owner),
            zone=None if zone is None else name.to_text(owner_of(zone)),
            rrsets=[documents.rrset(entry, call.principal) for entry in found],
        )


def describe(node: Node, line: ZoneLine) -> Zone:
    """Describe a zone as lists and single zones show it."""
    row, progress = line.row, node.progress
    return Zone(
        name=name.to_text(owner_of(line.apex)),
        soa=documents.soa(line.soa),
        rrsets=row.rrsets,
        records=row.records,
        digest=row.digest.hex(),
        changed=row.changed_ms,
        counting=row.cursor is not None,
        stale=progress.stale,
        stale_seconds=node.behind_s(),
    )


def apex_of(view: Pages, text: str) -> bytes:
    """Return the key of a zone's apex; raises ApiError where the view has no such zone."""
    owner = scope.owner(text)
    key = node_key(owner)
    if view.zone(key) is None:
        above = view.zone_of(key)
        where = "" if above is None else f"; it is in the zone {name.to_text(owner_of(above))}"
        raise ApiError(404, "not_found", f"{name.to_text(owner)} is not a zone of the view{where}")
    return key


def octets_of(entry: Entry) -> int:
    """Return about how large an RRset is in an answer."""
    return len(entry.rrset.records) + len(entry.rrset.origin.metadatas)


def page_of(
    entries: list[Entry], looked: int, following: bytes | None, stint: Stint, principal: Principal
) -> RRsetPage:
    """Make a page of RRsets; gives way in between."""
    rrsets = []
    for entry in entries:
        rrsets.append(documents.piece(documents.rrset(entry, principal)))
        stint()
    return RRsetPage(rrsets=rrsets, looked_at=looked, next=cursors.encode(following))


def routes(node: Node) -> tuple[Route, ...]:
    """Return the rows of zones."""
    zones = Zones(node)
    return (
        Route("GET", "/v1/zones", zones.all, "Zones with SOA, counts, digest and last change, page by page",
              ZonePage, query=NamesQuery),
        Route("GET", "/v1/zones/{zone}", zones.one, "One zone", Zone, zone="zone"),
        Route("GET", "/v1/zones/{zone}/records", zones.records, "The records of a zone, page by page",
              RRsetPage, query=EitherWayQuery, zone="zone"),
        Route("GET", "/v1/zones/{zone}/records/{name}", zones.name, "The records of one name",
              NameRecords, query=RecordsQuery, zone="zone"),
    )
