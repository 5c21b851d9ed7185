"""The table of all routes, put together from those of each subject."""

from __future__ import annotations

from streamdns.admin.fleet.auditor import Auditor
from streamdns.admin.fleet.peers import Peers
from streamdns.admin.http.route import Route
from streamdns.admin.node import Node
from streamdns.admin.routes import (
    conflicts,
    consumer,
    digests,
    held,
    journal,
    metrics,
    nodes,
    quarantine,
    rebuild,
    resolver,
    search,
    settings,
    state,
    wait,
    zones,
)
from streamdns.admin.status import Status
from streamdns.metrics.registry import Registry


def basic_routes(status: Status, registry: Registry) -> tuple[Route, ...]:
    """Return the rows that every node has: state, metrics as text, and the resolver."""
    return (*state.routes(status), *metrics.text_routes(registry), *resolver.routes(status))


def routes(node: Node, peers: Peers | None = None, auditor: Auditor | None = None) -> tuple[Route, ...]:
    """Return the rows about the data of a node and its operation."""
    return (
        *zones.routes(node),
        *search.routes(node),
        *consumer.routes(node),
        *quarantine.routes(node),
        *conflicts.routes(node),
        *journal.routes(node),
        *digests.routes(node),
        *settings.routes(node),
        *metrics.routes(node),
        *rebuild.routes(node),
        *held.routes(node),
        *wait.routes(node),
        *nodes.routes(node, peers, auditor),
    )
