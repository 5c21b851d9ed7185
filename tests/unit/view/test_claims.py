"""Zones that take a name of the Internet: served, listed as conflicts, and told once."""

from __future__ import annotations

import json
import pathlib

import pytest

from streamdns.dns import name
from streamdns.events.batch import Batch, Record
from streamdns.events.fence import Fence
from streamdns.view.claims import Claims
from streamdns.view.keys import node_key
from streamdns.view.reader import Inspector
from streamdns.view.store import Store
from streamdns.view.writer import Applied, Writer

SOA = "ns.example. host.example. 1 2 3 4 5"


def key(text: str) -> bytes:
    return node_key(name.from_text(text))


@pytest.mark.parametrize(("zone", "claims"), [
    (".", True), ("org.", True), ("internal.", True), ("co.uk.", True), ("in-addr.arpa.", True), ("xn--p1ai.", True),
    ("example.org.", False), ("example.co.uk.", False), ("github.io.", False), ("2.0.192.in-addr.arpa.", False),
    ("a.b.c.d.e.f.uk.", False),
])
def test_which_names_are_of_the_internet(zone: str, claims: bool) -> None:
    assert Claims().of(key(zone)).startswith("claims ") == claims
    assert Claims([key(zone)]).of(key(zone)) == "", "the settings name it"


def test_what_is_said_of_each_kind_of_claim() -> None:
    at = "claims a name of the Internet: a zone at a "
    assert Claims().of(key(".")) == "claims every name of the Internet: a zone at the root"
    assert Claims().of(key("org.")) == f"{at}single label, as top-level domains are"
    assert Claims().of(key("co.uk.")) == f"{at}public suffix, below which others register names"


class Bench:
    """A view to which events are applied one by one."""

    def __init__(self, store: Store, **options: object) -> None:
        self.store, self.at = store, 0
        self.writer = Writer(store, default_ttl=60, journal_size=10, quarantine_size=10, **options)  # type: ignore[arg-type]

    def apply(self, owner: str, rdtype: str = "SOA", content: str = SOA, topic: str = "zones") -> Applied:
        value = json.dumps([{"name": owner, "type": rdtype, "content": content}]).encode() if content else None
        record = Record(topic, 0, self.at, self.at, f"{owner}|{rdtype}".encode(), value)
        self.at += 1
        return self.writer.apply(Batch([record], {(topic, 0): self.at}, True), {}, 1)

    def conflicts(self) -> list[tuple[str, str]]:
        with Inspector(self.store) as view:
            found = [(each.kind, name.to_text(each.owner)) for each in view.conflicts()]
            assert len(found) == view.state.conflicts
            return found


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Store:
    return Store(str(tmp_path / "view"), max_bytes=1 << 28)


def test_a_claim_comes_and_goes_with_its_soa(store: Store) -> None:
    bench = Bench(store, claims=Claims())
    assert [each.owner for each in bench.apply("org.").claimed] == [b"\3org\0"]
    assert not bench.apply("org.", content="ns. host. 2 2 3 4 5").claimed, "it was told"
    assert not bench.apply("example.org.").claimed
    assert bench.apply("co.uk.").claimed
    assert bench.conflicts() == [("claim", "org."), ("claim", "co.uk.")] or bench.conflicts() == [
        ("claim", "co.uk."), ("claim", "org.")]
    bench.apply("org.", content="")
    assert bench.conflicts() == [("claim", "co.uk.")]


def test_what_the_settings_name_is_no_conflict_any_more(store: Store) -> None:
    claims = Claims()
    bench = Bench(store, claims=claims)
    bench.apply("internal.")
    bench.apply("example.org.")
    claims.expected = frozenset([key("internal.")])
    bench.writer.list_claims(1)
    assert bench.conflicts() == []
    claims.expected = frozenset()
    bench.writer.list_claims(1)
    assert bench.conflicts() == [("claim", "internal.")]


def test_what_the_fence_keeps_out_is_quarantined_until_it_is_deleted(store: Store) -> None:
    bench = Bench(store, claims=Claims(), fence=Fence(allowed=[name.from_text("example.org.")],
                                                      by_topic={"lab": [name.from_text("lab.example.org.")]}))
    bench.apply("example.org.")
    assert [each.kind for each in bench.apply(".").rejections] == ["fence"]
    assert [each.kind for each in bench.apply("www.example.net.", "A", "192.0.2.1").rejections] == ["fence"]
    kept_out = bench.apply("www.example.org.", "A", "192.0.2.1", topic="lab")
    assert [each.kind for each in kept_out.rejections] == ["fence"]
    assert not bench.apply("www.lab.example.org.", "A", "192.0.2.1", topic="lab").rejections
    with Inspector(store) as view:
        assert (view.state.rrsets, view.state.quarantined) == (2, 3)
        assert view.state.fence == "example.org. lab:lab.example.org."
    bench.apply("www.example.net.", "A", "")
    with Inspector(store) as view:
        assert (view.state.rrsets, view.state.quarantined) == (2, 2)
