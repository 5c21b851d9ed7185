"""Routes for searches over names and records: each answer looks at a bounded number, and has a cursor to go on with."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from typing import Any

from streamdns.admin.http import cursors
from streamdns.admin.http.route import Call, Route
from streamdns.admin.node import Node
from streamdns.admin.routes import documents, legacy_search, scope
from streamdns.admin.routes.zones import CHUNK_TAKEN, PAGE_OCTETS, octets_of, page_of
from streamdns.admin.schema.data import FirstRecord, RRsetPage
from streamdns.admin.schema.queries import PatternQuery, SearchQuery
from streamdns.dns import name
from streamdns.dns import node as nodes
from streamdns.errors import ApiError
from streamdns.runtime.turns import Stint
from streamdns.view.keys import owner_of
from streamdns.view.pages import Pages
from streamdns.view.reader import Entry

#: Names that are looked at in one transaction (about a tenth of a millisecond), and in one request.
_CHUNK_NAMES = 100
_PAGE_NAMES = 20_000
_PATTERN_NAMES = 2_000_000
_PATTERN_RRSETS = 10_000
_PATTERN_OCTETS = 8 << 20
_plain = re.compile(r"[a-z0-9_-]+").fullmatch

#: Whether a name may be one that is looked for, from its key and its node.
Wanted = Callable[[bytes, bytes], bool]


def wanted_of(substring: str, glob: str, rdtype: int | None) -> Wanted:
    """Make the test of a key and its node that is done before the records are read."""
    substring, glob = substring.lower(), glob.lower()
    # In a key the labels stand as they are, in another order: what is in none of them need not be spelt out.
    pieces = re.split(r"[.*?]", f"{substring}.{'' if '[' in glob else glob}")
    parts = [piece.encode() for piece in pieces if _plain(piece)]
    matches = re.compile(fnmatch.translate(glob if glob.endswith((".", "*")) else glob + ".")).match if glob else None

    def wanted(key: bytes, raw: bytes) -> bool:
        for part in parts:
            if part not in key:
                return False
        if rdtype is not None and nodes.find(raw, rdtype) is None and not raw[1] & nodes.BEYOND:
            return False
        if not substring and matches is None:
            return True
        text = name.to_text(owner_of(key))
        return substring in text and (matches is None or matches(text) is not None)

    return wanted


class Search:
    """The handlers of /v1/search and of the search of the first version."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def search(self, call: Call) -> RRsetPage:
        """Return a page of RRsets; an empty page with a cursor found nothing so far."""
        query: SearchQuery = call.query
        stint = Stint()
        rdtype = scope.rdtype(query.type)
        content = query.content.lower()
        found, looked, following = self._look(
            scope.parts(
                scope.prefixes(call.principal, query.zone), cursors.decode(query.cursor), backwards=query.backwards
            ),
            wanted_of(query.name, query.glob, rdtype),
            lambda entry: rdtype in (None, entry.rrset.rdtype) and (not content or _has(entry, content)),
            stint, most_found=query.limit, most_looked=_PAGE_NAMES, most_octets=PAGE_OCTETS, backwards=query.backwards,
        )
        return page_of(found, looked, following, stint, call.principal)

    def pattern(self, call: Call) -> list[list[FirstRecord]]:
        """Return all RRsets whose name contains the pattern, in the form and order of the first version.

        Raises ApiError where they are too many for one answer.
        """
        query: PatternQuery = call.query
        stint = Stint()
        found, looked, following = self._look(
            scope.parts(scope.prefixes(call.principal, ""), b"", backwards=False),
            wanted_of(query.pattern, "", None), lambda entry: True,
            stint, most_found=_PATTERN_RRSETS, most_looked=_PATTERN_NAMES, most_octets=_PATTERN_OCTETS,
        )
        if following is not None:
            raise _too_many(f"{len(found)} RRsets in the first {looked} names")
        found.sort(key=legacy_search.order)
        made: list[Any] = []
        octets = 0
        for entry in found:
            records = []
            # Metadatas that an RRset has once are told with each of its records here.
            for record in legacy_search.records(entry):
                records.append(documents.piece(record))
                octets += len(records[-1])
                if octets > _PATTERN_OCTETS:
                    raise _too_many(f"{_PATTERN_OCTETS >> 20} MiB and more")
                stint()
            made.append(documents.piece(records))
        return made

    def _look(
        self, parts: Iterable[tuple[bytes, bytes]], wanted: Wanted, keep: Callable[[Entry], bool],
        stint: Stint, *, most_found: int, most_looked: int, most_octets: int, backwards: bool = False,
    ) -> tuple[list[Entry], int, bytes | None]:
        """Return the matching RRsets, the number of names looked at, and the key to go on with."""
        found: list[Entry] = []
        looked = octets = 0
        apexes = self._node.apexes()
        for prefix, start in parts:
            at: bytes | None = start
            while at is not None:
                if len(found) >= most_found or looked >= most_looked or octets >= most_octets:
                    return found, looked, at
                with Pages(self._node.view.store, apexes) as view:
                    page = view.names(
                        at, prefix, wanted, most=min(_CHUNK_NAMES, most_looked - looked),
                        enough=min(CHUNK_TAKEN, most_found - len(found)), over=stint.over, backwards=backwards,
                    )
                at, looked = page.next, looked + page.looked
                for entry in page.entries:
                    if keep(entry):
                        found.append(entry)
                        octets += octets_of(entry)
                    stint()
                stint()
        return found, looked, None


def _too_many(what: str) -> ApiError:
    return ApiError(422, "too_many", f"there is more than this answer holds: {what}; /v1/search?name= gives it page by "
                    "page")


def _has(entry: Entry, content: str) -> bool:
    rdtype, packed = entry.rrset.rdtype, entry.rrset.records
    return any(content in text.lower() for text in documents.records(rdtype, packed))


def routes(node: Node) -> tuple[Route, ...]:
    """Return the rows of both searches."""
    search = Search(node)
    answers: Any = list[list[FirstRecord]]
    return (
        Route("GET", "/v1/search", search.search, "RRsets by name, glob, type and content, page by page",
              RRsetPage, query=SearchQuery),
        Route("GET", "/search", search.pattern, "RRsets whose name contains a pattern", answers, query=PatternQuery),
    )
