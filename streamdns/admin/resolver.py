"""What the admin API shows of the resolver and its cache, and how the cache is flushed."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from streamdns.admin.schema.resolver import ServerList, ServerSeen, Trace
from streamdns.admin.texts import texts_of
from streamdns.dns import name, rdata
from streamdns.errors import ApiError
from streamdns.runtime.turns import Stint

if TYPE_CHECKING:  # A resolver that is off is not loaded.
    from streamdns.resolver.resolution.message import RRset
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
        now_s, stint = recursor.clock(), Stint()
        entries = []
        for rdtype, entry in recursor.known.cache.kinds_of(owner):
            if entry is not None:
                kind = _KINDS[entry.kind]
                entries.append({
                    "type": rdata.type_to_text(rdtype) if rdtype else None,
                    "kind": kind,
                    "ttl": entry.left_s(now_s),
                    "trust": entry.trust,
                    "records": texts_of(rdtype, entry.records, stint) if kind == "records" else [],
                    "detail": entry.detail,
                })
            stint()
        return {"name": name.to_text(owner), "entries": entries}

    def servers(self, limit: int) -> ServerList:
        """Name servers that were asked: those that cost too much first, those that do not answer, then the slowest."""
        recursor = self._running()
        known, costs, now_s = recursor.known.servers, recursor.known.costs, recursor.clock()
        remembered = known.all()
        ranked: list[tuple[float, bool, int, float, int]] = []
        asked, stint = 0, Stint()
        for number, (address, server) in enumerate(remembered):
            stint()
            if not server.asked:
                continue
            asked += 1
            owed_us = 0.0 if costs.are_none else costs.owed_us(address, now_s)
            rank = owed_us, server.dead_until_s > now_s, server.timeouts, server.rtt_s, number
            if len(ranked) < limit:
                heapq.heappush(ranked, rank)
            elif rank > ranked[0]:
                heapq.heapreplace(ranked, rank)
        worst = (remembered[number][0] for *_, number in sorted(ranked, reverse=True))
        servers = []
        for address in worst:
            shown = known.shown(address, now_s)
            if shown["rtt_seconds"] is not None:  # else it was forgotten while this went on
                seen = ServerSeen(**shown, cpu_owed_seconds=round(costs.owed_us(address, now_s) / 1e6, 4))
                seen.left_alone_seconds = max(seen.left_alone_seconds, round(costs.left_alone_s(address, now_s), 3))
                servers.append(seen)
        return ServerList(servers=servers, asked=asked)

    def trace(self, text: str, type_text: str) -> Trace:
        """Resolve a name now, and say how."""
        from streamdns.resolver.resolution.question import Question
        from streamdns.resolver.service.drive import RCODES, Drive

        recursor, owner = self._running(), _wire(text)
        try:
            qtype = rdata.type_from_text(type_text)
        except ValueError as error:
            raise ApiError(400, "bad_request", str(error)) from error
        # What is seen is put into words afterwards, where there is time for it.
        seen: list[str | Iterable[RRset]] = []
        begun_s = time.monotonic()
        outcome = Drive(
            Question(owner, qtype, False), recursor.known, recursor.transport, say=seen.append,
            show=lambda rrsets, _: seen.append(rrsets),
        ).run()
        took_s, stint = time.monotonic() - begun_s, Stint()
        steps: list[str] = []
        for each in seen:
            steps += [each] if isinstance(each, str) else _lines(each, stint)
        return Trace(
            name=name.to_text(owner), type=rdata.type_to_text(qtype), detail=outcome.detail, steps=steps,
            rcode=RCODES.get(outcome.rcode, str(outcome.rcode)), answer=_lines(outcome.answer, stint),
            queries=outcome.packets, seconds=round(took_s, 4),
        )

    def flush(self, text: str, *, below: bool) -> dict[str, Any]:
        """Remove a name from the cache, a name with all below it, or everything where none is given."""
        recursor = self._running()
        return {"flushed": recursor.flush(_wire(text) if text else None, below=below, pause=Stint())}

    def _running(self) -> Recursor:
        if self._recursor is None:
            raise ApiError(404, "not_found", "the resolver is off: DNS_RECURSION_ALLOW is none")
        return self._recursor


def _lines(rrsets: Iterable[RRset], stint: Stint) -> list[str]:
    """Return records in presentation format, one a line."""
    found = []
    for rrset in rrsets:
        before = f"{name.to_text(rrset.owner)} {rrset.ttl_s} IN {rdata.type_to_text(rrset.rdtype)}"
        found += [f"{before} {text}" for text in texts_of(rrset.rdtype, rrset.rdatas, stint)]
    return found


def _wire(text: str) -> bytes:
    if not text:
        raise ApiError(400, "bad_request", "say which name: ?name=www.example.org.")
    try:
        return name.from_text(text).lower()
    except ValueError as error:
        raise ApiError(400, "bad_request", f"{text} is no name: {error}") from error
