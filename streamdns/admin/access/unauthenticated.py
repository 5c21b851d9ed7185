"""The admin API without users: everyone who can connect is admin, except a browser acting for another site (CSRF)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from streamdns.admin.http.route import Principal, Role
from streamdns.errors import ApiError

LOCAL: Final = Principal("local", Role.ADMIN)
#: What a browser sends with a request that another site's page made.
_FOREIGN: Final = ("cross-site", "same-site")


def refuse_foreign_page(environ: Mapping[str, Any]) -> None:
    """Raise ApiError for a request that a browser sends for a page of another site."""
    origin = environ.get("HTTP_ORIGIN")
    own = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
    if environ.get("HTTP_SEC_FETCH_SITE") in _FOREIGN or (origin is not None and origin.lower() != own.lower()):
        raise ApiError(403, "foreign_page", "pages of other sites may not use this")


def is_literal(host: str) -> bool:
    """Return whether Host is an address or localhost; a name could have been made to point here (DNS rebinding)."""
    name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    name = name if name and port.isdigit() else host
    if name.lower().rstrip(".") == "localhost" or not host:
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


class OpenGate:
    """Admits everybody as admin; used on loopback and unix sockets where no users are set."""

    def principal(self, environ: Mapping[str, Any], needed: Role) -> Principal:
        """Return the local admin; raises ApiError for what a page of another site may have had a browser send."""
        if needed > Role.PUBLIC:
            if not is_literal(environ.get("HTTP_HOST", "")):
                raise ApiError(421, "misdirected", "without users or tokens this is served under an address or "
                               "localhost only, not under a name")
            refuse_foreign_page(environ)
        return LOCAL
