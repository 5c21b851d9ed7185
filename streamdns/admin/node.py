"""The parts of a node that the handlers of the admin API read, in one place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamdns.admin.commits import Commits
from streamdns.admin.fleet.client import Client
from streamdns.admin.status import Status
from streamdns.consumer.progress import Progress
from streamdns.dns.served import Apexes
from streamdns.metrics.registry import Registry
from streamdns.settings import Settings
from streamdns.view.apexes import apexes_of
from streamdns.view.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: its view, progress, settings in effect and peers."""

    settings: Callable[[], Settings]
    view: View
    progress: Progress
    registry: Registry
    status: Status
    commits: Commits
    peers: Sequence[Client] = ()
    now_s: Callable[[], float] = time.time

    def apexes(self) -> Apexes:
        """What the settings in effect say of apexes."""
        return apexes_of(self.settings())

    def behind_s(self) -> float:
        """Return for how many seconds changes of the log may be missing in the view."""
        return round(self.progress.lag_s(), 3)
