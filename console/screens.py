"""The eight screens by name, and the pages that more than one of them leads to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .asking import absolute
from .panes.overview import Overview
from .panes.pane import Host, Pane


def name_pane(host: Host, name: str, rdtype: str) -> Pane:
    """The page of one name."""
    from .panes.record import NamePage

    return NamePage(host, absolute(name), rdtype)


def workers_pane() -> type[Pane]:
    """The page of the workers of a node."""
    from .panes.workers import Workers

    return Workers


def _zones(host: Host) -> Pane:
    from .panes.zones import Zones

    return Zones(host)


def _log(host: Host) -> Pane:
    from .panes.log import Log

    return Log(host)


def _refused(host: Host) -> Pane:
    from .panes.refused import Refused

    return Refused(host)


def _changes(host: Host) -> Pane:
    from .panes.journal import Journal

    return Journal(host)


def _resolver(host: Host) -> Pane:
    from .panes.resolver import Resolver

    return Resolver(host)


def _metrics(host: Host) -> Pane:
    from .panes.metrics import Metrics

    return Metrics(host)


def _fleet(host: Host) -> Pane:
    from .panes.fleet import Fleet

    return Fleet(host)


#: Made when they are first gone to: the first figures need none of the others.
ROOTS: Final[dict[str, Callable[[Host], Pane]]] = {
    "overview": Overview,
    "zones": _zones,
    "log": _log,
    "refused": _refused,
    "changes": _changes,
    "resolver": _resolver,
    "metrics": _metrics,
    "fleet": _fleet,
}
