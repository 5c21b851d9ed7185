"""`streamdns rebuild --accept`: shows what a rebuilt view that is held would take away, asks, and lets it take over."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from streamdns.commands import CommandError
from streamdns.commands.caller import user_at_host
from streamdns.commands.endpoint import client_of
from streamdns.commands.output import note, print_lines, printable
from streamdns.commands.rebuild_status import TIMEOUT_S, Server, tell
from streamdns.dns import name, rdata
from streamdns.runtime.owner import acting_as_owner
from streamdns.settings import Settings
from streamdns.view import rebuild_request
from streamdns.view.comparison import rrsets_gone, zones_gone
from streamdns.view.keys import owner_of
from streamdns.view.reader import Inspector
from streamdns.view.view import Held, Rebuild, holder_of, open_readonly, open_rebuild_readonly, read_rebuild

_YES = ("y", "yes")
_ZONES_SHOWN = 20


def marker_of(path: str) -> Held | None:
    """Return what the view's directory says of a rebuilt view that is held; None where there is none."""
    marker = _rebuild_of(path)
    return None if marker is None else marker.held


def _rebuild_of(path: str) -> Rebuild | None:
    try:
        return read_rebuild(path)
    except (OSError, msgspec.MsgspecError):
        return None


def sentence(reason: str) -> str:
    """Say that a rebuilt view is held, and what to do."""
    return f"a rebuilt view is held: {reason}; `streamdns rebuild --accept` shows what would go, and asks"


def accept(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    """Show what would go away, ask, leave the word in the view's directory, and follow. Raises CommandError."""
    path = settings.pathdb
    marker = _rebuild_of(path)
    if marker is None or marker.held is None:
        raise CommandError(f"no rebuilt view is held in {path}: there is nothing to accept")
    gone = _show(path, names=args.names)
    if args.dry_run:
        return 0
    if not args.yes and not _agreed():
        note("nothing was accepted: the old view serves on")
        return 1
    word = rebuild_request.Acceptance(marker.id, gone.zones, gone.rrsets, user_at_host(), now_ms)
    # As the server's user, who has to be able to read it.
    with acting_as_owner(path):
        rebuild_request.accept(path, word)
    holder = holder_of(path)
    if holder is None:
        note(f"no server runs on the view in {path}: the next start lets the rebuilt view take over")
        return 0
    if settings.admin_address is None:
        note(f"{holder} was told; without DNS_ADMIN_ADDRESS it cannot be followed, its log says when it is done")
        return 0
    return _follow(Server(client_of(args, settings, timeout_s=TIMEOUT_S), path, holder), word)


class _Gone(NamedTuple):
    zones: int
    rrsets: int


@contextmanager
def _both(path: str) -> Iterator[tuple[Inspector, Inspector]]:
    served = open_readonly(path)
    try:
        rebuilt = open_rebuild_readonly(path)
        try:
            with Inspector(served) as before, Inspector(rebuilt) as after:
                yield before, after
        finally:
            rebuilt.close()
    finally:
        served.close()


def _show(path: str, *, names: bool) -> _Gone:
    """Print what would go away: some zones, with `names` all zones and RRsets, and the counts."""
    # Nothing is printed meanwhile: an open snapshot keeps the server from reusing pages.
    with _both(path) as (before, after):
        zones = [(apex, row.rrsets) for apex, row in zones_gone(before, after)]
        rrsets = 0
        gone: list[tuple[bytes, list[int]]] = []
        for key, types in rrsets_gone(before, after):
            rrsets += len(types)
            if names:
                gone.append((key, types))
        old, new = before.state, after.state
    for apex, count in zones if names else zones[:_ZONES_SHOWN]:
        print(f"- zone {printable(name.to_text(owner_of(apex)))} ({count} RRsets)")
    if len(zones) > _ZONES_SHOWN and not names:
        print(f"- and {len(zones) - _ZONES_SHOWN} more zones (--names lists all, and every RRset)")
    for key, types in gone:
        owner = printable(name.to_text(owner_of(key)))
        print_lines(f"- {owner} {rdata.type_to_text(rdtype)}" for rdtype in types)
    print(f"{len(zones)} of {old.zones} zones and {rrsets} of {old.rrsets} RRsets would go away; "
          f"{new.rrsets} RRsets in {new.zones} zones would be served")
    return _Gone(len(zones), rrsets)


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise CommandError("what goes away is accepted only with --yes where nobody can be asked")
    print("let them go? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in _YES


def _follow(server: Server, word: rebuild_request.Acceptance) -> int:
    for status in server.statuses():
        view = status["view"]
        held, last = view["held"], view["last_rebuild"]
        if held is not None and held["id"] == word.rebuild:
            if held["zones"] > word.zones or held["rrsets"] > word.rrsets:
                raise CommandError("more would go away by now than was shown: nothing was swapped, look again")
            continue
        if view["rebuild"] is None and last is not None:
            tell(last, status)
            return 0
        raise CommandError("another rebuild has begun meanwhile: the word was for the one before it")
    raise AssertionError
