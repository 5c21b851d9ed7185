"""Places for questions that are resolved and for the queries that wait for them, shared fairly among networks."""

from __future__ import annotations

from typing import Final, Protocol

from gevent.hub import Waiter

from streamdns.metrics.registry import Registry
from streamdns.resolver.resolution.places import Places, network_of
from streamdns.resolver.resolution.question import Outcome
from streamdns.runtime import logs

_log = logs.get("resolver")
_WAIT_FOR_EACH: Final = 2  # queries, for each question that may be resolved at a time
#: Why a question or a query went without a place: all were taken, its network held its share, others needed its place.
LIMITS: Final = ("all", "client", "gave_way")


class Held(Protocol):
    """A question that is being resolved."""

    def gives_way(self, waiter: Waiter[Outcome] | None = None) -> None:
        """Others need its place, or that of one query that waits for it."""


class Admission:
    """`limit` places for questions and twice as many for queries, of which one network has at most `client_limit`.

    Whose place others take, is told by `gives_way` of the question, or of the question that the query waits for.
    """

    def __init__(self, limit: int, client_limit: int, registry: Registry) -> None:
        self.limit, self.client_limit = limit, client_limit
        self.questions: Places[Held] = Places(limit)
        self.queries: Places[Waiter[Outcome]] = Places(_WAIT_FOR_EACH * limit)
        self._waits_for: dict[Waiter[Outcome], Held] = {}
        self._limited = {each: registry.counter("resolver.limited", limit=each) for each in LIMITS}

    def for_question(self, client: bytes, now_s: float) -> str:
        """Make room for one more question of a client: "" where there is room now, else the limit that was met."""
        met = self.for_query(client, now_s)
        if met or len(self.questions) < self.limit:
            return met
        running = self.questions.gives_way(network_of(client), now_s)
        if running is None:
            return self._met("all")
        self._met("gave_way")
        running.gives_way()
        return ""

    def for_query(self, client: bytes, now_s: float) -> str:
        """Make room for one more query of a client that waits; many clients may ask the same, and each is held."""
        network = network_of(client)
        if self.queries.held(network) >= self.client_limit:
            return self._met("client")
        if len(self.queries) >= self.queries.most:
            waiter = self.queries.gives_way(network, now_s)
            if waiter is None:
                return self._met("all")
            self._met("gave_way")
            self._waits_for[waiter].gives_way(waiter)
        return ""

    def waits(self, waiter: Waiter[Outcome], running: Held, client: bytes, now_s: float) -> None:
        """A query of a client waits from now on."""
        self.queries.take(waiter, network_of(client), now_s)
        self._waits_for[waiter] = running

    def released(self, waiter: Waiter[Outcome]) -> None:
        """It does not wait any more."""
        self.queries.leave(waiter)
        self._waits_for.pop(waiter, None)

    def _met(self, limit: str) -> str:
        self._limited[limit].add()
        _log.warning("resolver.limit_reached", limit=limit, repeat_key=limit)
        return limit
