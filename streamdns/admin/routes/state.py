"""The routes for the state of a node: whether it is alive, whether it should get queries, and its status."""

from __future__ import annotations

from streamdns.admin.http.route import Call, Reply, Role, Route
from streamdns.admin.schema.edge import Health, Ready
from streamdns.admin.schema.state import NodeStatus
from streamdns.admin.status import Status


def routes(status: Status) -> tuple[Route, ...]:
    """Return the rows of health, readiness and status."""

    def ready(call: Call) -> Reply:
        reasons = status.not_ready()
        return Reply(Ready(not reasons, reasons, status.held()), status=503 if reasons else 200)

    return (
        Route("GET", "/health", lambda call: Health("ok"), "Whether the process does its work", Health,
              role=Role.PUBLIC),
        Route("GET", "/ready", ready, "Whether this node should get queries (503: not), and why not", Ready,
              role=Role.PUBLIC),
        Route("GET", "/v1/status", lambda call: status.summary(), "What this node is doing", NodeStatus,
              unscoped=True),
    )
