"""Judges events before they are published by the rules of the nodes that will read them, the fence included."""

from __future__ import annotations

from typing import Any

from streamdns.errors import BadEvent
from streamdns.events import event
from streamdns.events.event import RRsetEvent
from streamdns.settings import Settings
from streamdns.view.apexes import fence_of


class Acceptance:
    """What nodes with these settings accept in a topic of the log; raises ConfigError where the settings are wrong."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._default_ttl, self._topic, self._fence = settings.default_ttl, topic, fence_of(settings)

    def decode(self, key: bytes | None, value: bytes | None) -> RRsetEvent:
        """Return the event of a key and a value; raises BadEvent where no node would apply it."""
        decoded = event.decode(key, value, default_ttl=self._default_ttl)
        self._fence.check(decoded, self._topic)
        return decoded

    def encode(self, name: str, rdtype: str, records: list[dict[str, Any]]) -> tuple[bytes, bytes | None]:
        """Return key and value of an event that every node accepts; no records: a tombstone. Raises ValueError."""
        try:
            key, value = event.encode(name, rdtype, records)
            self.decode(key, value)
        except (BadEvent, TypeError) as err:
            raise ValueError(str(err)) from err
        return key, value if records else None
