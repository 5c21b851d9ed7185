"""The line above the footer in which one types: `/` narrows or searches, `:` goes somewhere or does something."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from .glyphs import spelled
from .panes.pane import Host

_HINTS = {
    "/": "what to look for; ⏎ keeps it, esc ends it",
    ":": "a name and type, zone NAME, search TEXT, wait NAME TYPE [CONTENT], flush [NAME], rebuild, quit",
}


class Prompt(Horizontal):
    """A line that is there only while somebody types in it."""

    DEFAULT_CSS = """
    Prompt { height: 1; display: none; background: $surface; }
    Prompt Static { width: 2; color: $accent; text-style: bold; }
    Prompt Input { border: none; height: 1; padding: 0; background: $surface; width: 1fr; }
    Prompt Input:focus { border: none; }
    """

    class Left(Message):
        """Escape was pressed."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        self.kind = "/"
        self.everywhere = False

    def compose(self) -> ComposeResult:
        """The sign, and the text behind it."""
        yield Static("/", markup=False)
        # What stands there is gone on with, not written over.
        field = Input(compact=True, select_on_focus=False)
        # A cursor that blinks is sent twice a second.
        field.cursor_blink = False
        yield field

    def open(self, kind: str, text: str = "", *, everywhere: bool = False) -> None:
        """Let somebody type."""
        self.kind, self.everywhere = kind, everywhere
        self.query_one(Static).update(kind)
        field = self.query_one(Input)
        hint = "look for a name everywhere" if everywhere else _HINTS[kind]
        field.placeholder = spelled(hint) if self._host.plain_signs() else hint
        with field.prevent(Input.Changed):
            field.value = text
        field.cursor_position = len(text)
        self.display = True
        field.focus()

    def close(self) -> None:
        """Away with it."""
        self.display = False

    def on_key(self, event: events.Key) -> None:
        """Escape leaves it."""
        if event.key == "escape" and self.display:
            event.stop()
            event.prevent_default()
            self.close()
            self.post_message(self.Left())
