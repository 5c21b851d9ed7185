"""`streamdns resolve`: resolves one name in this process, and shows every step with --trace."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gevent.event import Event

from streamdns import app
from streamdns.commands import CommandError
from streamdns.commands.output import note
from streamdns.commands.view_reader import owner_from_text
from streamdns.dns import name, rdata
from streamdns.dns.wire import NOERROR
from streamdns.errors import ViewError
from streamdns.metrics.registry import Registry
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.question import Ask, Knowledge, Local, Outcome, Question
from streamdns.resolver.resolution.resolution import MAX_S, Resolution
from streamdns.resolver.service.answering import OwnZones
from streamdns.resolver.service.flattening import OwnAnswerer
from streamdns.resolver.service.from_settings import WithoutPrivate, knowledge_of
from streamdns.resolver.transport.transport import Transport
from streamdns.settings import Settings
from streamdns.view.reader import snapshot
from streamdns.view.view import open_readonly

_RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN",
           9: "NOTAUTH", 16: "BADVERS"}


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Resolve a name; exit 1 where there is no answer."""
    try:
        qtype = rdata.type_from_text(args.type)
    except ValueError as error:
        raise CommandError(str(error)) from error
    question = Question(owner_from_text(args.name), qtype, args.dnssec)
    with _own_zones(settings) as local:
        known = knowledge_of(settings, local)
        began_s = time.monotonic()
        transport = Transport(Registry(), sources=settings.resolver_source)
        outcome = Drive(question, known, transport, trace=args.trace).run()
        took_ms = (time.monotonic() - began_s) * 1000
        if settings.private_answers == "deny":
            outcome = WithoutPrivate(known, settings.private_answers_zones)(question, outcome)
    _print(records(outcome.answer, signatures=args.dnssec))
    if not outcome.answer:
        _print(records(outcome.authority, signatures=args.dnssec, before="; "))
    queries = f"{outcome.packets} {'query' if outcome.packets == 1 else 'queries'}"
    _print([f"; {_RCODES.get(outcome.rcode, outcome.rcode)}, {queries}, {took_ms:.0f} ms"])
    if outcome.ede >= 0:
        note(f"{outcome.detail} (extended error {outcome.ede})")
    return 0 if outcome.rcode == NOERROR and outcome.answer else 1


@contextmanager
def _own_zones(settings: Settings) -> Iterator[Local]:
    """Return the zones of the view; none where there is no view."""
    try:
        store = open_readonly(settings.pathdb)
    except ViewError:
        note("there is no view: zones of our own are resolved as all others")
        yield lambda qname, qtype: None
        return
    try:
        yield OwnZones(OwnAnswerer(app.policy_of(settings), cookies=None), lambda: snapshot(store))
    finally:
        store.close()


class Drive:
    """Runs one resolution: sends its queries and feeds it the responses that the transport gets."""

    def __init__(self, question: Question, known: Knowledge, transport: Transport, *, trace: bool) -> None:
        self._transport, self._trace = transport, trace
        self._asked: dict[int, tuple[Ask, float]] = {}
        self._over = Event()
        self._resolution = Resolution(question, known, trace=self._say if trace else None)

    def run(self) -> Outcome:
        """Run the resolution to its end, which comes after MAX_S seconds at the latest."""
        self._send(self._resolution.start(time.monotonic()))
        self._over.wait(MAX_S)
        self._resolution.expired()
        self._transport.close()
        outcome = self._resolution.outcome
        assert outcome is not None
        return outcome

    def responded(self, token: int, response: Response) -> None:
        """Show a response and feed it to the resolution."""
        ask, sent_s = self._asked[token]
        now_s = time.monotonic()
        if self._trace and self._resolution.outcome is None:
            told = _RCODES.get(response.rcode, str(response.rcode))
            told += ", authoritative" if response.authoritative else ""
            told += ", truncated" if response.truncated else ""
            self._say(f"{ask.address.host} answers after {(now_s - sent_s) * 1000:.0f} ms: {told}")
            for section in (response.answer, response.authority, response.additional):
                _print(records(section, signatures=ask.options.do))
        self._send(self._resolution.responded(token, response, now_s))

    def failed(self, token: int, why: str, *, unreachable: bool = False) -> None:
        """Tell the resolution that a query got no usable response."""
        self._send(self._resolution.failed(token, why, time.monotonic(), unreachable=unreachable))

    def hurry(self, token: int) -> None:
        """Tell the resolution that a response takes longer than usual."""
        asks = self._resolution.hurry(token, time.monotonic())
        if asks and self._trace:
            self._say(f"{self._asked[token][0].address.host} takes its time: another query")
        self._send(asks)

    def distrusted(self, token: int, *, case: bool) -> None:
        """Note that replies came that may be forged."""
        self._send(self._resolution.distrusted(token, time.monotonic(), case=case))

    def joined(self, token: int) -> None:
        """Note that the same query is already on its way for another question."""
        self._resolution.joined(token)
        if self._trace:
            self._say("the very same is on its way already")

    def _send(self, asks: list[Ask]) -> None:
        for ask in asks:
            if self._trace:
                how = " over TCP" if ask.tcp else ""
                how += "" if ask.options.edns_size else " without EDNS"
                what = f"{name.to_text(ask.qname)} {rdata.type_to_text(ask.qtype)}"
                self._say(f"asking {ask.address.host}, a server of {name.to_text(ask.zone)}, for {what}{how}")
            self._asked[ask.token] = ask, time.monotonic()
            self._transport.send(ask, self)
        if self._resolution.outcome is not None:
            self._over.set()

    def _say(self, text: str) -> None:
        _print([f"; {text}"])


def records(rrsets: Iterable[RRset], *, signatures: bool, before: str = "") -> Iterator[str]:
    """Return records in presentation format, one a line."""
    for rrset in rrsets:
        owner = name.to_text(rrset.owner)
        for rdtype, rdatas in ((rrset.rdtype, rrset.rdatas), (46, rrset.signatures if signatures else ())):
            for each in rdatas:
                yield f"{before}{owner} {rrset.ttl_s} IN {rdata.type_to_text(rdtype)} {rdata.to_text(rdtype, each)}"


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)
