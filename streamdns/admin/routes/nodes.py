"""The routes for nodes: this one compared with its peers, and the report that peers ask for."""

from __future__ import annotations

from streamdns.admin.fleet.auditor import Auditor
from streamdns.admin.fleet.peers import Peers, report
from streamdns.admin.http.route import Call, Route
from streamdns.admin.node import Node
from streamdns.admin.schema.peers import NodeReport, Nodes


def routes(node: Node, peers: Peers | None, auditor: Auditor | None) -> tuple[Route, ...]:
    """Return the rows of nodes; without peers the list holds this node only."""

    def nodes(_: Call) -> Nodes:
        return Nodes(node=report(node, auditor), peers=[]) if peers is None else peers.nodes()

    return (
        Route("GET", "/v1/nodes", nodes, "This node and its peers, compared", Nodes, unscoped=True),
        Route("GET", "/v1/nodes/self", lambda _: report(node, auditor), "What this node tells its peers", NodeReport,
              unscoped=True),
    )
