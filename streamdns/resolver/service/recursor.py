"""The resolver as a service: runs resolutions, each question once and within limits, and primes the root servers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import Any

import gevent
from gevent.event import Event
from gevent.hub import Waiter

from streamdns.dns import name as names
from streamdns.dns.wire import SERVFAIL
from streamdns.metrics.registry import Registry
from streamdns.resolver.resolution.message import Response
from streamdns.resolver.resolution.places import network_of
from streamdns.resolver.resolution.question import EDE_OTHER, EDE_STALE, Ask, Knowledge, Outcome, Question
from streamdns.resolver.resolution.ready_answers import Messages
from streamdns.resolver.resolution.resolution import MAX_S, Resolution
from streamdns.resolver.resolution.stale import EDE_STALE_NXDOMAIN, stale_outcome
from streamdns.resolver.resolution.walk import LIMITS
from streamdns.resolver.service.admission import Admission, Waiting
from streamdns.resolver.service.priming import Priming
from streamdns.resolver.transport.pace import ANSWERS, STARTING
from streamdns.resolver.transport.transport import Transport
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service

_log = logs.get("resolver")
_PRIMING_AGAIN_S = 60.0
_OWN_NAMES_PART = 5  # so many places for questions of clients, one for names of ours that lead elsewhere
_TOLD_AT_ONCE = 8  # of the queries that wait for one question
_STALE_AFTER_S = 1.8  # what a client waits before it gets what was known last (RFC 8767 §5)


def _refused(detail: str) -> Outcome:
    return Outcome(SERVFAIL, (), (), EDE_OTHER, detail, 0)


_FAULT = _refused("the resolver met a fault")
_STOPPED = _refused("the resolver is being stopped")
_TOO_MANY = _refused("too many questions are being resolved")
_GAVE_WAY = _refused("too many questions are being resolved, and others needed its place")


class Running:
    """One resolution in flight and who waits for it; the transport tells it what came of each query.

    Everything here runs in callbacks of the event loop and never raises. `tick` belongs to the deadlines.
    """

    __slots__ = ("_ends_s", "_goes_on", "_owner", "admission", "outcome", "question", "resolution", "tick", "waiting")
    kind = ANSWERS

    def __init__(self, owner: Recursor, question: Question, resolution: Resolution, admission: Admission) -> None:
        self._owner, self.question, self.resolution, self.admission = owner, question, resolution, admission
        self.outcome: Outcome | None = None
        self.waiting: dict[Waiting, None] = {}
        self.tick = 0
        self._goes_on = False
        self._ends_s = owner.deadlines.clock() + MAX_S
        owner.deadlines.at(self._ends_s, self)

    def launch(self, asks: list[Ask]) -> None:
        """Send the first queries."""
        self._step(lambda now_s: asks)
        if self.outcome is None and self._owner.stale(self.question) is not None:
            deadlines = self._owner.deadlines
            deadlines.cancel(self)
            deadlines.at(self._ends_s - MAX_S + _STALE_AFTER_S, self)

    def due(self) -> None:
        """Those who wait have waited for long enough for what was known last, or it has taken too long in all."""
        if self.outcome is not None:
            return
        deadlines = self._owner.deadlines
        if deadlines.clock() >= self._ends_s:
            self._step(self._expired)
        else:
            deadlines.at(self._ends_s, self)
            self._give_stale()

    def _give_stale(self) -> None:
        """Let nobody wait any longer; the resolution goes on for those who ask later."""
        outcome = self._owner.stale(self.question) if self.waiting else None
        if outcome is not None:
            self._tell_all(self._owner.polished(self.question, outcome))

    def begin(self) -> None:
        """Start what had to wait for its turn; it may be over with that, or be over already."""
        if self.outcome is None:
            self._step(self.resolution.start)

    def join(self, client: bytes, waiting: Waiting) -> None:
        """A query of this client waits from now on, and is told the outcome."""
        self.waiting[waiting] = None
        self.admission.waits(waiting, self, client, self._owner.clock())

    def gives_way(self, waiting: Waiting | None = None) -> None:
        """Others need the place of the question, or of one query that waits for it."""
        outcome = self._owner.polished(self.question, _GAVE_WAY)
        # Not at once: whoever takes the place is just being answered.
        if waiting is None:
            self.over(outcome, later=True)
            return
        self.admission.released(waiting)
        if waiting in self.waiting:  # else it is about to be told already
            del self.waiting[waiting]
            self._tell(outcome, (waiting,), later=True)

    def responded(self, token: int, response: Response) -> None:
        self._step(lambda now_s: self.resolution.responded(token, response, now_s))

    def failed(self, token: int, why: str, *, unreachable: bool = False) -> None:
        self._step(lambda now_s: self.resolution.failed(token, why, now_s, unreachable=unreachable))

    def hurry(self, token: int) -> None:
        self._step(lambda now_s: self.resolution.hurry(token, now_s))

    def distrusted(self, token: int, *, case: bool) -> None:
        self._step(lambda now_s: self.resolution.distrusted(token, now_s, case=case))

    def joined(self, token: int) -> None:
        self.resolution.joined(token)

    def spent(self, token: int, us: int) -> None:
        self._owner.spent(us)
        self.resolution.spent(us, self._owner.clock(), token)

    def _expired(self, now_s: float) -> list[Ask]:
        self.resolution.expired()
        return []

    def _go_on(self) -> None:
        """The next piece of what needs no answer: a delegation to many names leads from one to the next."""
        self._goes_on = False
        if self.outcome is None:
            self._step(self.resolution.go_on)

    def _step(self, act: Callable[[float], list[Ask]]) -> None:
        owner = self._owner
        began_s = owner.pace.clock()
        try:
            now_s = owner.clock()
            for ask in act(now_s):
                owner.transport.send(ask, self)
            us = owner.pace.taken_us(began_s)
            owner.spent(us)
            self.resolution.spent(us, now_s)
            outcome = self.resolution.outcome
            if outcome is not None and self.outcome is None:
                outcome = owner.polished(self.question, outcome)
            elif outcome is None and self.resolution.goes_on and not self._goes_on:
                self._goes_on = True
                owner.pace.put(ANSWERS, self._go_on)
        except Exception as error:  # noqa: BLE001 - the edge: whatever a server sends must not end the service
            owner.fault(error)
            outcome = _FAULT
        if outcome is not None:
            self.over(outcome)

    def over(self, outcome: Outcome, *, later: bool = False) -> None:
        """Tell everybody who waits; once."""
        if self.outcome is None:
            self.outcome = outcome
            self._owner.deadlines.cancel(self)
            self._owner.ended(self)
            self._tell_all(outcome, later=later)

    def _tell_all(self, outcome: Outcome, *, later: bool = False) -> None:
        waiting, self.waiting = self.waiting, {}
        self._tell(outcome, waiting, later=later)

    def _tell(self, outcome: Outcome, waiting: Iterable[Waiting], *, later: bool) -> None:
        hub = gevent.get_hub()
        if gevent.getcurrent() is not hub:
            for each in waiting:
                self.admission.released(each)
                hub.loop.run_callback(each.switch, outcome)
        elif later:
            hub.loop.run_callback(self._tell_some, outcome, iter(waiting))
        else:
            self._tell_some(outcome, iter(waiting))

    def _tell_some(self, outcome: Outcome, waiting: Iterator[Waiting]) -> None:
        """Tell the next few, and the others when there is time again: thousands may wait for one question."""
        told = 0
        for each in islice(waiting, _TOLD_AT_ONCE):
            told += 1
            self.admission.released(each)
            each.switch(outcome)  # A greenlet comes back when it ends or waits for something else.
        if told == _TOLD_AT_ONCE:
            self._owner.pace.put(ANSWERS, partial(self._tell_some, outcome, waiting))


class Recursor(Service):
    """Resolves questions; `limit` is the most at a time, and half of the most queries that wait for them;
    `client_limit` is the most queries of one network of clients that wait.

    `polish` has the last word on what is given out. With `serve_stale` it is what was known last where nothing else
    can be found out.
    """

    name = "resolver"

    def __init__(
        self, known: Knowledge, transport: Transport, *, messages: Messages, registry: Registry, limit: int,
        client_limit: int, polish: Callable[[Question, Outcome], Outcome] | None = None,
        serve_stale: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.known, self.transport, self.messages, self.clock = known, transport, messages, clock
        self._polish, self._serve_stale = polish, serve_stale
        self._stale = registry.counter("resolver.stale")
        self._prefetches = registry.counter("resolver.prefetches")
        self._running: dict[Question, Running] = {}
        self._admission = Admission(limit, client_limit, registry)
        #: Names of ours that lead elsewhere are asked for by everybody: with places of their own.
        self.for_own_names = Admission(max(1, limit // _OWN_NAMES_PART), client_limit, registry)
        self._stopped = Event()
        self.primed_s: float | None = None
        self._priming: Priming | None = None
        self.pace, self.deadlines = transport.pace, transport.deadlines
        self._hits = 0
        self._misses = registry.counter("resolver.misses")
        self._failures = registry.counter("resolver.failures")
        self._exceptions = registry.counter("resolver.exceptions")
        self._spent_us = 0
        self._given_up = {each: registry.counter("resolver.given_up", reason=each) for each in LIMITS}
        cache = known.cache
        registry.callback("resolver.cpu_seconds", lambda: self._spent_us / 1e6)
        registry.callback("resolver.running", lambda: len(self._running))
        registry.callback("dns.in_flight", lambda: self._all_waiting())
        registry.callback("resolver.hits", lambda: self._hits + messages.hits)
        registry.callback("resolver.queries", lambda: self._hits + messages.hits + self._misses.value)
        registry.callback("resolver.cache_bytes", lambda: cache.bytes + messages.bytes)
        registry.callback("resolver.cache_entries", lambda: len(cache) + len(messages))
        registry.callback("resolver.cache_evicted", lambda: cache.evicted + messages.evicted)

    # -- questions

    def begin(self, question: Question, client: bytes, admission: Admission | None = None) -> Outcome | Running:
        """The outcome where it can be told at once, or the resolution to wait for; a place there is made for it."""
        admission = admission or self._admission
        running = self._running.get(question)
        if running is not None:
            self._misses.add()
            return _TOO_MANY if running.admission.for_query(client, self.clock()) else running
        paced = self.pace.enter(STARTING)
        try:
            return self._start(question, client, admission, look=paced or self._is_cached(question))
        finally:
            if paced:
                self.pace.leave()

    def _is_cached(self, question: Question) -> bool:
        """Those whose answers are known do not wait for a flood of questions that nobody knows."""
        return self.known.cache.get(question.qname, question.qtype, self.clock()) is not None

    def _start(
        self, question: Question, client: bytes, admission: Admission, *, look: bool
    ) -> Outcome | Running:
        """Begin a resolution: at once (`look`), or when its turn comes."""
        resolution = Resolution(question, self.known)
        now_s = self.clock()
        asks = resolution.start(now_s) if look else []
        resolution.in_pieces = True  # But what is known already is told at once.
        if resolution.outcome is not None:
            self._hits += 1
            return self.polished(question, resolution.outcome)
        self._misses.add()
        if admission.for_question(client, now_s):
            return _TOO_MANY
        running = self._run(question, resolution, admission, client)
        if look:
            running.launch(asks)
        else:
            self.pace.put_start(running.begin, network_of(client))
        return running.outcome or running

    def _run(self, question: Question, resolution: Resolution, admission: Admission, client: bytes) -> Running:
        running = self._running[question] = Running(self, question, resolution, admission)
        admission.questions.take(running, network_of(client), self.clock())
        return running

    def resolve(self, question: Question, client: bytes = b"") -> Outcome:
        """The outcome; the calling greenlet waits for it."""
        found = self.begin(question, client)
        if isinstance(found, Outcome):
            return found
        waiter: Waiter[Outcome] = Waiter()
        found.join(client, waiter)
        outcome: Outcome = waiter.get()
        return outcome

    def polished(self, question: Question, outcome: Outcome) -> Outcome:
        """The outcome as it is given out: what was known last in place of a failure."""
        if outcome.rcode == SERVFAIL and not outcome.own:
            outcome = self.stale(question) or outcome
        if outcome.ede in (EDE_STALE, EDE_STALE_NXDOMAIN):
            self._stale.add()
        return outcome if self._polish is None else self._polish(question, outcome)

    def stale(self, question: Question) -> Outcome | None:
        """What was known last, if that is to be told."""
        return stale_outcome(self.known, question, self.clock()) if self._serve_stale else None

    def refresh(self, question: Question) -> None:
        """Ask for what is known before it ends; nobody waits for it, and it is left out when there is much to do."""
        admission = self._admission
        if (question in self._running or len(admission.questions) * 2 > admission.limit
                or not self.pace.enter(STARTING)):
            return
        try:
            self._prefetches.add()
            resolution = Resolution(question, self.known, refresh=True)
            resolution.in_pieces = True
            self._run(question, resolution, admission, b"").begin()
        finally:
            self.pace.leave()

    def _all_waiting(self) -> int:
        return len(self._admission.queries) + len(self.for_own_names.queries)

    def ended(self, running: Running) -> None:
        """A resolution is over."""
        if self._running.get(running.question) is running:
            del self._running[running.question]
        running.admission.questions.leave(running)
        if running.outcome is not None and running.outcome.rcode == SERVFAIL:
            self._failures.add()
        for limit in running.resolution.limits:
            self._given_up[limit].add()

    def spent(self, us: int) -> None:
        """Resolutions have taken so much CPU time more."""
        self._spent_us += us

    def fault(self, error: Exception) -> None:
        """Something of ours failed."""
        self._exceptions.add()
        _log.error("resolver.failed", exc=error)

    def flush(self, name: bytes | None = None, *, below: bool = False, pause: Callable[[], None]) -> int:
        """Forget everything, a name, or a name with all below it; how many entries that were.

        `pause` is called after each entry that is looked at.
        """
        gone = 0
        # Messages come last, for they are made of the others; a name may be anywhere in them.
        for found in chain(self.known.cache.flushing(name, below=below), self.messages.clearing()):
            gone += found
            pause()
        return gone

    def summary(self) -> dict[str, Any]:
        """The state for the admin interface."""
        known = self.known
        return {
            "roots": sorted({address.host for address in known.roots}),
            "primed_seconds_ago": None if self.primed_s is None else round(self.clock() - self.primed_s, 3),
            "running": len(self._running),
            "clients_waiting": self._admission.queries.networks + self.for_own_names.queries.networks,
            "queries_out": len(self.transport.open),
            "servers": len(known.servers),
            "cache": {
                "entries": len(known.cache), "bytes": known.cache.bytes, "most_bytes": known.cache.most_bytes,
                "evicted": known.cache.evicted, "messages": len(self.messages), "messages_bytes": self.messages.bytes,
                "messages_most_bytes": self.messages.most_bytes,
            },
            "forwards": [
                {"zone": names.to_text(forward.zone),
                 "servers": [known.servers.shown(each, self.clock()) for each in forward.addresses]}
                for forward in known.forwards
            ],
        }

    # -- life

    def start(self) -> None:
        """Begin anew; sockets are opened for each query."""
        self._stopped.clear()

    def run(self) -> None:
        """Keep the addresses of the root servers up to date until stop()."""
        told = True
        while not self._stopped.is_set():
            wait_s: float | None = None
            if self.known.forward_of(b"\0") is None:
                self._priming = Priming(self.known, self.transport, self.clock)
                lasts_s = self._priming.run()
                if self._stopped.is_set():
                    return
                if lasts_s is not None:
                    self.primed_s = self.clock()
                    _log.info("resolver.primed", servers=len(self.known.roots))
                elif told:
                    _log.warning("resolver.priming_failed")
                told = lasts_s is not None
                wait_s = lasts_s or _PRIMING_AGAIN_S
            self._stopped.wait(timeout=wait_s)

    def stop(self) -> None:
        """End everything that is in flight with SERVFAIL."""
        self._stopped.set()
        if self._priming is not None:
            self._priming.cancel()
        for running in list(self._running.values()):
            running.over(_STOPPED)
        self.transport.close()
