"""Parses names and types in requests, and limits reads to the zones of a scoped token."""

from __future__ import annotations

from collections.abc import Iterator

from streamdns.admin.http.route import Principal
from streamdns.dns import name, rdata
from streamdns.errors import ApiError
from streamdns.view import keys
from streamdns.view.keys import node_key, subtree


def owner(text: str) -> bytes:
    """Parse a name into lower-case wire form; raises ApiError."""
    try:
        return name.from_text(text).lower()
    except ValueError as err:
        raise ApiError(400, "bad_name", str(err)) from err


def rdtype(text: str) -> int | None:
    """Parse a record type into its number, None where none was given; raises ApiError."""
    try:
        return rdata.type_from_text(text) if text else None
    except ValueError as err:
        raise ApiError(400, "bad_type", str(err)) from err


def prefixes(principal: Principal, below: str) -> list[bytes]:
    """Return the key prefixes that a caller may read, in order, none within another; with a name those below it."""
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


def parts(within: list[bytes], cursor: bytes, *, backwards: bool) -> Iterator[tuple[bytes, bytes]]:
    """Yield the prefixes of which something is left to read, each with the key to begin with, or to begin before."""
    for prefix in reversed(within) if backwards else within:
        end = keys.behind(prefix)
        if backwards and (not cursor or cursor > prefix):
            yield prefix, min(cursor, end) if cursor and end else cursor or end
        elif not backwards and (not end or cursor < end):
            yield prefix, max(cursor, prefix)
