"""`streamdns resolve`: resolves one name in this process, and shows every step with --trace."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from streamdns.commands import CommandError
from streamdns.commands.output import note
from streamdns.commands.view_reader import owner_from_text
from streamdns.dns import rdata
from streamdns.dns.wire import NOERROR
from streamdns.errors import ViewError
from streamdns.metrics.registry import Registry
from streamdns.resolver.resolution.message import RRset
from streamdns.resolver.resolution.question import Local, Question
from streamdns.resolver.service.answering import OwnZones
from streamdns.resolver.service.drive import RCODES, Drive, records
from streamdns.resolver.service.flattening import OwnAnswerer
from streamdns.resolver.service.from_settings import WithoutPrivate, knowledge_of
from streamdns.resolver.transport.transport import Transport
from streamdns.serving.answering import policy_of
from streamdns.settings import Settings
from streamdns.view.reader import snapshot
from streamdns.view.view import open_readonly


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
        outcome = Drive(question, known, transport, say=_say if args.trace else None, show=_show).run()
        transport.close()
        took_ms = (time.monotonic() - began_s) * 1000
        if settings.private_answers == "deny":
            outcome = WithoutPrivate(known, settings.private_answers_zones)(question, outcome)
    _print(records(outcome.answer, signatures=args.dnssec))
    if not outcome.answer:
        _print(records(outcome.authority, signatures=args.dnssec, before="; "))
    queries = f"{outcome.packets} {'query' if outcome.packets == 1 else 'queries'}"
    _print([f"; {RCODES.get(outcome.rcode, outcome.rcode)}, {queries}, {took_ms:.0f} ms"])
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
        yield OwnZones(OwnAnswerer(policy_of(settings), cookies=None), lambda: snapshot(store))
    finally:
        store.close()


def _say(line: str) -> None:
    _print([line])


def _show(rrsets: Iterable[RRset], signatures: bool) -> None:
    _print(records(rrsets, signatures=signatures))


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)
