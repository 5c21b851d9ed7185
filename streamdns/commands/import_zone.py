"""`streamdns import`: compares a zone file with the log and appends the events that make the difference."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from streamdns.commands import CommandError, zonefile
from streamdns.commands.acceptance import Acceptance
from streamdns.commands.change_order import phases
from streamdns.commands.log_reader import Key, LogState, standing
from streamdns.commands.log_writer import check_target, interruptible, send_phases, target_topic
from streamdns.commands.output import note, printable
from streamdns.commands.present import TYPOGRAPHIC_QUOTES, has_typographic_quotes
from streamdns.commands.publish import metadatas, wait_if_asked
from streamdns.commands.zone_changes import Changes, compare
from streamdns.commands.zonefile import FileRRset, FileRRsets
from streamdns.dns import name, rdata
from streamdns.dns.master import Problem
from streamdns.dns.node import CNAME, NS, SOA
from streamdns.dns.served import BESIDE_CNAME
from streamdns.dns.wire import RRSIG
from streamdns.settings import Settings
from streamdns.sources.sink import LogEvent, Placed

_SHOWN = 20


def run(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    """Print what the file changes, and append the events unless it is a dry run."""
    check_target(settings, args.topic)
    with interruptible("imported"):
        return _import(args, settings, now_ms)


def _import(args: argparse.Namespace, settings: Settings, now_ms: int) -> int:
    try:
        origin = name.from_text(args.origin).lower()
    except ValueError as err:
        raise CommandError(f"--origin: {err}") from err
    wanted, problems = zonefile.read_what_is_good(args.zonefile, origin)
    _tell_problems(args.zonefile, problems, skip_bad=args.skip_bad)
    if args.replace and (origin, SOA) not in wanted:
        raise CommandError(
            f"{args.zonefile} has no SOA at {name.to_text(origin)}: with --replace that would take the zone away"
        )
    state = standing(settings, origin)
    changes = compare(wanted, state, origin, replace=args.replace, listed=settings.zones, problems=problems)
    _tell_left_alone(changes, args.zonefile)
    _tell_doubts(wanted, problems, changes, args)
    written = _phases(wanted, changes, state, origin)
    events = _events(written, wanted, args, settings, now_ms)
    placed: list[Placed] = []
    if args.dry_run:
        _list(changes)
    elif events:
        placed = send_phases(events, settings, topic=args.topic, what="importing", places=args.wait)
    counts = f"{len(changes.added)} added, {len(changes.changed)} changed, {len(changes.deleted)} deleted, "
    counts += f"{changes.unchanged} unchanged"
    if changes.left_alone:
        counts += f", {sum(map(len, changes.left_alone.values()))} left alone"
    if problems:
        counts += f", {len(problems)} bad {'record' if len(problems) == 1 else 'records'} left out"
    print(f"{name.to_text(origin)}: {counts}" + (" (dry run)" if args.dry_run else ""))
    if (origin, SOA) not in wanted and (origin, SOA) not in state.rrsets:
        note(f"warning: there is no SOA at {name.to_text(origin)}, so no zone yet")
    wait_if_asked(args, settings, placed)
    return 0


def _tell_problems(path: str, problems: list[Problem], *, skip_bad: bool) -> None:
    """Name the mistakes of the file; raises CommandError unless they are to be left out."""
    if len(problems) == 1 and not skip_bad:
        raise CommandError(str(problems[0]))
    for problem in problems[:_SHOWN]:
        note(str(problem))
    if len(problems) > _SHOWN:
        note(f"{path}: {len(problems) - _SHOWN} more bad records")
    if problems and not skip_bad:
        raise CommandError(f"nothing was imported: {len(problems)} bad records (see --skip-bad)")


def _tell_left_alone(changes: Changes, path: str) -> None:
    for apex, keys in changes.left_alone.items():
        shown = _shown(keys)
        note(
            f"{name.to_text(apex)} is a zone of its own: what {path} says of {shown} is not what that zone says, "
            "and was left alone"
        )


def _tell_doubts(
    wanted: FileRRsets, problems: list[Problem], changes: Changes, args: argparse.Namespace
) -> None:
    """Say what is served in another way than somebody may expect who comes from another name server."""
    aliases = {owner for owner, rdtype in wanted if rdtype == CNAME}
    hidden = [key for key in wanted if key[0] in aliases and key[1] != CNAME and key[1] not in BESIDE_CNAME]
    if hidden:
        note(f"note: a CNAME hides the other types of its name, but is hidden itself at a zone's top: {_shown(hidden)}")
    if any(rdtype == RRSIG for _, rdtype in wanted):
        note("note: the zone is signed: its DNSSEC records are served as data, without proofs of what is not there")
    odd = list(dict.fromkeys(owner for owner, _ in wanted if any(octet >= 0x80 for octet in owner)))
    if odd:
        note(
            f"note: {len(odd)} names have octets beyond ASCII, the first is {name.to_text(odd[0])}: there is no IDNA, "
            "such names are asked for as xn--..."
        )
    quoted = [
        key for key, rrset in wanted.items() if any(has_typographic_quotes(key[1], each) for each in rrset.rdatas)
    ]
    if quoted:
        note(f"note: {_shown(quoted)} {TYPOGRAPHIC_QUOTES}")
    if problems and changes.kept:
        note(f"note: nothing was deleted that a bad record may have been meant for: {_shown(changes.kept)}")


def _shown(keys: Iterable[Key]) -> str:
    """Some RRsets in words."""
    shown = [f"{printable(name.to_text(owner))} {rdata.type_to_text(rdtype)}" for owner, rdtype in keys]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")


def _phases(wanted: FileRRsets, changes: Changes, state: LogState, origin: bytes) -> list[list[Key]]:
    """The changed keys in the order in which readers may see them."""
    # Below another zone, the NS of a zone that is new would refer its names elsewhere before the SOA makes it a zone.
    is_new = (origin, SOA) in changes.added
    late = [key for key in changes.added if key == (origin, NS)] if is_new and state.above is not None else []
    return phases(
        [*changes.added, *changes.changed], changes.deleted, origin=origin, late=late,
        target=lambda key: wanted[key].rdatas[0].lower(), old_target=lambda key: state.rrsets[key].rdatas[0].lower(),
    )


def _events(
    written: list[list[Key]], wanted: FileRRsets, args: argparse.Namespace, settings: Settings, now_ms: int
) -> list[list[LogEvent]]:
    """The events of each phase; raises CommandError for an RRset that no server would accept.

    Each phase is a millisecond younger than the one before: where a reader has to choose, it goes by that.
    """
    provenance, accepts = metadatas(args.producer, now_ms), Acceptance(settings, target_topic(settings, args.topic))
    found: list[list[LogEvent]] = []
    for number, keys in enumerate(written):
        events: list[LogEvent] = []
        for key in keys:
            owner, rdtype = key
            rrset = wanted.get(key, FileRRset(0, args.zonefile))
            records = [{"content": rdata.to_text(rdtype, wire), "ttl": rrset.ttl} | provenance for wire in rrset.rdatas]
            try:
                event_key, value = accepts.encode(name.to_text(owner), rdata.type_to_text(rdtype), records)
            except ValueError as err:
                raise CommandError(f"{rrset.where}: {err}") from err
            events.append((event_key, value, now_ms + number))
        found.append(events)
    return found


def _list(changes: Changes) -> None:
    for mark, keys in (("+", changes.added), ("~", changes.changed), ("-", changes.deleted)):
        for owner, rdtype in keys:
            print(f"{mark} {printable(name.to_text(owner))} {rdata.type_to_text(rdtype)}")
