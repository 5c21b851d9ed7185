"""The routes of the admin interface: JSON for everything but /metrics."""

from __future__ import annotations

from typing import Any

import bottle
import msgspec

from streamdns import logs
from streamdns.admin.status import Status
from streamdns.errors import ApiError
from streamdns.metrics import prometheus
from streamdns.metrics.registry import Registry

_log = logs.get("admin")
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 503: "not_ready"}


def application(status: Status, registry: Registry) -> bottle.Bottle:
    """The WSGI application."""
    app = bottle.Bottle(autojson=False)

    def health() -> bytes:
        return _json({"status": "ok"})

    def ready() -> bytes:
        reasons = status.not_ready()
        if reasons:
            bottle.response.status = 503
        return _json({"ready": not reasons, "because": reasons})

    def show_status() -> bytes:
        return _json(status.summary())

    def show_resolver() -> bytes:
        return _json(status.resolver.summary())

    def show_cache() -> bytes:
        return _json(status.resolver.entries(_argument("name")))

    def flush() -> bytes:
        return _json(status.resolver.flush(_argument("name"), below=_argument("below") == "true"))

    def metrics() -> str:
        bottle.response.content_type = "text/plain; version=0.0.4; charset=utf-8"
        return prometheus.render(registry)

    app.route("/health", "GET", health)
    app.route("/ready", "GET", ready)
    app.route("/v1/status", "GET", show_status)
    app.route("/v1/resolver", "GET", show_resolver)
    app.route("/v1/resolver/cache", "GET", show_cache)
    app.route("/v1/resolver/flush", "POST", flush)
    app.route("/metrics", "GET", metrics)
    app.default_error_handler = _error
    return app


def _argument(name: str) -> str:
    value: str = bottle.request.query.getunicode(name, "")
    return value


def _json(document: Any) -> bytes:
    bottle.response.content_type = "application/json"
    bottle.response.set_header("Cache-Control", "no-store")
    return msgspec.json.encode(document) + b"\n"


def _error(error: bottle.HTTPError) -> bytes:
    """Every failure as JSON, without traces; a fault of ours is logged."""
    status = int(error.status_code)
    code, message = _CODES.get(status, "error"), str(error.body)
    if isinstance(error.exception, ApiError):
        status, code, message = error.exception.status, error.exception.code, error.exception.message
        bottle.response.status = status
    elif status >= 500:
        code, message = "internal", "this request met a fault; the log of the server says more"
        if isinstance(error.exception, Exception):
            _log.error("admin.request_failed", exc=error.exception, path=bottle.request.path)
    return _json({"error": {"code": code, "message": message}})
