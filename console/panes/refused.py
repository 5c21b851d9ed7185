"""Events that were refused, with the fault marked in their payload, and contradictions in the data."""

from __future__ import annotations

import functools
import re
from typing import Any, ClassVar

import msgspec
from textual import on
from textual.app import ComposeResult

from streamdns.admin.schema.data import Conflict, ConflictPage, NameRecords, Quarantined, QuarantinePage

from .. import calls
from .. import format as fmt
from ..api import ApiProblem
from ..asking import absolute, find_name
from ..lines import Line, Span, place, printable, rule, shorten, wrap
from ..model import Meaning, Snapshot
from ..signs import sign
from ..widgets.columns import Column
from ..widgets.page import Page
from ..widgets.rows import Rows
from .overview import Title
from .pane import MOST_GATHERED, Host, Key, Pane, counted


class Refused(Pane):
    """Two lists: refused events, and conflicts."""

    DEFAULT_CSS = """
    Refused Title { margin: 0; }
    Refused #conflicts { height: 1fr; max-height: 40%; }
    """
    every_s: ClassVar[float | None] = None
    help: ClassVar[str] = (
        "Above: events that could not be applied, newest first. They changed nothing: the last good RRset of the same "
        "key is still answered. A good event for the key clears the line. ⏎ shows the payload with the fault marked "
        "and what is answered meanwhile.\n"
        "Below: contradictions. cname: a CNAME shadows other types at its name. partitions: an RRset has events in "
        "several partitions. spelling: a key is written in two ways, which the log's compaction takes for two keys. "
        "claim: a zone takes a name of the Internet. overfull: a name has more than is served of it."
    )

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._counted = (-1, -1)
        self._refused: list[Quarantined] = []
        self._conflicts: list[Conflict] = []
        self._titles = Title("refused events"), Title("conflicts")
        self.list = Rows(
            [
                Column(
                    title="read",
                    cell=lambda row: fmt.when(row.time / 1000, self.host.snapshot.at_s),
                    width=10,
                    order=lambda row: row.time,
                ),
                Column(
                    title="key",
                    least=22,
                    cell=lambda row: printable(row.key or "none").replace("|", " "),
                    weight=2,
                    order=lambda row: row.key or "",
                    middle=True,
                ),
                Column(
                    title="reason",
                    least=26,
                    cell=lambda row: [Span(printable(row.reason), "warning")],
                    weight=3,
                    order=lambda row: row.reason,
                ),
                Column(
                    title="position",
                    cell=lambda row: place(row.topic, row.partition, row.position, short=True),
                    width=20,
                    optional=1,
                    order=lambda row: row.position or 0,
                ),
            ],
            key=lambda row: row.id,
            nothing="asking …",
        )
        self.conflicts = Rows(
            [
                Column(title="kind", cell=lambda row: row.kind, width=10, order=lambda row: row.kind),
                Column(
                    title="name",
                    cell=lambda row: f"{printable(row.name)} {row.type}",
                    weight=2,
                    order=lambda row: row.name,
                    middle=True,
                ),
                Column(title="what", cell=lambda row: printable(row.detail), weight=3),
            ],
            key=lambda row: (row.kind, row.name, row.type),
            nothing="asking …",
            id="conflicts",
        )

    def compose(self) -> ComposeResult:
        """Both lists."""
        yield self._titles[0]
        yield self.list
        yield self._titles[1]
        yield self.conflicts

    def title(self) -> str:
        """Its name."""
        return "refused and conflicts"

    def key_hints(self) -> list[Key]:
        """What can be done with a line."""
        return [
            Key("⏎", "payload, record"),
            Key("tab", "other list"),
            Key("/", "filter"),
            Key("c", "copy key"),
            Key("y", "JSON"),
        ]

    def show(self, snapshot: Snapshot) -> None:
        """Ask where there is another number of them than before."""
        status = snapshot.node.status
        for rows in (self.list, self.conflicts):
            rows.dim(not snapshot.node.live)
            rows.repaint()
        if status is not None and (status.value.quarantine, status.value.conflicts) != self._counted:
            self._counted = status.value.quarantine, status.value.conflicts
            self.again()

    def again(self) -> None:
        """Ask for both."""
        none, no_other = (functools.partial(self._nothing, rows) for rows in (self.list, self.conflicts))
        self.gather("quarantine", calls.quarantine, self._take, none)
        self.gather("conflicts", calls.conflicts, self._take_conflicts, no_other)

    @staticmethod
    def _nothing(rows: Rows, text: str) -> None:
        rows.nothing = text
        rows.again()

    def _take(self, page: QuarantinePage, first: bool) -> bool:
        self._refused = [*([] if first else self._refused), *page.quarantined]
        self.list.nothing = "no event is refused: every event of the log is applied"
        self.list.show(self._refused)
        title = counted(
            "refused events", "the newest", len(self._refused), total=page.total, more=page.next is not None
        )
        self._titles[0].name_it(title, "warning" if self._refused else "title")
        return len(self._refused) < MOST_GATHERED

    def _take_conflicts(self, page: ConflictPage, first: bool) -> bool:
        self._conflicts = [*([] if first else self._conflicts), *page.conflicts]
        self.conflicts.nothing = "no conflicts"
        self.conflicts.show(self._conflicts)
        title = counted("conflicts", "the first", len(self._conflicts), total=page.total, more=page.next is not None)
        self._titles[1].name_it(title, "notice" if self._conflicts else "title")
        return len(self._conflicts) < MOST_GATHERED

    @on(Rows.Edge)
    def _other(self, event: Rows.Edge) -> None:
        if event.rows is self.list and event.step > 0:
            self.conflicts.focus()
        elif event.rows is self.conflicts and event.step < 0:
            self.list.focus()

    @on(Rows.Chosen)
    def _open(self, event: Rows.Chosen) -> None:
        if isinstance(event.row, Quarantined):
            self.host.enter(RefusedEvent(self.host, event.row))
        else:
            self.host.open_name(event.row.name, event.row.type)

    def to_copy(self) -> str:
        """The key."""
        rows = self.rows()
        row = rows.row if rows is not None else None
        if isinstance(row, Quarantined):
            return row.key or ""
        return f"{row.name}|{row.type}" if isinstance(row, Conflict) else ""


class RefusedEvent(Pane):
    """One refused event: why, its payload with the fault marked, and what is answered meanwhile."""

    every_s: ClassVar[float | None] = None
    help: ClassVar[str] = Refused.help
    narrows = False

    def __init__(self, host: Host, event: Quarantined) -> None:
        super().__init__(host)
        self._event, self._node = event, host.snapshot.node.name
        self._standing: NameRecords | None = None
        self._why_none = "asking …"
        self._page = Page(self.lines)

    def compose(self) -> ComposeResult:
        """A page that scrolls."""
        yield self._page

    def title(self) -> str:
        """The key."""
        return (self._event.key or "an event without a key").replace("|", " ")

    def key_hints(self) -> list[Key]:
        """What can be done with it."""
        return [Key("c", "copy payload"), Key("y", "JSON"), Key("esc", "back")]

    def focus_first(self) -> None:
        """Keys scroll."""
        self._page.focus()

    def on_mount(self) -> None:
        """Ask what stands."""
        self.soon(self._ask())

    async def _ask(self) -> None:
        owner, _, _ = (self._event.key or "").rpartition("|")
        if not owner:
            self._why_none = "the key names no RRset"
        else:
            try:
                self._standing = await find_name(self.host.reader, absolute(owner))
            except ApiProblem as problem:
                self._why_none = str(problem)
        if self.is_mounted:
            self._page.again()
            self.came()

    def lines(self, width: int) -> list[Line]:
        """The page."""
        event = self._event
        lines: list[Line] = [[Span(f"  {text}", "warning")] for text in wrap(printable(event.reason), width - 4)]
        lines += [
            [],
            [Span("  node      ", "dim"), Span(printable(self._node))],
            [Span("  key       ", "dim"), Span(printable(event.key or "none"))],
            [Span("  position  ", "dim"), Span(place(event.topic, event.partition, event.position))],
            [Span("  written   ", "dim"), Span(fmt.exact(event.timestamp))],
            [Span("  read      ", "dim"), Span(fmt.exact(event.time))],
            [],
            rule("payload" + (", the first 4 KiB" if len(event.payload) >= 4096 else ""), width),
        ]
        lines += payload_lines(event, width, plain=self.host.plain_signs())
        return [*lines, [], rule("what is answered meanwhile", width), *self._standing_lines(width)]

    def _standing_lines(self, width: int) -> list[Line]:
        if self._standing is None:
            return [[Span(f"  {text}", "dim")] for text in wrap(self._why_none, width - 4)]
        rdtype = (self._event.key or "").rpartition("|")[2].upper()
        rows = [row for row in self._standing.rrsets if row.type == rdtype]
        if not rows:
            return [[Span(f"  nothing: there is no {rdtype} at this name", "dim")]]
        return [
            [Span(f"  {row.name}  {row.ttl}  IN  {row.type}  ", "dim"), Span(printable(record))]
            for row in rows
            for record in row.records
        ]

    def to_copy(self) -> str:
        """The payload."""
        return self._event.payload

    def to_json(self) -> Any | None:
        """The entry as the API gives it."""
        return self._event


_QUOTED = re.compile(r"“([^”]+)”|\"([^\"]+)\"|'([^']+)'|\b(name|type|content|ttl|priority)\b|(\S+) is no\b")


def payload_lines(event: Quarantined, width: int, *, plain: bool = False) -> list[Line]:
    """The payload, indented where it is JSON, with what the reason speaks of marked."""
    mark = sign(Meaning.ALARM, plain=plain)
    try:
        text = msgspec.json.format(event.payload.encode(), indent=2).decode()
        msgspec.json.decode(text)
    except msgspec.MsgspecError as error:
        # Where it ends to be JSON is the fault.
        at = re.search(r"byte (\d+)", str(error))
        raw = event.payload
        broken = min(len(raw), int(at[1])) if at is not None else len(raw)
        lines = [[Span(f"  {piece}")] for piece in wrap(printable(raw[:broken]), width - 4)]
        rest = printable(raw[broken : broken + 200]) or "(the payload ends here)"
        return [*lines, [Span("  "), mark, Span(" "), Span(shorten(rest, width - 6), "alarm")]]
    words = {next(filter(None, match)) for match in _QUOTED.findall(event.reason)}
    lines = []
    for raw_line in text.splitlines():
        marked = any(word in raw_line for word in words)
        head: Line = [mark, Span(" ")] if marked else [Span("  ")]
        for piece in wrap(printable(raw_line), width - 4):
            lines.append([*head, Span(piece, "alarm" if marked else "")])
            head = [Span("  ")]
    return lines
