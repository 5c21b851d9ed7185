"""Asks the other nodes of the same log in the background, and compares them with this one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import gevent
import msgspec
from gevent.event import Event

from streamdns import __version__
from streamdns.admin.fleet.auditor import Auditor
from streamdns.admin.fleet.client import Client, NodeError
from streamdns.admin.fleet.comparison import compare, queries_per_s
from streamdns.admin.fleet.positions import positions_of
from streamdns.admin.node import Node
from streamdns.admin.schema.peers import Mark, NodeReport, Nodes, NodeSeen
from streamdns.dns import name
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service
from streamdns.runtime.turns import Stint, take_turn
from streamdns.view.keys import owner_of
from streamdns.view.pages import Pages

_log = logs.get("nodes")
_SHOWN_ZONES = 20
_PAGE_ZONES = 100
_CHUNK_ZONES = 20
_MOST_PAGES = 500
MOST_BYTES = 1 << 18
"""Of an answer of a peer: to decode it, whatever is in it, keeps the event loop for less than a millisecond."""
#: A peer whose answers cannot be used is asked less and less often, down to once in so many intervals.
_MOST_INTERVALS = 16


class _ZoneDigest(msgspec.Struct):
    name: str
    digest: str


class _ZonePage(msgspec.Struct):
    """What is of interest of a page of zones."""

    zones: list[_ZoneDigest]
    next: str | None


def report(node: Node, auditor: Auditor | None) -> NodeReport:
    """Describe this node for its peers; positions and digests come from one snapshot."""
    progress = node.progress
    with Pages(node.view.store) as view:
        state, positions = view.state, positions_of(view)
        contested = view.has_contested()
    return NodeReport(
        instance=node.settings().instance_id,
        version=__version__,
        state=progress.state,
        ready=not node.status.not_ready(),
        lag_events=progress.lag_events(),
        lag_seconds=node.behind_s(),
        zones=state.zones,
        rrsets=state.rrsets,
        digest=state.digest.hex(),
        contested=contested,
        positions=positions,
        marks=[
            Mark(topic=mark.topic, partition=mark.partition, position=mark.position, digest=mark.digest.hex())
            for mark in progress.marks
        ],
        audit=None if auditor is None else auditor.last,
        time=int(node.now_s() * 1000),
        queries=int(node.registry.total("dns.queries")),
    )


class Peers(Service):
    """Asks every peer every `interval_s`; `seen` keeps what is known of each, in the order of the setting."""

    name = "peers"

    def __init__(
        self, node: Node, *, auditor: Auditor | None, registry: Registry, interval_s: float,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._node, self._auditor, self._interval_s, self._now_s = node, auditor, interval_s, now_s
        self._stopping = Event()
        self._asking: list[Any] = []
        self.seen: dict[str, NodeSeen] = {}
        registry.callback("nodes.unreachable", lambda: sum(bool(each.error) for each in self.seen.values()))
        registry.callback("nodes.diverged", lambda: sum(each.diverges is True for each in self.seen.values()))

    def run(self) -> None:
        """Ask the peers again and again, until stop()."""
        self._stopping.clear()
        self._asking = [gevent.spawn(self._again, peer) for peer in self._node.peers]
        try:
            gevent.joinall(self._asking, raise_error=True)
        finally:
            gevent.killall(self._asking, block=False)

    def stop(self) -> None:
        """End at once, without waiting for answers that are due."""
        self._stopping.set()
        gevent.killall(self._asking, block=False)

    def _again(self, peer: Client) -> None:
        """Ask one peer again and again, in a greenlet of its own so that a slow one delays no other."""
        intervals = 1
        while not self._stopping.is_set():
            intervals = 1 if self._look(peer) else min(2 * intervals, _MOST_INTERVALS)
            self._stopping.wait(intervals * self._interval_s)

    def divergence(self) -> list[str]:
        """Return a sentence for each node, this one included, whose data are wrong or differ."""
        found = [
            f"{each.url} does not hold the same data ({each.compared_at})"
            for each in self.seen.values() if each.diverges
        ]
        wrong = self._auditor.wrong() if self._auditor is not None else ()
        if wrong:
            found.append(f"here the records are not what the digest says: {', '.join(wrong[:_SHOWN_ZONES])}")
        return found

    def nodes(self) -> Nodes:
        """Return the document of /v1/nodes."""
        waiting = [
            NodeSeen(url=peer.url, asked=0, error="", diverges=None, compared_at="", zones=[], report=None)
            for peer in self._node.peers if peer.url not in self.seen
        ]
        return Nodes(node=report(self._node, self._auditor), peers=[*self.seen.values(), *waiting])

    def _look(self, peer: Client) -> bool:
        """Ask a peer and compare; returns whether its answer, where it gives one, can be used."""
        asked_ms = int(self._now_s() * 1000)
        before = self.seen.get(peer.url)
        try:
            theirs = peer.get_as(NodeReport, "/v1/nodes/self")
        except NodeError as err:
            error = str(err)
            if before is None or not before.error:
                _log.warning("nodes.unreachable", node=peer.url, error=error)
            diverges = None if before is None else before.diverges
            self.seen[peer.url] = NodeSeen(
                url=peer.url, asked=asked_ms, error=error, diverges=diverges,
                compared_at="" if before is None else before.compared_at,
                zones=[] if before is None else before.zones, report=None if before is None else before.report,
            )
            return not err.content
        mine = report(self._node, self._auditor)
        found = compare(mine, theirs)
        diverges, where = found.diverges, found.where
        zones: list[str] = []
        if theirs.audit is not None and not theirs.audit.ok:
            diverges, where, zones = True, "its records are not what its digest says", theirs.audit.zones
        elif diverges:
            zones = self._differing(peer)
        self._tell(peer.url, before, diverges=diverges, where=where, zones=zones)
        if diverges is None and before is not None and before.diverges:
            diverges, where, zones = True, before.compared_at, before.zones
        self.seen[peer.url] = NodeSeen(
            url=peer.url, asked=asked_ms, error="", diverges=diverges, compared_at=where, zones=zones[:_SHOWN_ZONES],
            report=theirs, queries_per_second=queries_per_s(None if before is None else before.report, theirs),
        )
        return True

    def _tell(
        self, url: str, before: NodeSeen | None, *, diverges: bool | None, where: str, zones: Sequence[str]
    ) -> None:
        did = before is not None and before.diverges is True
        if diverges and not did:
            _log.error("nodes.diverged", node=url, where=where, zones=" ".join(zones[:_SHOWN_ZONES]))
        elif did and diverges is False:
            _log.info("nodes.agree", node=url, where=where)

    def _differing(self, peer: Client) -> list[str]:
        """Return the first zones whose digests differ, also by a change right now; none where the peer is silent."""
        try:
            theirs = self._digests_of(peer)
        except NodeError:
            return []
        start: bytes | None = b""
        mine: dict[str, str] = {}
        stint = Stint()
        while start is not None and len(mine) < _MOST_PAGES * _PAGE_ZONES:
            with Pages(self._node.view.store) as view:
                lines, start = view.zone_lines(start, most=_CHUNK_ZONES, over=stint.over)
            mine |= {name.to_text(owner_of(line.apex)): line.row.digest.hex() for line in lines}
            stint()
        found: list[str] = []
        for each in chain(mine, theirs):
            if mine.get(each) != theirs.get(each) and each not in found:
                found.append(each)
                if len(found) == _SHOWN_ZONES:
                    break
            stint()
        return found

    @staticmethod
    def _digests_of(peer: Client) -> dict[str, str]:
        """Return the digests of a peer's zones; raises NodeError."""
        found: dict[str, str] = {}
        cursor: str | None = ""
        for _ in range(_MOST_PAGES):
            page = peer.get_as(_ZonePage, "/v1/zones", {"limit": _PAGE_ZONES, "cursor": cursor})
            found |= {zone.name: zone.digest for zone in page.zones[:_PAGE_ZONES]}
            take_turn()
            cursor = page.next
            if not cursor:
                break
        return found
