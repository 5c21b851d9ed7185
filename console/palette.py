"""Everything there is by name, for the command palette."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual.app import SystemCommand

from .actions import refusal, start_flush, start_rebuild
from .bars import SCREENS
from .model import Role

if TYPE_CHECKING:
    from .app import Console

_SAYS = {
    "overview": "is DNS answered, is the data fresh, what needs you",
    "zones": "zones, their records and their history",
    "log": "the log and how far its partitions are applied",
    "refused": "refused events, and conflicts",
    "changes": "what changed, before and after, as it happens",
    "resolver": "cache, outgoing queries, slow servers",
    "metrics": "everything that is counted, with a plot",
    "fleet": "all nodes, and whether they hold the same",
}


def commands(app: Console) -> Iterable[SystemCommand]:
    """All commands; what the caller may not do says why."""
    for key, name in SCREENS:
        yield SystemCommand(f"Go to {name}", f"{_SAYS[name]} ({key})", lambda name=name: app.go(name))
    for number, node in enumerate(app.snapshot.nodes):
        if len(app.snapshot.nodes) > 1:
            yield SystemCommand(f"Node {node.name}", f"show {node.url}", lambda number=number: app.reader.focus(number))
    node = app.snapshot.node
    for title, says, role, run in (
        ("Rebuild the view", "fills a second view from the log; asks first", Role.ADMIN, lambda: start_rebuild(app)),
        ("Flush the resolver's cache", "forgets everything; asks first", Role.OPERATOR, lambda: start_flush(app, "")),
    ):
        why = refusal(node, role)
        yield SystemCommand(title, f"not now: {why}" if why else says, run)
    yield SystemCommand(
        "Wait for a record or an offset",
        "on all nodes: :wait NAME TYPE [CONTENT] or PARTITION:OFFSET",
        lambda: app.prompt.open(":", "wait "),
    )
    yield SystemCommand("Go to a name", "its records, history, and the answer now: :NAME TYPE", app.action_command_line)
    yield SystemCommand(
        "Search all records", ":search TEXT, type=MX, content=192.0.2", lambda: app.prompt.open(":", "search ")
    )
    yield SystemCommand("Filter this list", "narrow it as you type (/)", app.action_filter)
    yield SystemCommand("Copy", "what the cursor is on (c)", app.action_copy_here)
    yield SystemCommand("JSON", "what the cursor is on as JSON (y)", app.action_json_here)
    yield SystemCommand("Sign in", "with a name and password, or a token (ctrl+l)", app.action_sign_in)
    yield SystemCommand("Ask again now", "without waiting for the next turn (r)", app.action_refresh_now)
    yield SystemCommand("Light or dark", "the other theme (T)", app.action_light_or_dark)
    yield SystemCommand("Theme", "any of Textual's themes", app.action_change_theme)
    yield SystemCommand("Help", "what this screen shows, and its keys (?)", app.action_help)
    yield SystemCommand("Quit", "q", app.exit)
