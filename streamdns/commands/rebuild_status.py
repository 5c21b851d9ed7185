"""Follows a rebuild of the server that holds a view, by its status, and prints what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from streamdns.admin.fleet.client import Client, NodeError
from streamdns.commands import CommandError
from streamdns.view.view import holder_of

_POLL_S = 0.25
TIMEOUT_S = 5.0
_SILENT_S = 15.0


class Server:
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


def tell(last: dict[str, Any], status: dict[str, Any]) -> None:
    print(f"rebuilt in {last['seconds']:.1f} s: {status['rrsets']} RRsets in {status['zones']} zones")
    if last["added"] is None:
        print("the view before could not be compared")
    elif last["same_data"]:
        print("no differences: both views have the same RRsets")
    else:
        print(f"{last['added']} RRsets added, {last['removed']} removed, {last['changed']} changed")
