"""Places for questions that are resolved and for the queries that wait for them, shared fairly among networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from streamdns.metrics.registry import Registry
from streamdns.resolver.resolution.places import Places, network_of
from streamdns.resolver.resolution.question import Outcome
from streamdns.runtime import logs

_log = logs.get("resolver")
_WAIT_FOR_EACH: Final = 2  # queries, for each question that may be resolved at a time
#: Why a question or a query went without a place: all were taken, its network held its share, others needed its place.
LIMITS: Final = ("all", "client", "gave_way")


class Waiting(Protocol):
    """A query that waits for an outcome: a gevent Waiter, or `Then`."""

    def switch(self, value: Outcome, /) -> object:
        """Take the outcome, in a callback of the event loop; never raises."""


class Then:
    """Calls a function with the outcome and what else it needs.

    A greenlet that waits would be three quarters of the memory that a question takes, and thousands may wait.
    """

    __slots__ = ("_arguments", "_function")

    def __init__(self, function: Callable[..., None], *arguments: object) -> None:
        self._function, self._arguments = function, arguments

    def switch(self, value: Outcome, /) -> None:
        """Call it."""
        self._function(value, *self._arguments)


class Held(Protocol):
    """A question that is being resolved."""

    def gives_way(self, waiting: Waiting | None = None) -> None:
        """Others need its place, or that of one query that waits for it."""


class Admission:
    """`limit` places for questions and twice as many for queries, of which one network has at most `client_limit`.

    Whose place others take, is told by `gives_way` of the question, or of the question that the query waits for.
    """

    def __init__(self, limit: int, client_limit: int, registry: Registry) -> None:
        self.limit, self.client_limit = limit, client_limit
        self.questions: Places[Held] = Places(limit)
        self.queries: Places[Waiting] = Places(_WAIT_FOR_EACH * limit)
        self._waits_for: dict[Waiting, Held] = {}
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
            waiting = self.queries.gives_way(network, now_s)
            if waiting is None:
                return self._met("all")
            self._met("gave_way")
            self._waits_for[waiting].gives_way(waiting)
        return ""

    def waits(self, waiting: Waiting, running: Held, client: bytes, now_s: float) -> None:
        """A query of a client waits from now on."""
        self.queries.take(waiting, network_of(client), now_s)
        self._waits_for[waiting] = running

    def released(self, waiting: Waiting) -> None:
        """It does not wait any more."""
        self.queries.leave(waiting)
        self._waits_for.pop(waiting, None)

    def _met(self, limit: str) -> str:
        self._limited[limit].add()
        _log.warning("resolver.limit_reached", limit=limit, repeat_key=limit)
        return limit
