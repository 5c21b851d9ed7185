"""`streamdns rebuild`: asks the server to fill a new view beside the serving one, and follows its progress."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from streamdns.commands import CommandError, held
from streamdns.commands.caller import user_at_host
from streamdns.commands.endpoint import client_of
from streamdns.commands.output import Progress, note, printable
from streamdns.commands.rebuild_status import TIMEOUT_S, Server, tell
from streamdns.errors import ViewCorrupt
from streamdns.runtime.owner import acting_as_owner
from streamdns.settings import Settings
from streamdns.view import rebuild_request
from streamdns.view.rebuild_request import Request
from streamdns.view.view import current_generation, holder_of, open_readonly, room_for


def run(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    """Request the rebuild, and follow it to its end unless told otherwise. Raises CommandError, ViewError."""
    path = settings.pathdb
    if current_generation(path) is None:
        raise CommandError(f"there is no view in {path} yet: the first start of the server makes it")
    if args.accept:
        return held.accept(args, settings, now_ms=now_ms)
    marker = held.marker_of(path)
    if marker is not None:
        raise CommandError(held.sentence(marker.reason))
    holder = holder_of(path)
    _check_room(path)
    # As the server's user, who has to be able to read it.
    with acting_as_owner(path):
        asked = rebuild_request.ask(path, by=user_at_host(), now_ms=now_ms)
    if holder is None:
        note(f"no server runs on the view in {path}: the next start rebuilds it")
        return 0
    if args.no_wait:
        print(f"{printable(holder)} was asked to rebuild the view in {path}")
        return 0
    if settings.admin_address is None:
        note(f"{holder} was asked; without DNS_ADMIN_ADDRESS it cannot be followed, its log says when it is done")
        return 0
    return _follow(Server(client_of(args, settings, timeout_s=TIMEOUT_S), path, holder), asked)


def _check_room(path: str) -> None:
    """Raise CommandError where the disk has too little room; the need of a damaged view is not known."""
    try:
        store = open_readonly(path)
    except ViewCorrupt:
        return
    try:
        used_bytes = store.used_bytes()
    finally:
        store.close()
    missing = room_for(path, used_bytes).missing(path)
    if missing:
        raise CommandError(f"{missing}: make room, or move DNS_PATHDB")


def _show(progress: Progress, consumer: Mapping[str, Any]) -> None:
    """Draw how far the new view is; of a log whose size is not known, how many events were read."""
    catch_up, read = consumer.get("catch_up"), consumer["details"].get("events_read")
    if catch_up and catch_up["end"]:
        progress.total = catch_up["end"]
        progress.at(catch_up["done"])
    elif read is not None:
        progress.counted(read, "events")


def _follow(server: Server, asked: Request) -> int:
    with Progress(1, "rebuilding") as progress:
        told = ""
        for status in server.statuses():
            view, consumer = status["view"], status["consumer"]
            last, refused = view["last_rebuild"], view["rebuild_refused"]
            if refused is not None and refused["request"] == asked.id:
                raise CommandError(refused["reason"])
            if last is not None and last["request"] == asked.id:
                break
            if view["held"] is not None:
                raise CommandError(held.sentence(view["held"]["reason"]))
            if consumer["state"] == "rebuilding":
                _show(progress, consumer)
            if consumer["error"] and consumer["error"] != told:
                told = consumer["error"]
                progress.clear()
                note(f"{consumer['state']}: {told}")
    tell(last, status)
    return 0
