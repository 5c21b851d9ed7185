"""What the admin API shows of the resolver and its cache, and how the cache is flushed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamdns.dns import name, rdata
from streamdns.errors import ApiError

if TYPE_CHECKING:  # A resolver that is off is not loaded.
    from streamdns.resolver.service.recursor import Recursor

#: By the kind of an entry of the cache.
_KINDS = ("records", "no data", "no name", "failure")


class ResolverAdmin:
    """The part of the resolver that the admin API uses; raises ApiError where there is no resolver."""

    def __init__(self, recursor: Recursor | None) -> None:
        self._recursor = recursor

    def summary(self) -> dict[str, Any]:
        """Return the document of /v1/resolver."""
        return {"enabled": False} if self._recursor is None else {"enabled": True, **self._recursor.summary()}

    def entries(self, text: str) -> dict[str, Any]:
        """Return what the cache holds for a name; expired entries have a TTL of 0."""
        recursor, owner = self._running(), _wire(text)
        now_s = recursor.clock()
        return {
            "name": name.to_text(owner),
            "entries": [
                {
                    "type": rdata.type_to_text(rdtype) if rdtype else None,
                    "kind": _KINDS[entry.kind],
                    "ttl": entry.left_s(now_s),
                    "trust": entry.trust,
                    "records": [rdata.to_text(rdtype, each) for each in entry.records]
                    if _KINDS[entry.kind] == "records" else [],
                    "detail": entry.detail,
                }
                for rdtype, entry in recursor.known.cache.entries_of(owner)
            ],
        }

    def flush(self, text: str, *, below: bool) -> dict[str, Any]:
        """Remove a name from the cache, a name with all below it, or everything where none is given."""
        recursor = self._running()
        return {"flushed": recursor.flush(_wire(text) if text else None, below=below)}

    def _running(self) -> Recursor:
        if self._recursor is None:
            raise ApiError(404, "not_found", "the resolver is off: DNS_RECURSION_ALLOW is none")
        return self._recursor


def _wire(text: str) -> bytes:
    if not text:
        raise ApiError(400, "bad_request", "say which name: ?name=www.example.org.")
    try:
        return name.from_text(text).lower()
    except ValueError as error:
        raise ApiError(400, "bad_request", f"{text} is no name: {error}") from error
