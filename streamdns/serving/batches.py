"""Answers waiting datagrams in batches: receives, answers, sends and counts them; the event loop is left to udp.py."""

from __future__ import annotations

from time import perf_counter
from typing import Final

from streamdns.dns.answer import Answerer
from streamdns.dns.lookup import Snapshot
from streamdns.serving.datagrams import Datagrams
from streamdns.serving.limiter import ResponseLimiter
from streamdns.serving.responder import Responder
from streamdns.serving.statistics import Statistics

_MOST_A_TURN: Final = 4
#: After so long others have their turn. Of queries that cost more than others, questions for the resolver for instance,
#: fewer are taken at a time, so that one batch is not much longer than that.
_BUDGET_S: Final = 0.000_5
_FEWEST: Final = 8


class Batches:
    """The batches of one socket, of at most `most` datagrams each; `packets` are the queries of the last one."""

    def __init__(
        self, datagrams: Datagrams, responder: Responder, *, answerer: Answerer, statistics: Statistics,
        limiter: ResponseLimiter, most: int,
    ) -> None:
        self._datagrams, self._responder, self._answerer = datagrams, responder, answerer
        self._statistics, self._limiter, self._most = statistics, limiter, most
        self._at_once = most
        self.packets: list[bytes] = []
        self._dropped = 0

    def answer(self) -> None:
        """Answer waiting datagrams, at most a few batches, so that others get their turn. Raises OSError."""
        datagrams = self._datagrams
        ends_s = perf_counter() + _BUDGET_S
        for _ in range(_MOST_A_TURN):
            began = perf_counter()
            packets = datagrams.receive(self._at_once)
            self.packets = packets
            count = len(packets)
            if not count:
                return
            self._dropped = 0
            limit = self._hold_back if self._limiter.due(count) else None
            replies = self._responder.answer(packets, False, limit=limit)
            refused = datagrams.send(replies)
            now_s = perf_counter()
            self._statistics.count_udp(packets, replies, refused, self._answerer, now_s - began, dropped=self._dropped)
            full = count >= self._at_once
            if now_s - began > _BUDGET_S:
                self._at_once = max(count // 2, min(_FEWEST, self._most))
                return
            if not full or now_s >= ends_s:
                return
            if self._at_once < self._most:
                # More at a time, or as many in this turn, only where they have time enough if they cost the same.
                if (now_s - began) * (self._at_once + _FEWEST) <= _BUDGET_S * count:
                    self._at_once = min(self._at_once + _FEWEST, self._most)
                elif now_s + (now_s - began) > ends_s:
                    return

    def _hold_back(self, packets: list[bytes], replies: list[bytes | None], view: Snapshot) -> None:
        self._dropped = self._limiter.batch(
            packets, replies, datagrams=self._datagrams, answerer=self._answerer, view=view
        )
