"""The seam between screens and the application: what every screen is, and what it may ask of what is around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, NamedTuple, Protocol, TypeVar

from textual.containers import Vertical

from ..api import ApiProblem
from ..calls import Call
from ..model import Snapshot
from ..overview import Drawing
from ..reader import Reader
from ..widgets.rows import Rows

T = TypeVar("T")
_NAMES: Final = {"⏎": "enter", "/": "slash", "esc": "escape", "tab": "tab", "←→ s": "s"}


class Key(NamedTuple):
    """A key, what it does here in a word or two, and why it may not be pressed (\"\" where it may)."""

    key: str
    what: str
    refused: str = ""

    @property
    def pressed(self) -> str:
        """The terminal's name for it; "" where it is more than one key."""
        return _NAMES.get(self.key, self.key if len(self.key) == 1 and self.key.isalpha() else "")


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

    def begin_line(self, kind: str, text: str) -> None:
        """Open the line behind `/` or `:` with a text to go on with."""

    def exit_console(self) -> None:
        """End."""

    def retitle(self) -> None:
        """The pane's title or keys are others now."""

    def plain_signs(self) -> bool:
        """Whether the terminal's font has nothing but letters."""


class Pane(Vertical):
    """A screen. `wants` are the parts that the reader asks for while it is shown."""

    DEFAULT_CSS = "Pane { height: 1fr; width: 1fr; }"
    wants: ClassVar[frozenset[str]] = frozenset()
    #: Plain English for somebody who sees this for the first time.
    help: ClassVar[str] = ""
    #: Whether `/` narrows the list as one types.
    narrows: ClassVar[bool] = True

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host = host

    def title(self) -> str:
        """The pane's part of the breadcrumb."""
        raise NotImplementedError

    def key_hints(self) -> list[Key]:
        """What keys do here."""
        return []

    def show(self, snapshot: Snapshot) -> None:
        """Take what is known now."""

    def shown(self) -> None:
        """The pane came into sight."""
        self.show(self.host.snapshot)

    def again(self) -> None:
        """Somebody wants everything asked anew."""

    def rows(self) -> Rows | None:
        """The list that keys are about: the one with the focus, or the first."""
        found = list(self.query(Rows))
        return next((rows for rows in found if rows.has_focus), found[0] if found else None)

    def focus_first(self) -> None:
        """Give the keys to the list."""
        if (rows := self.rows()) is not None:
            rows.focus()

    def narrow(self, text: str) -> None:
        """Only what holds the text from now on."""
        if (rows := self.rows()) is not None:
            rows.narrow(text)

    def narrowed_by(self) -> str:
        """The text that the list is narrowed by."""
        rows = self.rows()
        return rows.filter if rows is not None else ""

    def search(self, text: str) -> bool:
        """Enter was pressed behind `/`; False where narrowing is all that it does."""
        return False

    def to_copy(self) -> str:
        """What `c` copies; \"\" for nothing."""
        return ""

    def to_json(self) -> Any | None:
        """What `y` shows."""
        rows = self.rows()
        return rows.row if rows is not None else None

    def fetch(self, call: Call[T], take: Callable[[T], None], failed: Callable[[str], None] | None = None) -> None:
        """Ask the node without keeping anybody waiting; what it refuses is said."""

        async def run() -> None:
            try:
                found = await self.host.reader.ask(call)
            except ApiProblem as problem:
                (failed or (lambda text: self.host.tell(text, wrong=True)))(str(problem))
                return
            if self.is_mounted:
                take(found)

        self.run_worker(run(), exit_on_error=True)

    def soon(self, work: Awaitable[None]) -> None:
        """Do something beside what is shown."""
        self.run_worker(work)
