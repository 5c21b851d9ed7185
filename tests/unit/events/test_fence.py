"""Which events the settings keep out, by name and by topic."""

from __future__ import annotations

import json

import pytest

from streamdns.dns import name
from streamdns.errors import BadEvent
from streamdns.events.event import RRsetEvent, decode
from streamdns.events.fence import Fence

SOA = "ns. host. 1 2 3 4 5"


def event(owner: str, rdtype: str = "A", content: str = "192.0.2.1") -> RRsetEvent:
    value = json.dumps([{"name": owner, "type": rdtype, "content": content}]).encode() if content else b"[]"
    return decode(f"{owner}|{rdtype}".encode(), value, default_ttl=60)


def wire(*names: str) -> list[bytes]:
    return [name.from_text(each) for each in names]


def is_in(fence: Fence, found: RRsetEvent, topic: str = "zones") -> bool:
    try:
        fence.check(found, topic)
    except BadEvent as bad:
        assert bad.kind == "fence"
        return False
    return True


def test_a_zone_at_the_root_has_to_be_asked_for() -> None:
    assert not is_in(Fence(), event(".", "SOA", SOA))
    assert is_in(Fence(root=True), event(".", "SOA", SOA))
    assert is_in(Fence(), event(".", "SOA", "")), "who deletes it must be able to"
    assert is_in(Fence(), event(".", "NS", "ns."))
    assert is_in(Fence(), event("org.", "SOA", SOA)), "it is served, and listed"
    with pytest.raises(BadEvent) as caught:
        Fence().check(event(".", "SOA", SOA), "zones")
    assert caught.value.reason == "a zone at the root would take every name there is: DNS_ZONES has to name it"


@pytest.mark.parametrize(("owner", "inside"), [
    ("example.org.", True), ("a.b.example.org.", True), ("badexample.org.", False), ("org.", False), (".", False),
    ("1.2.0.192.in-addr.arpa.", True), ("example.org.example.net.", False), ("\\000.example.org.", True),
])
def test_suffixes_of_the_whole_log(owner: str, inside: bool) -> None:
    fence = Fence(allowed=wire("example.org.", "in-addr.arpa."))
    assert is_in(fence, event(owner)) == inside
    assert is_in(fence, event(owner, content=""))


def test_suffixes_of_a_topic() -> None:
    fence = Fence(by_topic={"lab": wire("lab.example.org.", "lab."), "all": wire(".")})
    assert is_in(fence, event("a.lab."), "lab")
    assert not is_in(fence, event("www.example.org."), "lab")
    assert is_in(fence, event("www.example.org."), "all")
    assert is_in(fence, event("www.example.org."), "another")
    both = Fence(allowed=wire("example.org."), by_topic={"lab": wire("lab.example.org.", "lab.")})
    assert is_in(both, event("a.lab.example.org."), "lab")
    assert not is_in(both, event("a.lab."), "lab")
    with pytest.raises(BadEvent, match=r"a\.lab\. is not below any name of DNS_ZONES_ALLOW"):
        both.check(event("a.lab."), "lab")
    with pytest.raises(BadEvent, match=r"www.* is not below any name that DNS_TOPIC_ZONES has for topic lab"):
        both.check(event("www.example.org."), "lab")


def test_two_fences_are_told_apart_by_their_text() -> None:
    """The order in which somebody wrote the names makes no difference."""
    one = Fence(allowed=wire("a.", "b."), by_topic={"x": wire("c.", "d."), "y": []})
    assert one.text == Fence(allowed=wire("b.", "a."), by_topic={"x": wire("d.", "c.")}).text == "a. b. x:c. x:d."
    assert Fence().text == ""
    assert Fence(root=True).text == "root"
