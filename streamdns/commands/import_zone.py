"""`streamdns import`: compares a zone file with the log and appends the events that make the difference."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from streamdns.commands import CommandError, zonefile
from streamdns.commands.log_reader import Key, Standing, of_zone, standing
from streamdns.commands.log_writer import check_target, interruptible, sending
from streamdns.commands.output import Progress, note, printable
from streamdns.commands.publish import CHUNK_EVENTS, encode, metadatas
from streamdns.commands.zonefile import FileRRset, FileRRsets
from streamdns.dns import name, rdata
from streamdns.dns.node import CNAME, DNAME, SOA
from streamdns.settings import Settings
from streamdns.sources.sink import LogEvent

_SINGLE_TYPES = (CNAME, SOA, DNAME)


class _Changes(NamedTuple):
    added: list[Key]
    changed: list[Key]
    deleted: list[Key]
    unchanged: int


def run(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    """Print what the file changes, and append the events unless it is a dry run."""
    check_target(settings, args.topic)
    with interruptible():
        return _import(args, settings, now_ms)


def _import(args: argparse.Namespace, settings: Settings, now_ms: int) -> int:
    try:
        origin = name.from_text(args.origin).lower()
    except ValueError as err:
        raise CommandError(f"--origin: {err}") from err
    wanted = zonefile.read(args.zonefile, origin)
    if args.replace and (origin, SOA) not in wanted:
        raise CommandError(
            f"{args.zonefile} has no SOA at {name.to_text(origin)}: with --replace that would take the zone away"
        )
    for (owner, rdtype), rrset in wanted.items():
        if rdtype in _SINGLE_TYPES and len(rrset.rdatas) > 1:
            shown = f"{name.to_text(owner)} has {len(rrset.rdatas)} {rdata.type_to_text(rdtype)} records"
            raise CommandError(f"{rrset.where}: {shown}, where only one may be")
    known = standing(settings, origin)
    changes = _compare(wanted, known, of_zone(known, origin) if args.replace else {})
    events = _events(wanted, changes, args, settings, now_ms)
    if args.dry_run:
        _list(changes)
    elif events:
        _send(events, args, settings)
    counts = f"{len(changes.added)} added, {len(changes.changed)} changed, {len(changes.deleted)} deleted, "
    print(f"{name.to_text(origin)}: {counts}{changes.unchanged} unchanged" + (" (dry run)" if args.dry_run else ""))
    if (origin, SOA) not in wanted and (origin, SOA) not in known:
        note(f"warning: there is no SOA at {name.to_text(origin)}, so no zone yet")
    return 0


def _send(events: list[LogEvent], args: argparse.Namespace, settings: Settings) -> None:
    total = len(events)
    with sending(settings, topic=args.topic, total=total) as sink, Progress(total, "importing") as progress:
        for at in range(0, total, CHUNK_EVENTS):
            sink.send(events[at : at + CHUNK_EVENTS])
            progress.at(at + CHUNK_EVENTS)


def _compare(wanted: FileRRsets, known: dict[Key, Standing], replaced: dict[Key, Standing]) -> _Changes:
    """Return the RRsets that the file changes; one whose newest event was rejected is written again, which heals it."""
    changes = _Changes([], [], [key for key in replaced if key not in wanted], 0)
    unchanged = 0
    for key, rrset in wanted.items():
        old = known.get(key)
        if old is None:
            changes.added.append(key)
        elif old != Standing(rrset.ttl, frozenset(rrset.rdatas), False):
            changes.changed.append(key)
        else:
            unchanged += 1
    return changes._replace(unchanged=unchanged)


def _events(
    wanted: FileRRsets, changes: _Changes, args: argparse.Namespace, settings: Settings, now_ms: int
) -> list[LogEvent]:
    """Make the events of the changes; raises CommandError for an RRset that no server would accept.

    The SOA of a new zone goes first, so that the view need not hand over names to it later. That of a zone that is
    there goes last: its serial tells that the change is complete.
    """
    provenance = metadatas(args.producer, now_ms)
    events: list[LogEvent] = []
    for key in [*changes.deleted, *sorted(changes.added, key=_soa_first), *sorted(changes.changed, key=_soa_last)]:
        owner, rdtype = key
        rrset = wanted.get(key, FileRRset(0, args.zonefile))
        records = [{"content": rdata.to_text(rdtype, wire), "ttl": rrset.ttl} | provenance for wire in rrset.rdatas]
        try:
            event_key, value = encode(
                name.to_text(owner), rdata.type_to_text(rdtype), records, default_ttl=settings.default_ttl
            )
        except CommandError as err:
            raise CommandError(f"{rrset.where}: {err}") from err
        events.append((event_key, value, now_ms))
    return events


def _soa_first(key: Key) -> bool:
    return key[1] != SOA


def _soa_last(key: Key) -> bool:
    return key[1] == SOA


def _list(changes: _Changes) -> None:
    for mark, keys in (("+", changes.added), ("~", changes.changed), ("-", changes.deleted)):
        for owner, rdtype in keys:
            print(f"{mark} {printable(name.to_text(owner))} {rdata.type_to_text(rdtype)}")
