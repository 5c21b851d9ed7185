"""Runs one resolution by itself and reports every step of it, for `streamdns resolve` and the admin API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from gevent.event import Event

from streamdns.dns import name, rdata
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.question import Ask, Knowledge, Outcome, Question
from streamdns.resolver.resolution.resolution import MAX_S, Resolution
from streamdns.resolver.transport.transport import Transport

RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN",
           9: "NOTAUTH", 16: "BADVERS"}


class Drive:
    """Runs one resolution: sends its queries and feeds it the responses that the transport gets.

    `say` gets a line for each step, and `show` the records of each response, with whether signatures are wanted; None:
    nobody wants to know.
    """

    def __init__(
        self, question: Question, known: Knowledge, transport: Transport, *, say: Callable[[str], None] | None = None,
        show: Callable[[Iterable[RRset], bool], None] | None = None,
    ) -> None:
        self._transport, self._say, self._show = transport, say, show
        self._asked: dict[int, tuple[Ask, float]] = {}
        self._over = Event()
        self._resolution = Resolution(question, known, trace=self._tell if say is not None else None)

    def run(self) -> Outcome:
        """Run the resolution to its end, which comes after MAX_S seconds at the latest."""
        self._send(self._resolution.start(time.monotonic()))
        self._over.wait(MAX_S)
        self._resolution.expired()
        outcome = self._resolution.outcome
        assert outcome is not None
        return outcome

    def responded(self, token: int, response: Response) -> None:
        """Show a response and feed it to the resolution."""
        ask, sent_s = self._asked[token]
        now_s = time.monotonic()
        if self._say is not None and self._resolution.outcome is None:
            told = RCODES.get(response.rcode, str(response.rcode))
            told += ", authoritative" if response.authoritative else ""
            told += ", truncated" if response.truncated else ""
            self._tell(f"{ask.address.host} answers after {(now_s - sent_s) * 1000:.0f} ms: {told}")
            if self._show is not None:
                for section in (response.answer, response.authority, response.additional):
                    self._show(section, ask.options.do)
        self._send(self._resolution.responded(token, response, now_s))

    def failed(self, token: int, why: str, *, unreachable: bool = False) -> None:
        """Tell the resolution that a query got no usable response."""
        self._send(self._resolution.failed(token, why, time.monotonic(), unreachable=unreachable))

    def hurry(self, token: int) -> None:
        """Tell the resolution that a response takes longer than usual."""
        asks = self._resolution.hurry(token, time.monotonic())
        if asks and self._say is not None:
            self._tell(f"{self._asked[token][0].address.host} takes its time: another query")
        self._send(asks)

    def distrusted(self, token: int, *, case: bool) -> None:
        """Note that replies came that may be forged."""
        self._send(self._resolution.distrusted(token, time.monotonic(), case=case))

    def spent(self, token: int, us: int) -> None:
        """Charge the resolution with the time that a response took to read."""
        self._resolution.spent(us, time.monotonic(), token)

    def joined(self, token: int) -> None:
        """Note that the same query is already on its way for another question."""
        self._resolution.joined(token)
        if self._say is not None:
            self._tell("the very same is on its way already")

    def _send(self, asks: list[Ask]) -> None:
        for ask in asks:
            if self._say is not None:
                how = " over TCP" if ask.tcp else ""
                how += "" if ask.options.edns_size else " without EDNS"
                what = f"{name.to_text(ask.qname)} {rdata.type_to_text(ask.qtype)}"
                self._tell(f"asking {ask.address.host}, a server of {name.to_text(ask.zone)}, for {what}{how}")
            self._asked[ask.token] = ask, time.monotonic()
            self._transport.send(ask, self)
        if self._resolution.outcome is not None:
            self._over.set()

    def _tell(self, text: str) -> None:
        if self._say is not None:
            self._say(f"; {text}")


def records(rrsets: Iterable[RRset], *, signatures: bool, before: str = "") -> Iterator[str]:
    """Return records in presentation format, one a line."""
    for rrset in rrsets:
        owner = name.to_text(rrset.owner)
        for rdtype, rdatas in ((rrset.rdtype, rrset.rdatas), (46, rrset.signatures if signatures else ())):
            for each in rdatas:
                yield f"{before}{owner} {rrset.ttl_s} IN {rdata.type_to_text(rdtype)} {rdata.to_text(rdtype, each)}"
