"""The routes for the resolver: its state, the entries of its cache, and flushing them."""

from __future__ import annotations

from typing import Any

from streamdns.admin.http.route import Call, Role, Route
from streamdns.admin.schema.edge import CacheQuery, Flushed, FlushQuery
from streamdns.admin.schema.resolver import ServerList, ServersQuery, Trace, TraceQuery
from streamdns.admin.status import Status


def routes(status: Status) -> tuple[Route, ...]:
    """Return the rows of the resolver."""

    def cache(call: Call) -> dict[str, Any]:
        return status.resolver.entries(call.query.name)

    def flush(call: Call) -> Flushed:
        done = status.resolver.flush(call.query.name, below=call.query.below)
        return Flushed(done["flushed"])

    def servers(call: Call) -> ServerList:
        return status.resolver.servers(call.query.limit)

    def trace(call: Call) -> Trace:
        return status.resolver.trace(call.query.name, call.query.type)

    return (
        Route("GET", "/v1/resolver/servers", servers, "Name servers that were asked, the worst first", ServerList,
              query=ServersQuery, unscoped=True),
        Route("GET", "/v1/resolver/trace", trace, "Resolve a name now, step by step", Trace, role=Role.OPERATOR,
              query=TraceQuery, unscoped=True),
        Route("GET", "/v1/resolver", lambda call: status.resolver.summary(), "What the resolver is doing",
              dict[str, Any], unscoped=True),
        Route("GET", "/v1/resolver/cache", cache, "What the resolver knows of a name", dict[str, Any],
              query=CacheQuery, unscoped=True),
        Route("POST", "/v1/resolver/flush", flush, "Have the resolver forget a name, all below it, or everything",
              Flushed, role=Role.OPERATOR, query=FlushQuery, unscoped=True),
    )
