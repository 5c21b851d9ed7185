"""What the command palette has besides the application's own commands: screens, nodes, actions, keys of the screen."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from textual.app import SystemCommand

from .actions import refusal, start_flush, start_rebuild
from .bars import SCREENS
from .model import Role
from .panes.pane import Host, Key

_SAYS: Final = {
    "overview": "is DNS answered, is the data fresh, what needs you",
    "zones": "zones, their records and their history",
    "log": "the log and how far its partitions are applied",
    "refused": "refused events, and conflicts",
    "changes": "what changed, before and after, as it happens",
    "resolver": "cache, outgoing queries, slow servers",
    "metrics": "everything that is counted, with a plot",
    "fleet": "all nodes, and whether they hold the same",
}


def commands(host: Host, keys: Sequence[Key], press: Callable[[str], None]) -> Iterable[SystemCommand]:
    """All commands but those of the application; what may not be done says why. `keys` are those of the screen."""
    for key in keys:
        if pressed := key.pressed:
            says = f"not now: {key.refused}" if key.refused else f"on this screen ({key.key})"
            yield SystemCommand(f"Here: {key.what}", says, functools.partial(press, pressed))
    for number, name in SCREENS:
        yield SystemCommand(f"Go to {name}", f"{_SAYS[name]} ({number})", functools.partial(host.go, name))
    for place, node in enumerate(host.snapshot.nodes):
        if len(host.snapshot.nodes) > 1:
            yield SystemCommand(f"Node {node.name}", f"show {node.url}", functools.partial(host.reader.focus, place))
    node = host.snapshot.node
    for title, says, role, run in (
        ("Rebuild the view", "fills a second view from the log; asks first", Role.ADMIN, lambda: start_rebuild(host)),
        ("Flush the resolver's cache", "forgets everything; asks first", Role.OPERATOR, lambda: start_flush(host, "")),
    ):
        why = refusal(node, role)
        yield SystemCommand(title, f"not now: {why}" if why else says, run)
