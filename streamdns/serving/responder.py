"""Answers batches of messages from snapshots of the view, for UDP and TCP alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from math import inf

from streamdns.dns.answer import Answerer
from streamdns.dns.lookup import Snapshot
from streamdns.dns.unusual import servfail
from streamdns.errors import ViewError
from streamdns.runtime import logs
from streamdns.serving.statistics import Statistics

_log = logs.get("dns")

#: Holds replies back, in place: gets the messages, the replies to them, and the snapshot that these were made from.
Limit = Callable[[list[bytes], list[bytes | None], Snapshot], None]
#: Takes a snapshot of the view for one batch of queries; the server closes it after the batch.
TakeSnapshot = Callable[[], Snapshot]


class Responder:
    """Answers each batch of messages from one snapshot; a message whose answer fails gets SERVFAIL and is counted."""

    def __init__(self, answerer: Answerer, take_snapshot: TakeSnapshot, statistics: Statistics) -> None:
        self.answerer = answerer
        self._take_snapshot = take_snapshot
        self._statistics = statistics

    def answer(
        self, packets: list[bytes], tcp: bool, *, ends_s: float = inf, enough_octets: int = sys.maxsize,
        limit: Limit | None = None,
    ) -> list[bytes | None]:
        """Make the replies to messages, None where there is none; never raises for what they contain.

        At least the first of them is answered; the others as long as `ends_s` (time.perf_counter()) is not reached and
        the replies have less than `enough_octets`.
        """
        answerer = self.answerer
        try:
            snapshot = self._take_snapshot()
        except ViewError as err:
            _log.error("dns.view_unreadable", error=str(err))
            return [servfail(answerer, packet) for packet in packets]
        replies: list[bytes | None] = []
        octets = 0
        try:
            answerer.bind(snapshot)
            for packet in packets:
                try:
                    replies.append(answerer.reply(packet, tcp, len(replies)))
                except Exception as err:  # noqa: BLE001 - the edge: whatever a client sends must not end the service
                    self._statistics.exceptions.add()
                    _log.error("dns.query_failed", exc=err)
                    replies.append(servfail(answerer, packet))
                if tcp:
                    octets += len(replies[-1] or b"")
                    if octets >= enough_octets or time.perf_counter() >= ends_s:
                        break
            if limit is not None:
                self._hold_back(limit, packets, replies, snapshot)
        finally:
            try:
                answerer.unbind()
            finally:
                snapshot.close()
        return replies

    def _hold_back(
        self, limit: Limit, packets: list[bytes], replies: list[bytes | None], snapshot: Snapshot
    ) -> None:
        try:
            limit(packets, replies, snapshot)
        except Exception as err:  # noqa: BLE001 - the edge: the replies are there, and go out
            self._statistics.exceptions.add()
            _log.error("dns.query_failed", exc=err)
