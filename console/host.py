"""What the application is to its panes: the seam between screens and everything around them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from .model import Snapshot
from .overview import Drawing
from .reader import Reader

if TYPE_CHECKING:
    from .panes.pane import Pane


class Host(Protocol):
    """What a pane may ask of the application."""

    reader: Reader
    snapshot: Snapshot
    drawing: Drawing

    def go(self, screen: str) -> None:
        """Show one of the eight screens, where it was left."""

    def enter(self, pane: Pane) -> None:
        """Go one level deeper into a new pane."""

    def open_name(self, name: str, rdtype: str = "") -> None:
        """Show the record page of a name."""

    def leave(self) -> None:
        """Go back one level."""

    def tell(self, text: str, *, wrong: bool = False) -> None:
        """Say something in a corner for some seconds."""

    def ask_first(self, title: str, effect: str, yes: str, then: Callable[[], Awaitable[None]]) -> None:
        """Ask before something is done: `effect` says in figures what will happen."""

    def show_document(self, title: str, document: Any) -> None:
        """Show a document as JSON."""

    def copy(self, text: str) -> None:
        """Put a text into the clipboard of the terminal, and show what it was."""

    def exit_console(self) -> None:
        """End."""

    def retitle(self) -> None:
        """The pane's title or keys are others now."""

    def plain_signs(self) -> bool:
        """Whether the terminal's font has nothing but letters."""
