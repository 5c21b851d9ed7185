"""Nodes and a reader that are made up: what the console would know, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from streamdns_console.api import ApiProblem, Refused
from streamdns_console.calls import Call
from streamdns_console.history import History
from streamdns_console.model import Changes, Connection, Link, Node, Part, Snapshot

from streamdns.admin.schema import data, edge, peers, state

T = TypeVar("T")
#: 2026-11-30 03:12:07 UTC.
NOW_S = 1796008327.0
NOW_MS = int(NOW_S * 1000)
DIGEST = "9beb93c5" + "0" * 56
URL = "http://127.0.0.1:8054"


def status(**fields: Any) -> state.NodeStatus:
    """The status of a node that is well."""
    consumer = state.ConsumerSummary(
        source="file log ./var/log.jsonl",
        state="following",
        since=int(NOW_S) - 86400,
        error="",
        alarm=None,
        last_contact=int(NOW_S),
        whole_at=int(NOW_S),
        stale=False,
        details={},
    )
    view = state.ViewStatus(
        path="view",
        complete=True,
        bytes=412 << 20,
        map_bytes=1 << 30,
        rebuild=None,
        last_rebuild=None,
        rebuild_refused=None,
    )
    known: dict[str, Any] = {
        "version": "0.1.0",
        "instance": "ns1.example.net",
        "uptime": 12 * 86400 + 3 * 3600.0,
        "ready": True,
        "not_ready_because": [],
        "consumer": consumer,
        "lag": state.Lag(events=0, events_estimated=False, bytes=0.0, seconds=0.2),
        "positions": [
            state.PartitionPosition(topic="dns", partition=0, position=3011204, end=3011204, timestamp=NOW_MS)
        ],
        "view": view,
        "zones": 10312,
        "nodes": 600000,
        "rrsets": 1100000,
        "records": 1204551,
        "digest": DIGEST,
        "quarantine": 0,
        "conflicts": 0,
        "divergence": [],
        "resolver": {"enabled": True},
        "services": [],
        "dns_addresses": ["127.0.0.1:8053"],
    }
    for name in ("consumer", "lag", "view"):
        for key in [key for key in fields if key.startswith(f"{name}__")]:
            setattr(known[name], key.removeprefix(f"{name}__"), fields.pop(key))
    return state.NodeStatus(**(known | fields))


def partition(number: int, **fields: Any) -> state.ConsumerPartition:
    """A partition that is at its end."""
    known: dict[str, Any] = {
        "topic": "dns",
        "partition": number,
        "position": 1_500_000,
        "end": fields.get("position", 1_500_000),
        "lag_events": 0,
        "lag_seconds": 0.0,
        "last_event": NOW_MS - 4000,
        "state": "at the end",
    }
    return state.ConsumerPartition(**(known | fields))


def consumer(**fields: Any) -> state.Consumer:
    """A consumer of two partitions."""
    known: dict[str, Any] = {
        "source": "topics dns of kafka1:9092",
        "client": "confluent",
        "unit": "events",
        "state": "following",
        "since": int(NOW_S) - 3700,
        "error": "",
        "alarm": None,
        "last_contact": int(NOW_S),
        "stale": False,
        "partitions": [
            partition(
                number,
                position=1_500_000 + number,
                end=1_500_000 + 7 * number,
                lag_events=6 * number,
                lag_seconds=1.5 * number,
                state="behind" if number else "at the end",
            )
            for number in range(2)
        ],
        "lag": state.Lag(events=6, events_estimated=False, bytes=0.0, seconds=1.5),
        "catch_up": None,
        "details": {},
    }
    return state.Consumer(**(known | fields))


def metrics(at_s: float = NOW_S, *, queries: int = 0, nxdomain: int = 0, servfail: int = 0) -> state.Metrics:
    """Figures as they are after so many queries."""

    def answered(rcode: str, value: int) -> state.Series:
        return state.Series(labels={"transport": "udp", "qtype": "A", "rcode": rcode}, value=float(value))

    total = queries + nxdomain + servfail
    buckets = {"0.0001": total // 2, "0.001": total, "+Inf": total}
    return state.Metrics(
        time=int(at_s * 1000),
        metrics=[
            state.MetricSeries(
                name="dns.queries",
                kind="counter",
                unit="",
                description="Queries that were answered.",
                series=[answered("NOERROR", queries), answered("NXDOMAIN", nxdomain), answered("SERVFAIL", servfail)],
            ),
            state.MetricSeries(
                name="dns.latency_seconds",
                kind="histogram",
                unit="seconds",
                description="Time of an answer.",
                series=[state.Series(labels={"transport": "udp"}, count=total, sum=0.1, buckets=buckets)],
            ),
            state.MetricSeries(
                name="consumer.lag_seconds",
                kind="gauge",
                unit="seconds",
                description="Lag.",
                series=[state.Series(labels={}, value=0.2)],
            ),
            state.MetricSeries(
                name="view.size_bytes",
                kind="gauge",
                unit="bytes",
                description="Size of the view.",
                series=[state.Series(labels={}, value=float(412 << 20))],
            ),
        ],
    )


def history(*, seconds: int = 320, per_second: Callable[[int], int] = lambda second: 100 + second % 40) -> History:
    """So many seconds of queries, read once a second."""
    found, total = History(), 0
    for second in range(seconds):
        total += per_second(second)
        found = found.added(metrics(NOW_S, queries=total, nxdomain=total // 25), 1000.0 + second)
    return found


def report(name: str, **fields: Any) -> peers.NodeReport:
    """What a node tells its peers."""
    known: dict[str, Any] = {
        "instance": name,
        "version": "0.1.0",
        "state": "following",
        "ready": True,
        "lag_events": 0,
        "lag_seconds": 0.0,
        "zones": 10312,
        "rrsets": 1100000,
        "digest": DIGEST,
        "contested": False,
        "positions": [],
        "marks": [],
        "audit": None,
    }
    return peers.NodeReport(**(known | fields))


def peer(
    name: str,
    *,
    error: str = "",
    diverges: bool | None = False,
    zones: list[str] | None = None,
    queries_per_second: float | None = None,
    **fields: Any,
) -> peers.NodeSeen:
    """A peer as the main node sees it."""
    return peers.NodeSeen(
        url=f"https://{name}:8054",
        asked=NOW_MS - 3000,
        error=error,
        diverges=diverges,
        compared_at="the same positions",
        zones=zones or [],
        report=report(name, **fields),
        queries_per_second=queries_per_second,
    )


def change(
    number: int,
    *,
    name: str = "www.shop.example.",
    before: list[str] | None = None,
    after: list[str] | None = None,
    producer: str | None = "deployd",
    rdtype: str = "A",
) -> data.Change:
    """A change; None as records: it was not there, or is there no more."""

    def kept(records: list[str] | None) -> data.Data | None:
        return None if records is None else data.Data(hash="ab" * 32, ttl=300, records=records)

    return data.Change(
        id=number,
        time=NOW_MS - 1000 * (100 - number),
        name=name,
        type=rdtype,
        before=kept(before),
        after=kept(after),
        topic="dns",
        partition=0,
        position=3011000 + number,
        timestamp=NOW_MS - 1000 * (100 - number) - 12,
        producer=producer,
        metadatas={"producer": producer},
    )


CHANGES = (
    change(99, before=["192.0.2.7"], after=["192.0.2.99"]),
    change(98, name="api.shop.example.", rdtype="CNAME", after=["lb.example.net."]),
    change(97, name="old.shop.example.", before=["192.0.2.8"], producer=None),
)


def rrset(name: str, rdtype: str = "A", records: list[str] | None = None, **fields: Any) -> data.RRset:
    """An RRset from the log."""
    known: dict[str, Any] = {
        "name": name,
        "type": rdtype,
        "ttl": 300,
        "records": ["192.0.2.7"] if records is None else records,
        "topic": "dns",
        "partition": 0,
        "position": 4711,
        "timestamp": NOW_MS - 5000,
        "producer": "deployd",
        "metadatas": {"producer": "deployd", "ticket": "OPS-1"},
        "shadowed": False,
        "rejected": False,
        "local": False,
    }
    return data.RRset(**(known | fields))


def zone(name: str, **fields: Any) -> data.Zone:
    """A zone."""
    known: dict[str, Any] = {
        "name": name,
        "soa": data.Soa(
            mname=f"ns1.{name}",
            rname=f"host.{name}",
            serial=2026113001,
            refresh=7200,
            retry=3600,
            expire=1209600,
            minimum=300,
            ttl=300,
        ),
        "rrsets": 120,
        "records": 140,
        "digest": DIGEST,
        "changed": NOW_MS - 65_000,
        "counting": False,
        "stale": False,
        "stale_seconds": 0.0,
    }
    return data.Zone(**(known | fields))


def quarantined(number: int, **fields: Any) -> data.Quarantined:
    """A refused event."""
    known: dict[str, Any] = {
        "id": number,
        "time": NOW_MS - 3_480_000,
        "topic": "dns",
        "partition": 0,
        "position": 4000 + number,
        "timestamp": NOW_MS - 3_480_100,
        "key": "shop.example.|A",
        "reason": "the content 192.0.2.256 is no A: 256 is no octet",
        "payload": '[{"name": "shop.example.", "type": "A", "content": "192.0.2.256", "ttl": 300}]',
    }
    return data.Quarantined(**(known | fields))


def node(**fields: Any) -> Node:
    """A node that is well, with five minutes of history and two peers."""
    known: dict[str, Any] = {
        "url": URL,
        "connection": Connection(link=Link.LIVE, since_s=NOW_S - 600),
        "status": Part(status(), NOW_S),
        "metrics": Part(metrics(queries=5000), NOW_S),
        "history": history(),
        "skew_s": 0.01,
        "nodes": Part(peers.Nodes(node=report("ns1.example.net"), peers=[peer("ns2"), peer("ns3")]), NOW_S),
        "changes": Changes(rows=CHANGES, live=True, at_s=NOW_S),
    }
    return Node(**(known | fields))


def snapshot(*nodes: Node, **fields: Any) -> Snapshot:
    """A snapshot of one well node unless others are given."""
    return Snapshot(**{"at_s": NOW_S, "nodes": nodes or (node(),), "version": "0.1.0", **fields})


class FakeReader:
    """A reader that says what a test gives it: `answers` has an answer, a function of the call, or an error by path."""

    def __init__(self, shown: Snapshot, answers: dict[str, Any] | None = None) -> None:
        self.shown = shown
        self.answers = answers or {}
        self.asked: list[Call[Any]] = []
        self.wanted: frozenset[str] = frozenset()
        self.tokens: list[str] = []
        self.signed_in: list[tuple[str, str]] = []
        self.publish: Callable[[Snapshot], None] = lambda _: None
        self.stopped = False
        self.slow: asyncio.Event | None = None

    def start(self, publish: Callable[[Snapshot], None]) -> None:
        self.publish = publish
        publish(self.shown)

    async def stop(self) -> None:
        self.stopped = True

    def snapshot(self) -> Snapshot:
        return self.shown

    def show(self, shown: Snapshot) -> None:
        """Publish another snapshot."""
        self.shown = shown
        self.publish(shown)

    def want(self, parts: frozenset[str]) -> None:
        self.wanted = parts

    def focus(self, main: int) -> None:
        self.shown = replace(self.shown, main=main)
        self.publish(self.shown)

    def refresh(self) -> None:
        self.publish(self.shown)

    async def ask(self, call: Call[T]) -> T:
        self.asked.append(call)
        answer = self.answers.get(f"{call.method} {call.path}", self.answers.get(call.path))
        if callable(answer):
            answer = answer(call)
        if self.slow is not None:
            await self.slow.wait()
        if answer is None:
            raise Refused(f"{call.path} is not here", status=404, code="not_found")
        if isinstance(answer, ApiProblem):
            raise answer
        found: T = answer
        return found

    async def sign_in(self, username: str, password: str) -> None:
        self.signed_in.append((username, password))
        answer = self.answers.get("/signin")
        if isinstance(answer, ApiProblem):
            raise answer
        self.use_token("a.b.c")

    def use_token(self, token: str) -> None:
        self.tokens.append(token)


def flushed(count: int) -> edge.Flushed:
    """So many entries were forgotten."""
    return edge.Flushed(flushed=count)
