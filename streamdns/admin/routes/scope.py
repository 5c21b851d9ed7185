"""Names and types as requests have them, and which keys of the view a caller may see."""

from __future__ import annotations

from streamdns.admin.http.route import Principal
from streamdns.dns import name, rdata
from streamdns.errors import ApiError
from streamdns.view.keys import node_key, subtree


def owner(text: str) -> bytes:
    """The lower-case wire form of a name; raises ApiError."""
    try:
        return name.from_text(text).lower()
    except ValueError as err:
        raise ApiError(400, "bad_name", str(err)) from err


def rdtype(text: str) -> int | None:
    """The number of a type, None where none was given; raises ApiError."""
    try:
        return rdata.type_from_text(text) if text else None
    except ValueError as err:
        raise ApiError(400, "bad_type", str(err)) from err


def prefixes(principal: Principal, below: str) -> list[bytes]:
    """The prefixes of the keys to look through, in order: those below a name where one is given, none of them twice."""
    if below:
        top = owner(below)
        if not principal.may_see(top):
            raise ApiError(403, "forbidden", f"{below} is in no zone that you may see")
        return [subtree(node_key(top))]
    if principal.zones is None:
        return [b""]
    found: list[bytes] = []
    for prefix in sorted(subtree(node_key(zone)) for zone in principal.zones):
        if not found or not prefix.startswith(found[-1]):
            found.append(prefix)
    return found


def behind(prefix: bytes, key: bytes) -> bool:
    """Whether a key stands behind all keys with a prefix."""
    return not key.startswith(prefix) and key > prefix
