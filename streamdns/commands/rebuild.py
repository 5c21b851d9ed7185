"""`streamdns rebuild`: asks the server to fill a new view beside the serving one, and follows its progress."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

from streamdns.admin.fleet.client import Client, NodeError
from streamdns.commands import CommandError
from streamdns.commands.endpoint import client_of
from streamdns.commands.output import Progress, note, printable
from streamdns.commands.publish import user_at_host
from streamdns.errors import ViewCorrupt
from streamdns.runtime.owner import acting_as_owner
from streamdns.settings import Settings
from streamdns.view import rebuild_request
from streamdns.view.rebuild_request import Request
from streamdns.view.view import current_generation, holder_of, open_readonly, room_for

_POLL_S = 0.25
_TIMEOUT_S = 5.0
_SILENT_S = 15.0


def run(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    """Request the rebuild, and follow it to its end unless told otherwise. Raises CommandError, ViewError."""
    path = settings.pathdb
    if current_generation(path) is None:
        raise CommandError(f"there is no view in {path} yet: the first start of the server makes it")
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
    return _follow(_Server(client_of(args, settings, timeout_s=_TIMEOUT_S), path, holder), asked)


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


class _Server:
    """Polls the status of the server that holds a view."""

    def __init__(self, client: Client, path: str, holder: str) -> None:
        self._client, self._path, self._holder = client, path, holder

    def statuses(self, clock: Callable[[], float] = time.monotonic) -> Iterator[dict[str, Any]]:
        """Yield its status again and again; raises CommandError where the server has ended or is silent for long."""
        heard_s = clock()
        while True:
            try:
                status = self._status()
            except (NodeError, ValueError) as err:
                if holder_of(self._path) is None:
                    raise CommandError("the server has ended: its next start makes the rebuild") from err
                if clock() - heard_s > _SILENT_S:
                    raise CommandError(f"the server was asked, but its status cannot be had: {err}") from err
            else:
                heard_s = clock()
                yield status
            time.sleep(_POLL_S)

    def _status(self) -> dict[str, Any]:
        status = self._client.get("/v1/status")
        if not isinstance(status, dict) or not self._holder.startswith(f"streamdns {status.get('instance')} "):
            raise NodeError(f"{self._client.url} is another server")
        return status


def _follow(server: _Server, asked: Request) -> int:
    with Progress(1, "rebuilding") as progress:
        told = ""
        for status in server.statuses():
            view, consumer = status["view"], status["consumer"]
            last, refused = view["last_rebuild"], view["rebuild_refused"]
            if refused is not None and refused["request"] == asked.id:
                raise CommandError(refused["reason"])
            if last is not None and last["request"] == asked.id:
                break
            ends = sum(each["end"] for each in status["positions"])
            if consumer["state"] == "rebuilding" and ends:
                progress.total = ends
                progress.at(sum(each["position"] for each in status["positions"]))
            if consumer["error"] and consumer["error"] != told:
                told = consumer["error"]
                progress.clear()
                note(f"{consumer['state']}: {told}")
    _tell(last, status)
    return 0


def _tell(last: dict[str, Any], status: dict[str, Any]) -> None:
    print(f"rebuilt in {last['seconds']:.1f} s: {status['rrsets']} RRsets in {status['zones']} zones")
    if last["added"] is None:
        print("the view before could not be compared")
    elif last["same_data"]:
        print("no differences: both views have the same RRsets")
    else:
        print(f"{last['added']} RRsets added, {last['removed']} removed, {last['changed']} changed")
