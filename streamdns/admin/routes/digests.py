"""The routes for digests: of the view at its positions, and of one zone."""

from __future__ import annotations

from streamdns.admin.fleet.positions import positions_of
from streamdns.admin.http.route import Call, Route
from streamdns.admin.node import Node
from streamdns.admin.routes.zones import apex_of
from streamdns.admin.schema.data import ZoneDigest
from streamdns.admin.schema.peers import Digest
from streamdns.dns import name
from streamdns.view.keys import owner_of
from streamdns.view.pages import Pages


def routes(node: Node) -> tuple[Route, ...]:
    """Return the rows of the digests."""

    def whole(_: Call) -> Digest:
        with Pages(node.view.store) as view:
            state, positions = view.state, positions_of(view)
        return Digest(
            digest=state.digest.hex(), names=state.nodes, rrsets=state.rrsets, records=state.records,
            zones=state.zones, positions=positions,
        )

    def zone(call: Call) -> ZoneDigest:
        with Pages(node.view.store) as view:
            apex = apex_of(view, call.path["zone"])
            row = view.zone(apex)
        assert row is not None
        return ZoneDigest(
            name=name.to_text(owner_of(apex)), digest=row.digest.hex(), rrsets=row.rrsets, records=row.records,
            counting=row.cursor is not None,
        )

    return (
        Route("GET", "/v1/digest", whole, "The digest of the view at its positions", Digest, unscoped=True),
        Route("GET", "/v1/digest/{zone}", zone, "The digest of one zone", ZoneDigest, zone="zone"),
    )
