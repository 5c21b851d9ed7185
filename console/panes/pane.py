"""The seam between screens and the application: what every screen is, and what it may ask of what is around it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, NamedTuple, Protocol, TypeVar

from textual.containers import Vertical

from .. import format as fmt
from ..api import ApiProblem
from ..calls import Call
from ..lines import Line, Span
from ..model import STALE_INTERVALS, Meaning, Snapshot
from ..overview import Drawing
from ..reader import Reader
from ..signs import sign
from ..widgets.rows import Rows

T = TypeVar("T")


class Paged(Protocol):
    """A page of a list of the admin API."""

    next: str | None


P = TypeVar("P", bound=Paged)
#: So many rows of a list are fetched and kept whole, so that they can be narrowed and sorted.
MOST_GATHERED: Final = 1_000


def counted(what: str, which: str, shown: int, *, total: int | None, more: bool) -> str:
    """The title of a list that was gathered: how many there are, and how many of them are shown where that is less."""
    known = max(shown, total or 0)
    if not more or shown < MOST_GATHERED:
        return f"{what} ({known:,})"
    return f"{what} ({which} {shown:,} of {known:,})" if known > shown else f"{what} ({which} {shown:,})"
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
    #: How often the node is asked for what is shown (seconds): 0 with each turn, None once and when somebody wants it.
    every_s: ClassVar[float | None] = 0.0

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host = host
        #: How often each list was asked for.
        self._turns: dict[str, int] = {}
        #: When what is shown came, in seconds since 1970.
        self.came_s: float | None = None
        #: How often what is shown became another node's or caller's, and whether it was asked for since.
        self.owner, self._outdated = 0, False

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
        if self._outdated:
            self._outdated = False
            self.again()
        self.show(self.host.snapshot)

    def outdate(self, *, other_node: bool) -> None:
        """All that was fetched is asked for anew when the pane is in sight: for another caller, or of another node."""
        self.owner += 1
        self._outdated = True
        if other_node:
            self.came_s = None
            self.forget()

    def forget(self) -> None:
        """Show nothing that is another node's."""
        for rows in self.query(Rows):
            rows.empty("asking …")

    def as_of(self, snapshot: Snapshot) -> float | None:
        """When what is shown came, in seconds since 1970; None where nothing did, or the first line tells it."""
        return self.came_s

    def age(self, snapshot: Snapshot) -> Line:
        """How old what is shown is, where it is old; of what was asked for once, when that was."""
        at_s = self.as_of(snapshot)
        if at_s is None:
            return []
        if self.every_s is None:
            return [Span(f"as of {fmt.clock(at_s)}", "dim")]
        old_s = snapshot.at_s - at_s
        if old_s <= STALE_INTERVALS * (self.every_s or snapshot.interval_s):
            return []
        return [sign(Meaning.STALE, plain=self.host.plain_signs()), Span(f" {fmt.age(old_s)} old", "stale")]

    def came(self) -> None:
        """What is shown came at this moment."""
        self.came_s = self.host.reader.snapshot().at_s
        self.host.retitle()

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

        owner = self.owner

        async def run() -> None:
            try:
                found = await self.host.reader.ask(call)
            except ApiProblem as problem:
                if owner != self.owner:
                    return
                (failed or (lambda text: self.host.tell(text, wrong=True)))(str(problem))
                return
            if self.is_mounted and owner == self.owner:
                take(found)
                self.came()

        self.run_worker(run(), exit_on_error=True)

    def gather(
        self,
        name: str,
        call: Callable[[str], Call[P]],
        take: Callable[[P, bool], bool],
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Ask for a list page by page: `take` gets each, and whether it is the first, and says whether to go on.

        A list that is asked for anew under the same name is that of now: what is still on its way of it is dropped.
        """
        self._turns[name] = turn = self._turns.get(name, 0) + 1

        def took(page: P, *, first: bool) -> None:
            if self._turns[name] == turn and take(page, first) and page.next is not None:
                self.fetch(call(page.next), functools.partial(took, first=False), failed)

        self.fetch(call(""), functools.partial(took, first=True), failed)

    def soon(self, work: Awaitable[None]) -> None:
        """Do something beside what is shown."""
        self.run_worker(work)
