"""The route that requests a rebuild: a new view, filled from the log beside the serving one."""

from __future__ import annotations

from streamdns.admin.http.route import Call, Role, Route
from streamdns.admin.node import Node
from streamdns.admin.schema.state import RebuildAsked
from streamdns.errors import ApiError, ViewError
from streamdns.view import rebuild_request


def routes(node: Node) -> tuple[Route, ...]:
    """Return the row of the request."""

    def rebuild(call: Call) -> RebuildAsked:
        """Leave a request for a rebuild, or return the one that waits already; raises ApiError."""
        view = node.view
        try:
            missing = view.room().missing(view.path)
            if missing:
                raise ApiError(507, "no_room", missing)
            asked = rebuild_request.ask(view.path, by=call.principal.name, now_ms=int(node.now_s() * 1000))
        except ViewError as err:
            raise ApiError(507, "no_room", str(err)) from err
        return RebuildAsked(id=asked.id, by=asked.by, time=asked.time_ms)

    return (
        Route("POST", "/v1/rebuild", rebuild, "Make the view anew from the log, beside the one that serves",
              RebuildAsked, role=Role.ADMIN, unscoped=True),
    )
