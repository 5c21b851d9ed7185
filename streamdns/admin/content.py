"""All routes about what a node holds and does."""

from __future__ import annotations

from streamdns.admin import consumer, digests, journal, operating, search, trouble, wait, zones
from streamdns.admin import peers as nodes
from streamdns.admin.auditor import Auditor
from streamdns.admin.node import Node
from streamdns.admin.peers import Peers
from streamdns.admin.route import Route


def routes(node: Node, peers: Peers | None = None, auditor: Auditor | None = None) -> tuple[Route, ...]:
    """Their rows."""
    return (
        *zones.routes(node),
        *search.routes(node),
        *consumer.routes(node),
        *trouble.routes(node),
        *journal.routes(node),
        *digests.routes(node),
        *operating.routes(node),
        *wait.routes(node),
        *nodes.routes(node, peers, auditor),
    )
