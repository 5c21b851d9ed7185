"""Keeps events out that are about names which this log, or their topic, has no business with.

Whoever may write to the log could else take any name of the Internet for all clients of this server. What lies outside
is a bad event like any other. Pure: the same settings keep the same events out on every node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streamdns.dns import name
from streamdns.errors import BadEvent
from streamdns.events.event import RRsetEvent

_SOA = 6


class Fence:
    """The names that events may be about: `allowed` suffixes for all of the log, and by topic.

    All are wire names in lower case; a topic that is not named, and a log without `allowed`, may hold every name.
    `root`: whether a zone may begin at the root. `text` says all of it, so that two can be compared.
    """

    def __init__(
        self, *, allowed: Iterable[bytes] = (), by_topic: Mapping[str, Iterable[bytes]] | None = None,
        root: bool = False,
    ) -> None:
        self._root = root
        everywhere = [*allowed]
        self._everywhere = _keys(everywhere)
        self._by_topic = {topic: _keys(suffixes) for topic, suffixes in (by_topic or {}).items()}
        #: Whether more than the root is kept out.
        self.is_closed = bool(everywhere or self._by_topic)
        words = ["root"] * root + sorted(name.to_text(each) for each in everywhere)
        words += sorted(f"{topic}:{name.to_text(each)}" for topic, found in (by_topic or {}).items() for each in found)
        self.text = " ".join(words)

    def check(self, event: RRsetEvent, topic: str) -> None:
        """Raise BadEvent for an event that is about a name outside; one that deletes changes nothing, and may come."""
        if not event.rdatas:
            return
        if event.rdtype == _SOA and event.owner == b"\0" and not self._root:
            raise BadEvent("a zone at the root would take every name there is: DNS_ZONES has to name it", "fence")
        if not self.is_closed:
            return
        key = event.lookup_key
        if self._everywhere is not None and not key.startswith(self._everywhere):
            raise BadEvent(f"{name.to_text(event.owner)} is not below any name of DNS_ZONES_ALLOW", "fence")
        bound = self._by_topic.get(topic)
        if bound is not None and not key.startswith(bound):
            owner = name.to_text(event.owner)
            raise BadEvent(f"{owner} is not below any name that DNS_TOPIC_ZONES has for topic {topic}", "fence")


def _keys(suffixes: Iterable[bytes]) -> tuple[bytes, ...] | None:
    """The beginnings of the lookup keys below some names; None where there are none, so all may come."""
    return tuple([name.key(suffix) for suffix in suffixes]) or None
