"""Changes as they happen, with what was there before; narrowed by zone, name, producer; paused; from a moment on."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from streamdns.admin.schema.data import Change, JournalPage

from .. import calls
from .. import format as fmt
from ..changes import before_after
from ..lines import Line, place, printable
from ..model import Snapshot
from ..widgets.columns import Column, producer
from ..widgets.rows import Rows
from .pane import MOST_GATHERED, Host, Key, Pane


class Journal(Pane):
    """The journal, newest first."""

    help: ClassVar[str] = (
        "What changed in the answers of this node, newest first, with what was there before and what is there now. "
        "On the first line you stay with the newest; on another one what you look at stays, and new ones stand above.\n"
        "Changes come as they happen; where more than 200 come in a second, the newest are asked for each second.\n"
        "/ narrows what is on the screen as you type; ⏎ there has the node look through its whole journal: zone=NAME, "
        "name=NAME, by=PRODUCER, at=03:12 (from that time of day on back), at=2026-11-30T03:12.\n"
        "p pauses: what comes meanwhile is counted, and shown when you press p again. The journal keeps "
        "DNS_JOURNAL_SIZE changes."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "pause", show=False),
        Binding("t", "jump", "jump to a time", show=False),
    ]

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.paused = False
        self._held: tuple[Change, ...] = ()
        self._missed = 0
        self._wanted: dict[str, Any] = {}
        self._looked: list[Change] = []
        self.list = Rows(
            [
                Column(title="time", cell=lambda row: fmt.clock(row.time / 1000), width=8),
                Column(
                    title="name",
                    least=20,
                    cell=lambda row: printable(row.name),
                    weight=2,
                    middle=True,
                    order=lambda row: row.name,
                ),
                Column(title="type", cell=lambda row: row.type, width=6, order=lambda row: row.type),
                Column(title="before → after", cell=self._change, weight=3, least=22),
                producer(optional=1),
                Column(
                    title="took",
                    cell=_took,
                    width=7,
                    right=True,
                    optional=3,
                    order=lambda row: row.time - row.timestamp,
                ),
                Column(
                    title="position",
                    cell=lambda row: place(row.topic, row.partition, row.position, short=True),
                    width=18,
                    optional=4,
                ),
            ],
            key=lambda row: row.id,
            nothing="no changes yet",
            needle=lambda row: f"{row.name} {row.type} {row.producer or ''}",
            follows=True,
        )

    def compose(self) -> ComposeResult:
        """The list."""
        yield self.list

    def title(self) -> str:
        """What is shown, and how it comes."""
        if self._wanted:
            found = " ".join(f"{key}={value}" for key, value in self._shown_filter().items())
            cut = f" (the newest {MOST_GATHERED:,})" if len(self._looked) >= MOST_GATHERED else ""
            return f"changes: {found}{cut}"
        changes = self.host.snapshot.node.changes
        if self.paused:
            return f"changes, paused ({fmt.plural(self._missed, 'new one', 'new ones')})"
        return "changes, live" if changes.live else "changes, asked each second"

    def key_hints(self) -> list[Key]:
        """What can be done with changes."""
        return [
            Key("⏎", "record"),
            Key("p", "go on" if self.paused else "pause"),
            Key("/", "filter"),
            Key("t", "to a time"),
            Key("←→ s", "sort"),
            Key("c", "copy"),
            Key("y", "JSON"),
        ]

    def show(self, snapshot: Snapshot) -> None:
        """The changes of now, unless they are held."""
        changes = snapshot.node.changes
        self.list.dim(not snapshot.node.live)
        if self._wanted:
            return
        self.list.nothing = snapshot.node.denied.get("journal", "no changes yet")
        if self.paused:
            held = {row.id for row in self._held}
            self._missed = sum(row.id not in held for row in changes.rows)
        else:
            self.list.show(changes.rows)
        self.host.retitle()

    def as_of(self, snapshot: Snapshot) -> float | None:
        """When anything came."""
        part = snapshot.node.status
        return part.at_s if part is not None else None

    def action_pause(self) -> None:
        """Hold what is shown, or go on."""
        self.paused, self._missed = not self.paused, 0
        self._held = self.host.snapshot.node.changes.rows
        self.show(self.host.snapshot)

    def action_jump(self) -> None:
        """Have a time typed."""
        self.host.begin_line("/", "at=")

    def narrow(self, text: str) -> None:
        """As one types, but for what the node looks for; nothing shows all again."""
        if "=" in text:
            super().narrow("")
            return
        if not text and self._wanted:
            self._wanted, self._looked = {}, []
            self.show(self.host.snapshot)
        super().narrow(text)

    def narrowed_by(self) -> str:
        """What is looked for."""
        return " ".join(f"{key}={value}" for key, value in self._shown_filter().items()) or super().narrowed_by()

    def search(self, text: str) -> bool:
        """Have the node look through its whole journal."""
        try:
            wanted = parse_filter(text, self.host.snapshot.at_s)
        except ValueError as error:
            self.host.tell(str(error), wrong=True)
            return True
        if not wanted:
            return False
        super().narrow("")
        self._wanted, self._looked = wanted, []
        self.list.nothing = "looking …"
        self.list.show(())
        self.again()
        return True

    def forget(self) -> None:
        """Another node applied other changes, or the same ones in another order."""
        super().forget()
        self.paused, self._held, self._missed, self._looked = False, (), 0, []

    def again(self) -> None:
        """Ask for what is looked for."""
        if self._wanted:
            self.gather("journal", functools.partial(calls.journal, self._wanted, limit=200), self._take, self._failed)

    def _failed(self, sentence: str) -> None:
        self.list.nothing = sentence
        self.list.again()

    def _take(self, page: JournalPage, first: bool) -> bool:
        if not self._wanted:
            return False
        self._looked = [*([] if first else self._looked), *page.changes]
        self.list.nothing = "the journal has no such change" if page.next is None else "looking …"
        self.list.show(self._looked)
        self.host.retitle()
        return len(self._looked) < MOST_GATHERED

    def _shown_filter(self) -> dict[str, Any]:
        shown = dict(self._wanted)
        if "until" in shown:
            shown["at"] = fmt.clock(shown.pop("until") / 1000)
        return shown

    @on(Rows.Chosen)
    def _open(self, event: Rows.Chosen) -> None:
        self.host.open_name(event.row.name, event.row.type)

    def to_copy(self) -> str:
        """Name and type, and what it was and is."""
        row = self.list.row
        if row is None:
            return ""
        before, after = (data.records if data is not None else "nothing" for data in (row.before, row.after))
        return f"{fmt.exact(row.time)} {row.name} {row.type}: {before} -> {after} by {row.producer}"

    def _change(self, row: Change) -> Line:
        width = next((width for column, width in self.list.columns_shown if column.title.startswith("before")), 30)
        return before_after(row, width)


def _took(row: Change) -> str:
    took_ms = row.time - row.timestamp
    return f"{took_ms} ms" if 0 <= took_ms < 10_000 else fmt.UNKNOWN


def parse_filter(text: str, now_s: float) -> dict[str, Any]:
    """What to look for in the journal; raises ValueError with a sentence."""
    wanted: dict[str, Any] = {}
    names = {"zone": "zone", "name": "name", "by": "producer", "producer": "producer"}
    for word in text.split():
        key, separator, value = word.partition("=")
        if separator and key in names and value:
            wanted[names[key]] = value
        elif separator and key == "at":
            wanted["until"] = moment_ms(value, now_s)
        elif separator:
            raise ValueError(f"{key}= is not known here: zone=, name=, by= and at= are")
    return wanted


def moment_ms(text: str, now_s: float) -> int:
    """A time of day (the last such), or a date with one, in UTC; raises ValueError with a sentence."""
    now = datetime.fromtimestamp(now_s, UTC)
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            time = datetime.strptime(text, form).replace(tzinfo=UTC).time()
        except ValueError:
            continue
        at = datetime.combine(now.date(), time, UTC)
        return int((at if at <= now else at - timedelta(days=1)).timestamp() * 1000)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} is no moment: 03:12, 03:12:07 or 2026-11-30T03:12 are") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
