"""All routes about what a node holds and does."""

from __future__ import annotations

from streamdns.admin.fleet import peers as fleet
from streamdns.admin.fleet.auditor import Auditor
from streamdns.admin.fleet.peers import Peers
from streamdns.admin.http.route import Route
from streamdns.admin.node import Node
from streamdns.admin.routes import consumer, digests, journal, operation, quarantine, search, wait, zones


def routes(node: Node, peers: Peers | None = None, auditor: Auditor | None = None) -> tuple[Route, ...]:
    """Their rows."""
    return (
        *zones.routes(node),
        *search.routes(node),
        *consumer.routes(node),
        *quarantine.routes(node),
        *journal.routes(node),
        *digests.routes(node),
        *operation.routes(node),
        *wait.routes(node),
        *fleet.routes(node, peers, auditor),
    )
