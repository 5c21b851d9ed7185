"""Asks a root server for the current list of root servers and their addresses (RFC 9609)."""

from __future__ import annotations

from collections.abc import Callable

from gevent import Timeout
from gevent.event import AsyncResult

from streamdns.dns.wire import AAAA, NS, A
from streamdns.resolver.resolution.message import Options, Response
from streamdns.resolver.resolution.question import Ask, Knowledge
from streamdns.resolver.resolution.resolution import MAX_S, TCP_TIMEOUT_S, UDP_TIMEOUT_S
from streamdns.resolver.resolution.servers import Address
from streamdns.resolver.service.roots import Primed, addresses_of, primed
from streamdns.resolver.transport.transport import Transport

_TRIES = 6


class Priming:
    """Asks one root server after another who the root servers are, over TCP where the answer is cut."""

    def __init__(self, known: Knowledge, transport: Transport, clock: Callable[[], float]) -> None:
        self._known, self._transport, self._clock = known, transport, clock
        self._response: AsyncResult[Response | None] = AsyncResult()
        self._cancelled = False

    def cancel(self) -> None:
        """Ask nobody any more: run() returns."""
        self._cancelled = True
        self._response.set(None)

    def run(self) -> float | None:
        """For how long what was learnt holds, in seconds; None where nothing was."""
        known = self._known
        candidates = [address for address in known.roots if known.may_ask(address)]
        for address in known.servers.choose(candidates, b"\0", self._clock())[:_TRIES]:
            response = self._ask(address, b"\0", NS)
            found = None if response is None else primed(response, known.port)
            roots = () if found is None else self._all(address, found)
            if self._cancelled:
                return None
            if found is not None and roots:
                known.roots = roots
                return found.lasts_s
        return None

    def _all(self, address: Address, found: Primed) -> tuple[Address, ...]:
        """The addresses of all root servers; those that are missing are asked for."""
        known = self._known
        roots = [each for here in found.addresses.values() for each in here]
        for name in found.names:
            for rdtype in () if name in found.addresses else (A, AAAA) if known.ipv6 else (A,):
                response = self._ask(address, name, rdtype)
                if response is None:
                    return tuple(roots)
                if response.authoritative:
                    roots += addresses_of(name, response.answer, known.port)
        return tuple(dict.fromkeys(roots))

    def _ask(self, address: Address, qname: bytes, rdtype: int) -> Response | None:
        response = self._ask_once(address, qname, rdtype, tcp=False)
        if response is not None and response.truncated:
            response = self._ask_once(address, qname, rdtype, tcp=True)
        return response

    def _ask_once(self, address: Address, qname: bytes, rdtype: int, *, tcp: bool) -> Response | None:
        if self._cancelled:
            return None
        known = self._known
        self._response = AsyncResult()
        timeout_s = TCP_TIMEOUT_S if tcp else UDP_TIMEOUT_S
        began_s = self._clock()
        self._transport.send(
            Ask(0, address, b"\0", qname, rdtype, Options(known.edns_size), tcp, not known.mixed_case,
                timeout_s, timeout_s), self
        )
        try:
            response: Response | None = self._response.get(timeout=timeout_s + MAX_S)
        except Timeout:
            response = None  # The transport had no time for it at all.
        if response is None:
            known.servers.timed_out(address, self._clock())
        else:
            known.servers.answered(address, self._clock() - began_s)
        return response

    # -- what the transport tells

    def responded(self, token: int, response: Response) -> None:
        """One of them answered."""
        self._response.set(response)

    def failed(self, token: int, why: str, *, unreachable: bool = False) -> None:
        """The next one is asked."""
        self._response.set(None)

    def hurry(self, token: int) -> None:
        """Nobody waits for a priming."""

    def distrusted(self, token: int, *, case: bool) -> None:
        """The next one is asked."""
        self._response.set(None)

    def joined(self, token: int) -> None:
        """Whoever sent it."""

    def spent(self, token: int, us: int) -> None:
        """Root servers are not hostile."""
