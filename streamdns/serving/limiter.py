"""Response rate limiting over UDP: holds back replies of which a network gets too many, counts them, and says so.

Which are too many is decided in dns/response_rates.py. TCP is never limited, nor are clients with a good cookie: both
prove that a query came from the address that it names.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from random import random
from typing import Final

from streamdns.addresses import Within
from streamdns.dns import name
from streamdns.dns.answer import Answerer
from streamdns.dns.lookup import Snapshot
from streamdns.dns.reply_kind import ERROR, Kind, kind_of, zone_of
from streamdns.dns.response_rates import DROP, PASS, ResponseRates, network_of
from streamdns.dns.unusual import cookie_of, cut_short
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.serving.datagrams import Datagrams
from streamdns.settings import Settings

_log = logs.get("dns")

_BETWEEN_LINES_S: Final = 60.0
#: Networks and kinds of which it is known what was held back, until the next line of the log.
_MOST_TOLD: Final = 1024


@dataclass(slots=True)
class _Entry:
    """What was held back of one kind from one network, and how the log names both."""

    kind: Kind
    prefix: str
    zone: bytes
    count: int = 0


class _Held:
    """What was held back since the last line of the log; one line a minute tells of the most of it."""

    def __init__(self) -> None:
        self._entries: dict[tuple[int, Kind], _Entry] = {}
        self._all = 0
        self._next_line_s = float("-inf")

    def add(self, network: int, kind: Kind, client: bytes, view: Snapshot | None) -> None:
        """Count one reply that was held back from a client; `view` knows the zone that it is of."""
        self._all += 1
        entry = self._entries.get((network, kind))
        if entry is None:
            if len(self._entries) >= _MOST_TOLD:
                return
            prefix = str(ip_network((client, 24 if len(client) == 4 else 56), strict=False))
            zone = b"" if view is None else zone_of(kind, view)
            entry = self._entries[network, kind] = _Entry(kind, prefix, zone)
        entry.count += 1

    def tell(self, now_s: float, *, log_only: bool) -> None:
        """Log a line, at most once a minute, where there is something to say."""
        if not self._all or now_s < self._next_line_s:
            return
        self._next_line_s = now_s + _BETWEEN_LINES_S
        most = max(self._entries.values(), key=lambda entry: entry.count)
        _log.warning(
            "dns.rate_limited", prefix=most.prefix, zone=_text(most.zone), answer=most.kind.what,
            name=_text(most.kind.name), held_back=most.count, held_back_in_all=self._all,
            prefixes=len({network for network, _ in self._entries}), log_only=log_only,
        )
        self._entries.clear()
        self._all = 0


def _gap(most: int) -> int:
    return 1 + int(most * random())  # noqa: S311 - nobody sees which replies are looked at, and no secret is made of it


def _text(wire: bytes) -> str:
    return name.to_text(wire) if wire else ""


class ResponseLimiter:
    """Limits the replies of all UDP servers of the process; `clock` gives seconds, `gap(n)` a number from 1 to n."""

    def __init__(
        self, settings: Settings, registry: Registry, *,
        clock: Callable[[], float] = time.monotonic, gap: Callable[[int], int] = _gap,
    ) -> None:
        self._clock, self._gap = clock, gap
        self._counters = {
            action: registry.counter("dns.rate_limited", action=action)
            for action in ("dropped", "truncated", "sent", "logged")
        }
        self._dropped = registry.counter("dns.dropped", reason="rate limit")
        self._networks = registry.gauge("dns.networks_watched")
        self._held = _Held()
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Limit by these settings from now on; what is known of networks is forgotten."""
        self.rates = ResponseRates(settings.rrl_rate, settings.rrl_slip, gap=self._gap) if settings.rrl_rate else None
        self._exempt = Within(settings.rrl_exempt)
        self._log_only = settings.rrl_log_only

    def due(self, count: int) -> bool:
        """Count the datagrams of a batch, and return whether `batch` has to see their replies."""
        rates = self.rates
        if rates is None:
            return False
        rates.skip -= count
        return rates.skip < 0 or bool(rates.watched)

    def batch(
        self, packets: list[bytes], replies: list[bytes | None], *,
        datagrams: Datagrams, answerer: Answerer, view: Snapshot,
    ) -> int:
        """Hold back replies to datagrams that were just received, in place; return how many are dropped."""
        rates = self.rates
        if rates is None:
            return 0
        count, watched = len(packets), rates.watched
        now_s = self._clock()
        if rates.skip < 0:
            for slot, weight in rates.chosen(count):
                reply, client = replies[slot], datagrams.client(slot)
                network = network_of(client)
                if reply is not None and network not in watched and not self._is_real(client, packets[slot], answerer):
                    rates.look(network, kind_of(reply, view), weight, now_s)
        if not watched:
            return 0
        networks = datagrams.networks(count)
        if watched.keys().isdisjoint(networks):
            return 0
        dropped = 0
        for slot, network in enumerate(networks):
            reply = replies[slot]
            if network in watched and reply is not None:
                client = datagrams.client(slot)
                kept = self._judged(client, packets[slot], reply, slot, answerer=answerer, view=view, now_s=now_s)
                if kept is not reply:
                    replies[slot] = kept
                    dropped += kept is None
        return dropped

    def late(self, client: bytes, packet: bytes, reply: bytes, answerer: Answerer) -> bytes | None:
        """Return what is sent in place of a reply that took its time, to a client by the octets of its address."""
        if self.rates is None:
            return reply
        return self._judged(client, packet, reply, None, answerer=answerer, view=None, now_s=self._clock())

    def tick(self) -> None:
        """Log what was held back, and watch no longer what has been quiet; call it about every second."""
        now_s = self._clock()
        if self.rates is not None:
            self.rates.forget(now_s)
        self._networks.set(0 if self.rates is None else len(self.rates.watched))
        self._held.tell(now_s, log_only=self._log_only)

    def _is_real(self, client: bytes, packet: bytes, answerer: Answerer) -> bool:
        """Return whether a client is exempt, or shows by its cookie that it is who it says."""
        if self._exempt[client]:
            return True
        cookies = answerer.cookies
        return cookies is not None and cookies.is_good(cookie_of(packet), client)

    def _judged(
        self, client: bytes, packet: bytes, reply: bytes, slot: int | None, *,
        answerer: Answerer, view: Snapshot | None, now_s: float,
    ) -> bytes | None:
        rates = self.rates
        if rates is None or self._is_real(client, packet, answerer):
            return reply
        kind, network = kind_of(reply, view), network_of(client)
        verdict = rates.judge(network, kind, now_s)
        if verdict is PASS:
            return reply
        self._held.add(network, kind, client, view)
        if self._log_only:
            self._counters["logged"].add()
            return reply
        if verdict is DROP:
            self._counters["dropped"].add()
            self._dropped.add()
            return None
        if kind.what is ERROR:
            # An error has no answer that TCP would bring: as it is, it is no longer than the query.
            self._counters["sent"].add()
            return reply
        self._counters["truncated"].add()
        return cut_short(answerer, packet, reply, slot)
