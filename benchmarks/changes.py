"""How a change of the zone is made: an event appended to the file log, or a dynamic update (RFC 2136)."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable, Sequence

import dns.message
import dns.rcode
import dns.update

from benchmarks.load import Asker
from benchmarks.zone import ORIGIN, TTL
from streamdns.events.event import encode
from streamdns.events.sources import filelog

#: Changes pairs of (owner, address); returns when the other side has them safe.
Change = Callable[[Sequence[tuple[str, str]]], None]


def appended(log: pathlib.Path) -> Change:
    """Append events to a file log, all of one call with one fsync."""

    def change(pairs: Sequence[tuple[str, str]]) -> None:
        now_ms = int(time.time() * 1000)
        filelog.append(str(log), [(*_encoded(owner, address), now_ms) for owner, address in pairs])

    return change


def _encoded(owner: str, address: str) -> tuple[bytes, bytes]:
    return encode(owner, "A", [{"name": owner, "type": "A", "content": address, "ttl": TTL}])


def updated(port: int) -> Change:
    """Send one update for each pair and wait for its response."""
    asker = Asker(port)

    def change(pairs: Sequence[tuple[str, str]]) -> None:
        for owner, address in pairs:
            update = dns.update.UpdateMessage(ORIGIN)
            update.replace(owner, TTL, "A", address)
            reply = asker.exchange(update.to_wire(), timeout_s=10.0)
            assert reply is not None, "an update was not answered"
            rcode = dns.rcode.from_flags(int.from_bytes(reply[2:4], "big"), 0)
            assert rcode == dns.rcode.NOERROR, f"an update was answered with {dns.rcode.to_text(rcode)}"

    return change
