"""What every screen is: a pane with a title, keys of its own, help for people, and something to copy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, NamedTuple, TypeVar

from textual.containers import Vertical

from ..api import ApiProblem
from ..calls import Call
from ..host import Host
from ..model import Snapshot
from ..widgets.rows import Rows

T = TypeVar("T")


class Key(NamedTuple):
    """A key, what it does here in a word or two, and why it may not be pressed (\"\" where it may)."""

    key: str
    what: str
    refused: str = ""


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
