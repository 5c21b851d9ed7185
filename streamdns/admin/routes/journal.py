"""Routes for the journal: pages of changes, newest first, and a stream of server-sent events that can be resumed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import bottle
import msgspec

from streamdns.admin.http import cursors
from streamdns.admin.http.route import Call, Principal, Route, Stream
from streamdns.admin.node import Node
from streamdns.admin.routes import documents, scope
from streamdns.admin.schema.data import JournalPage, StreamPosition
from streamdns.admin.schema.queries import JournalQuery, StreamQuery
from streamdns.errors import ApiError
from streamdns.runtime.turns import Stint
from streamdns.view.entries import JournalEntry
from streamdns.view.keys import node_key, subtree
from streamdns.view.pages import Pages
from streamdns.view.store import Store

_CHUNK = 20
_MOST_LOOKED_AT = 5000
#: A page ends behind so many octets, however few changes they are.
_PAGE_OCTETS = 1 << 20
_LAST = (1 << 63) - 1
#: So often a stream says that it is still there.
_ALIVE_S = 15.0
_id = re.compile(r"([0-9]{1,9})-([0-9]{1,18})").fullmatch


class _Filter:
    """Selects the changes that a caller asked for and may see."""

    def __init__(self, principal: Principal, query: JournalQuery | StreamQuery) -> None:
        self.principal = principal
        self._name = scope.owner(query.name) if query.name else None
        self._zone = subtree(node_key(scope.owner(query.zone))) if query.zone else None
        self._producer = query.producer

    def takes(self, entry: JournalEntry) -> bool:
        """Return whether a change is selected."""
        if self._name is not None and entry.owner != self._name:
            return False
        if self._zone is not None and not node_key(entry.owner).startswith(self._zone):
            return False
        if self._producer and documents.producer(documents.decoded(entry.metadatas)) != self._producer:
            return False
        return self.principal.may_see(entry.owner)


class Journal:
    """The handlers of the journal; `elapsed_s` is a clock that never jumps."""

    def __init__(self, node: Node, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._node, self._elapsed_s = node, elapsed_s

    def page(self, call: Call) -> JournalPage:
        """Return a page of changes, newest first, or backwards; an empty page with a cursor found none so far.

        Below the number that the cursor is stands what comes newest first, and from it on what comes backwards.
        """
        query: JournalQuery = call.query
        wanted = _Filter(call.principal, query)
        border = cursors.number(query.cursor, 0 if query.backwards else _LAST)
        found: list[Any] = []
        octets = 0
        stint = Stint()
        for _ in range(_MOST_LOOKED_AT // _CHUNK):
            with Pages(self._node.view.store) as view:
                first, end = view.journal_first, view.state.journal_next
                entries = view.changes(_chunk(first, end, border, backwards=query.backwards))
            for number, entry in entries:
                if len(found) == query.limit or octets >= _PAGE_OCTETS:
                    return _page(call.principal, found, first, end, border)
                border = number + query.backwards
                if entry.time_ms > query.until if query.backwards else entry.time_ms < query.since:
                    return _page(call.principal, found, first, end, None)
                if query.since <= entry.time_ms <= query.until and wanted.takes(entry):
                    found.append(documents.piece(documents.change(number, entry, call.principal)))
                    octets += len(found[-1])
                stint()
            if not entries or (border >= end if query.backwards else border <= first):
                return _page(call.principal, found, first, end, None)
        return _page(call.principal, found, first, end, border)

    def stream(self, call: Call) -> Stream:
        """Stream the changes from now on, or those behind an id, for as long as the client listens."""
        query: StreamQuery = call.query
        wanted = _Filter(call.principal, query)
        # What a browser sends when it connects again.
        after = query.after or bottle.request.get_header("Last-Event-ID", "")
        if after and _id(after) is None:
            raise ApiError(400, "bad_cursor", "that is not an id that this stream gave")
        return Stream(self._events(wanted, after))

    def _events(self, wanted: _Filter, after: str) -> Iterator[bytes]:
        store, following = self._begin(after)
        stint = Stint()
        # Without data it is no event, but says where to go on should nothing come before the connection ends.
        yield b"id: %d-%d\n\n" % (_generation(store), max(0, following))
        said_s = self._elapsed_s()
        while True:
            if self._elapsed_s() - said_s >= _ALIVE_S:
                # Also where changes come that this client does not want: only writing tells that it is gone.
                yield b": still there\n\n"
                said_s = self._elapsed_s()
            if store is not self._node.view.store:
                # A rebuilt view serves. That its journal was filled anew is no change of the data.
                store = self._node.view.store
                following = store.state().journal_next
                yield _lost(following)
            with Pages(store) as view:
                first, end = view.journal_first, view.state.journal_next
                entries = view.changes(range(max(first, following), min(end, following + _CHUNK)))
            if not first <= following <= end:
                following = first
                yield _lost(first)
                continue
            for number, entry in entries:
                following = number + 1
                if wanted.takes(entry):
                    yield _changed(_generation(store), number, entry, wanted.principal)
                    said_s = self._elapsed_s()
                stint()
            if following >= end:
                self._node.commits.wait(max(0.0, said_s + _ALIVE_S - self._elapsed_s()))

    def _begin(self, after: str) -> tuple[Store, int]:
        """Return the serving view and the number of the change to begin with; -1 for an id of another view."""
        store = self._node.view.store
        match = _id(after)
        if match is None:
            return store, store.state().journal_next
        return store, int(match[2]) if int(match[1]) == _generation(store) else -1


def _chunk(first: int, end: int, border: int, *, backwards: bool) -> range:
    """Return the numbers of the next changes to read of those from `first` to before `end`."""
    if backwards:
        return range(max(first, border), min(end, max(first, border) + _CHUNK))
    top = min(border, end)
    return range(top - 1, max(first, top - _CHUNK) - 1, -1)


def _page(principal: Principal, changes: list[Any], first: int, end: int, border: int | None) -> JournalPage:
    """Make a page; how many changes all zones have is not told to a caller limited to some."""
    whole = principal.zones is None
    return JournalPage(
        changes=changes, first=first if whole else None, end=end if whole else None,
        next=None if border is None else str(border),
    )


def _generation(store: Store) -> int:
    """Return the number of a view's generation: changes are numbered anew in each."""
    return int("".join(filter(str.isdigit, os.path.basename(store.path))) or 0)


def _lost(first: int) -> bytes:
    return b"event: lost\ndata: " + msgspec.json.encode(StreamPosition(first=first)) + b"\n\n"


def _changed(generation: int, number: int, entry: JournalEntry, principal: Principal) -> bytes:
    document = msgspec.json.encode(documents.change(number, entry, principal))
    return b"event: change\nid: %d-%d\ndata: %b\n\n" % (generation, number + 1, document)


def routes(node: Node) -> tuple[Route, ...]:
    """Return the rows of the journal."""
    journal = Journal(node)
    return (
        Route("GET", "/v1/journal", journal.page, "Changes, newest first", JournalPage, query=JournalQuery),
        Route("GET", "/v1/journal/stream", journal.stream, "Changes as they are applied, as server-sent events",
              StreamPosition, query=StreamQuery, streams=True),
    )
