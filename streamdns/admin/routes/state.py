"""The routes that every node has: health, readiness, metrics, its state, its resolver."""

from __future__ import annotations

from typing import Any

from streamdns.admin.http.route import Call, Reply, Role, Route
from streamdns.admin.schema.edge import CacheQuery, Flushed, FlushQuery, Health, Ready
from streamdns.admin.schema.state import NodeStatus
from streamdns.admin.status import Status
from streamdns.metrics import prometheus
from streamdns.metrics.registry import Registry
from streamdns.runtime.turns import take_turn


def routes(status: Status, registry: Registry) -> tuple[Route, ...]:
    """Their rows. /metrics is for viewers here; DNS_METRICS_ADDRESS serves it to whoever reaches that."""

    def ready(call: Call) -> Reply:
        reasons = status.not_ready()
        return Reply(Ready(not reasons, reasons), status=503 if reasons else 200)

    def cache(call: Call) -> dict[str, Any]:
        return status.resolver.entries(call.query.name)

    def flush(call: Call) -> Flushed:
        done = status.resolver.flush(call.query.name, below=call.query.below)
        return Flushed(done["flushed"])

    def text(call: Call) -> Reply:
        pages = []
        for page in prometheus.pages(registry):
            pages.append(page)
            take_turn()
        return Reply("".join(pages).encode(), content_type=prometheus.CONTENT_TYPE)

    return (
        Route("GET", "/health", lambda call: Health("ok"), "Whether the process does its work", Health,
              role=Role.PUBLIC),
        Route("GET", "/ready", ready, "Whether this node should get queries (503: not), and why not", Ready,
              role=Role.PUBLIC),
        Route("GET", "/metrics", text, "Every metric in Prometheus's text format", str,
              unscoped=True),
        Route("GET", "/v1/status", lambda call: status.summary(), "What this node is doing", NodeStatus,
              unscoped=True),
        Route("GET", "/v1/resolver", lambda call: status.resolver.summary(), "What the resolver is doing",
              dict[str, Any], unscoped=True),
        Route("GET", "/v1/resolver/cache", cache, "What the resolver knows of a name", dict[str, Any],
              query=CacheQuery, unscoped=True),
        Route("POST", "/v1/resolver/flush", flush, "Have the resolver forget a name, all below it, or everything",
              Flushed, role=Role.OPERATOR, query=FlushQuery, unscoped=True),
    )
