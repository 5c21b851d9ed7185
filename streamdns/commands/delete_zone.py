"""`streamdns delete-zone`: takes a zone out of the log, all that is its own and nothing else."""

from __future__ import annotations

import argparse
import sys

from streamdns.commands import CommandError
from streamdns.commands.log_reader import Key, LogState, standing
from streamdns.commands.log_writer import check_target, interruptible, send_phases
from streamdns.commands.output import note, printable
from streamdns.commands.publish import wait_if_asked
from streamdns.commands.zone_changes import apexes_below, delegation_of, of_zone
from streamdns.dns import name, rdata
from streamdns.dns.node import SOA
from streamdns.settings import Settings
from streamdns.sources.sink import LogEvent

_YES = ("y", "yes")


def run(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    """Say what goes and what stays, ask, and append the deletes."""
    check_target(settings, args.topic)
    with interruptible("deleted"):
        return _delete(args, settings, now_ms)


def _delete(args: argparse.Namespace, settings: Settings, now_ms: int) -> int:
    try:
        origin = name.from_text(args.zone).lower()
    except ValueError as err:
        raise CommandError(str(err)) from err
    state = standing(settings, origin)
    zone = name.to_text(origin)
    if (origin, SOA) not in state.rrsets:
        raise CommandError(f"{zone} is no zone of the log: there is no SOA at that name")
    below = apexes_below(origin, state, settings.zones)
    gone = of_zone(state.rrsets, origin, below)
    kept = delegation_of(state.rrsets, origin) if state.above is not None and not args.with_delegation else []
    gone = [key for key in gone if key not in kept]
    if args.with_delegation:
        gone += [key for key in delegation_of(state.rrsets, origin) if key not in gone]
    _tell(zone, gone, kept, below, state, settings)
    if args.dry_run:
        return 0
    if not args.yes and not _agreed(zone):
        note("nothing was deleted")
        return 1
    events = _events(gone, origin, now_ms)
    placed = send_phases(events, settings, topic=args.topic, what="deleting", places=args.wait)
    print(f"{zone}: {len(gone)} RRsets deleted")
    wait_if_asked(args, settings, placed)
    return 0


def _tell(
    zone: str, gone: list[Key], kept: list[Key], below: frozenset[bytes], state: LogState, settings: Settings
) -> None:
    for owner, rdtype in gone:
        print(f"- {printable(name.to_text(owner))} {rdata.type_to_text(rdtype)}")
    print(f"{zone}: {len(gone)} RRsets would be deleted")
    if kept and state.above is not None:
        types = " and ".join(rdata.type_to_text(rdtype) for _, rdtype in kept)
        note(
            f"note: {types} of {zone} stay: they are the delegation in {name.to_text(state.above)} "
            "(--with-delegation takes them, too)"
        )
    if below:
        shown = ", ".join(sorted(name.to_text(apex) for apex in below)[:5])
        note(f"note: zones below it stay: {shown}" + (f" and {len(below) - 5} more" if len(below) > 5 else ""))
    if zone in {name.to_text(name.from_text(each).lower()) for each in settings.zones}:
        note(f"note: DNS_ZONES lists {zone}: until it does not, servers deny what is in it")


def _agreed(zone: str) -> bool:
    """Whether somebody at a terminal says yes. Raises CommandError where there is none."""
    if not sys.stdin.isatty():
        raise CommandError(f"{zone} is deleted only with --yes where nobody can be asked")
    print("delete them? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in _YES


def _events(gone: list[Key], origin: bytes, now_ms: int) -> list[list[LogEvent]]:
    """The deletes, that of the SOA first.

    Without its SOA the zone is none, and its names are refused as those of any other server's zone; the other way
    round they would be denied one by one, and resolvers would remember that.
    """
    first = [key for key in gone if key == (origin, SOA)]
    phases = [first, [key for key in gone if key not in first]]
    return [
        [
            (f"{name.to_text(owner)}|{rdata.type_to_text(rdtype)}".encode(), None, now_ms + number)
            for owner, rdtype in keys
        ]
        for number, keys in enumerate(phases) if keys
    ]
