"""Describes the admin API in OpenAPI 3.1, generated from the table of routes and the types of its documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import gevent
import msgspec

from streamdns import __version__
from streamdns.admin.http.application import parameters
from streamdns.admin.http.route import Call, NoQuery, Reply, Role, Route
from streamdns.admin.schema.edge import Error

_REF: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"
_SECURITY: Final = {
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "cookie": {
        "type": "apiKey", "in": "cookie", "name": "token",
        "description": "What POST /signin sets. Requests that change something need the header X-CSRF-Token beside it.",
    },
}
_DESCRIPTION: Final = (
    "Every answer with a status of 400 or more is an Error. Parameters and fields that are not listed are errors. "
    "x-role says which role a call needs, x-zone which parameter has to be in one of the zones of a token that has "
    "some, and x-unscoped that such a token is refused."
)


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Build the whole description as a document for JSON."""
    types = tuple(_types(routes))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    by_type = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_type, components)
    # Parameters stand with their operations.
    for route in routes:
        components.pop(route.query.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {"title": "streamdns", "version": __version__, "description": _DESCRIPTION},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(components.items())), "securitySchemes": _SECURITY},
        "security": [{"token": []}, {"cookie": []}],
    }


def _encoded(routes: Sequence[Route]) -> bytes:
    return msgspec.json.encode(document(routes)) + b"\n"


def described(routes: Sequence[Route]) -> tuple[Route, ...]:
    """Add to a table the route that serves the description of all of it."""
    made: list[bytes] = []

    def serve(_: Call) -> Reply:
        if not made:
            # In a native thread: it takes as long as a thousand queries.
            made.append(gevent.get_hub().threadpool.apply(_encoded, (table,)))
        return Reply(made[0])

    own = Route("GET", "/v1/openapi.json", serve, "This description", dict[str, Any])
    table = (*routes, own)
    return table


def _types(routes: Sequence[Route]) -> Iterator[Any]:
    seen = set()
    for of in (Error, *(each for route in routes for each in (route.answers, route.query, route.body))):
        if of is not None and repr(of) not in seen:
            seen.add(repr(of))
            yield of


def _operation(route: Route, by_type: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    words = [word.strip("{}").replace(".", "_") for word in route.path.split("/") if word]
    found: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *words]),
        "summary": route.summary,
        "x-role": route.role.name.lower(),
        "parameters": [*map(_path_parameter, parameters(route.path)), *_query_parameters(route, components)],
        "responses": {
            "200": _answer(route, by_type),
            "4XX": {"description": "The request cannot be served.", "content": _json(by_type[repr(Error)])},
            "5XX": {"description": "The node cannot serve it now.", "content": _json(by_type[repr(Error)])},
        },
    }
    if route.path == "/ready":
        # Not an error: the same document says why.
        found["responses"]["503"] = found["responses"]["200"] | {"description": "Not ready."}
    if route.role == Role.PUBLIC:
        found["security"] = []
    if route.zone:
        found["x-zone"] = route.zone
    if route.unscoped:
        found["x-unscoped"] = True
    if route.body is not None:
        found["requestBody"] = {"required": True, "content": _json(by_type[repr(route.body)])}
    return found


def _answer(route: Route, by_type: dict[str, Any]) -> dict[str, Any]:
    schema = by_type[repr(route.answers)]
    if route.answers is str:
        return {"description": "Text.", "content": {"text/plain": {"schema": schema}}}
    if route.streams:
        of = {"type": "string", "x-first": schema}
        return {"description": "Server-sent events, without end.", "content": {"text/event-stream": {"schema": of}}}
    return {"description": "Done.", "content": _json(schema)}


def _json(schema: Any) -> dict[str, Any]:
    return {_JSON: {"schema": schema}}


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
        "description": "A domain name in presentation form, with or without the trailing dot.",
        "example": "www.example.org." if name == "name" else "example.org.",
    }


def _query_parameters(route: Route, components: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if route.query is NoQuery:
        return
    schema = components[route.query.__name__]
    for name, of in schema["properties"].items():
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": of}
