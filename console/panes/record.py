"""The page of one name: what is answered, where it came from, what it was before, and whether every node has it."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from streamdns.admin.schema.data import JournalPage, NameRecords, RRset

from .. import calls
from .. import format as fmt
from ..answers import Answer, ask_dns, differences, resolver_of
from ..api import ApiProblem
from ..asking import find_name
from ..changes import change_line
from ..lines import Line, Span, printable, rule, wrap
from ..model import Meaning, Snapshot
from ..signs import sign
from ..unicode_names import shown_name
from ..widgets.page import Page
from .pane import Host, Key, Pane
from .records import notes, origin, zone_lines

_SHOWN_CHANGES = 50


class NamePage(Pane):
    """One name with all that is known of it; the type that was chosen stands first."""

    every_s: ClassVar[float | None] = None
    help: ClassVar[str] = (
        "Everything about one name. At the top its RRsets as dig prints them, with where each came from: the position "
        "of its event in the log, when it was written and by whom.\n"
        "asked now is what this node answers at this moment over DNS, asked from here; what differs from the view is "
        "marked. nodes has a tick for every node that has applied it. before has what the journal still knows.\n"
        "c copies a dig line; w waits until every node has it."
    )
    narrows = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("w", "wait", "wait", show=False)]

    def __init__(self, host: Host, name: str, rdtype: str = "") -> None:
        super().__init__(host)
        self.name_shown, self.rdtype = name, rdtype
        self._found: NameRecords | None = None
        self._journal: JournalPage | None = None
        self._answer: Answer | None = None
        self._ticks: list[tuple[str, bool, str]] | None = None
        self._problem = ""
        self._page = Page(self.lines)
        self._seen = -1

    def compose(self) -> ComposeResult:
        """A page that scrolls."""
        yield self._page

    def title(self) -> str:
        """The name."""
        return f"{self.name_shown} {self.rdtype}".rstrip()

    def key_hints(self) -> list[Key]:
        """What can be done with it."""
        return [
            Key("↑↓", "scroll"),
            Key("c", "copy dig"),
            Key("w", "wait for all nodes"),
            Key("r", "again"),
            Key("y", "JSON"),
            Key("esc", "back"),
        ]

    def on_mount(self) -> None:
        """Ask."""
        self.again()

    def focus_first(self) -> None:
        """Keys scroll."""
        self._page.focus()

    def show(self, snapshot: Snapshot) -> None:
        """A change of this name is asked for at once."""
        newest = next((row.id for row in snapshot.node.changes.rows if row.name == self.name_shown), -1)
        if newest != self._seen:
            if self._seen >= 0 or (newest >= 0 and self._found is not None):
                self.again()
            self._seen = newest
        self._page.repaint()

    def again(self) -> None:
        """Ask the node for records and history, and over DNS for the answer; then the others."""
        self.soon(self._ask())
        self.fetch(calls.journal({"name": self.name_shown}, limit=_SHOWN_CHANGES), self._take_journal, lambda _: None)

    def forget(self) -> None:
        """Another node may have something else at this name, or nothing."""
        self._found = self._journal = self._answer = self._ticks = None
        self._problem = ""
        self._again_height()

    async def _ask(self) -> None:
        owner = self.owner
        try:
            found = await find_name(self.host.reader, self.name_shown)
        except ApiProblem as problem:
            if owner == self.owner:
                self._failed(str(problem))
            return
        if owner == self.owner:
            self._take(found)

    def _take(self, found: NameRecords) -> None:
        self._found, self._problem = found, ""
        self.came()
        if not self.rdtype and found.rrsets:
            self.rdtype = found.rrsets[0].type
            self.host.retitle()
        self._again_height()
        self.soon(self._ask_now())
        self.soon(self._ask_nodes())

    def _failed(self, sentence: str) -> None:
        self._problem = sentence
        self._again_height()

    def _take_journal(self, page: JournalPage) -> None:
        self._journal = page
        self._again_height()

    async def _ask_now(self) -> None:
        where = resolver_of(self.host.snapshot.node)
        if where is not None and self.rdtype:
            owner, answer = self.owner, await ask_dns(where, self.name_shown, self.rdtype)
            if owner == self.owner:
                self._answer = answer
                self._again_height()

    async def _ask_nodes(self) -> None:
        row = self._chosen()
        nodes = self.host.snapshot.node.nodes
        if row is None or row.local or not row.records or nodes is None or not nodes.value.peers:
            return
        owner = self.owner
        try:
            waited = await self.host.reader.ask(
                calls.wait(
                    {"name": row.name, "type": row.type, "content": row.records[0], "nodes": "all"}, timeout_s=0.2
                )
            )
            ticks = [(each.node, each.applied, each.error) for each in waited.nodes]
        except ApiProblem as problem:
            ticks = [(str(problem), False, "")]
        if owner == self.owner:
            self._ticks = ticks
            self._again_height()

    def _again_height(self) -> None:
        self._page.again()

    def _chosen(self) -> RRset | None:
        rows = self._ordered()
        return rows[0] if rows and rows[0].type == self.rdtype else None

    def _ordered(self) -> list[RRset]:
        rows = self._found.rrsets if self._found is not None else []
        return sorted(rows, key=lambda row: row.type != self.rdtype)

    def action_wait(self) -> None:
        """Wait until all nodes answer with this RRset, or with what is typed."""
        row = self._chosen()
        content = f" {row.records[0]}" if row is not None and row.records else ""
        self.host.begin_line(":", f"wait {self.name_shown} {self.rdtype or 'A'}{content}")

    # -- drawing

    def lines(self, width: int) -> list[Line]:
        """The page."""
        if self._problem:
            return [[], *([Span(f"  {text}", "warning")] for text in wrap(self._problem, width - 4))]
        if self._found is None:
            return [[Span("  asking …", "dim")]]
        shown = shown_name(self.name_shown)
        lines: list[Line] = [
            [
                Span(f"  {printable(self.name_shown)}", "strong"),
                Span(f"  {shown}" if shown else "", "accent"),
                Span(f"   zone {printable(self._found.zone or 'none')}", "dim"),
            ],
            [],
        ]
        for row in self._ordered():
            lines += self._rrset(row, width)
        if not self._found.rrsets:
            lines += [[Span("  the view has nothing at this name", "dim")], []]
        return [*lines, *self._now(width), *self._node_lines(width), *self._before(width)]

    def _rrset(self, row: RRset, width: int) -> list[Line]:
        style = "strong" if row.type == self.rdtype else ""
        lines: list[Line] = []
        for record in row.records:
            head = f"  {printable(row.name)}  {row.ttl}  IN  {row.type}  "
            indent = " " * min(len(head), 24)
            first, *more = (
                wrap(printable(record), max(20, width - len(head) - 2))
                if len(head) + min(cell_len(record), 24) < width - 2
                else ["", printable(record)]
            )
            lines.append([Span(head, "dim"), Span(first, style)])
            for text in more:
                lines += [[Span(indent), Span(piece, style)] for piece in wrap(text, max(20, width - len(indent) - 2))]
        told: Line = [Span("    from ", "dim"), Span(origin(row))]
        if not row.local:
            told += [
                Span("  written ", "dim"),
                Span(fmt.exact(row.timestamp)),
                Span(f" ({fmt.when(row.timestamp / 1000, self.host.snapshot.at_s)})", "dim"),
            ]
        lines.append(told)
        if row.producer:
            lines.append([Span("    by ", "dim"), Span(printable(row.producer))])
        known = {"producer", "createdat"}
        if isinstance(row.metadatas, dict):
            extra = {key: value for key, value in row.metadatas.items() if str(key).lower() not in known}
            if extra:
                text = msgspec.json.encode(extra).decode()
                lines.append([Span("    metadatas ", "dim"), Span(printable(text))])
        if note := notes(row, plain=self.host.plain_signs()):
            why = (
                "a newer event for it was refused; this is the last good one (screen 4)"
                if row.rejected
                else "it is not answered: a CNAME stands beside it, or it is one at the top of a zone"
                if row.shadowed
                else ""
            )
            lines.append([Span("    "), *note, Span(f"  {why}", "dim")])
        return [*lines, []]

    def _now(self, width: int) -> list[Line]:
        answer = self._answer
        if answer is None:
            return []
        lines = [rule(f"asked now: {answer.server}, {self.rdtype}", width)]
        if answer.problem:
            return [*lines, [Span(f"  {answer.problem}", "dim")], []]
        flags = " ".join(answer.flags)
        lines.append(
            [
                Span(f"  {answer.rcode}", "ok" if answer.rcode == "NOERROR" else "warning"),
                Span(f"  {flags}  {answer.took_ms:.1f} ms", "dim"),
            ]
        )
        missing, extra = differences(self._chosen(), answer)
        for record in answer.records:
            lines.append([Span("  + " if record in extra else "    ", "come"), Span(printable(record))])
        for record in missing:
            lines.append([Span("  - ", "gone"), Span(printable(record), "gone")])
        if not missing and not extra:
            lines.append(
                [Span("    "), sign(Meaning.OK, plain=self.host.plain_signs()), Span(" the same as the view", "dim")]
            )
        return [*lines, []]

    def _node_lines(self, width: int) -> list[Line]:
        if self._ticks is None:
            return []
        lines = [rule("nodes that have it", width)]
        for node, applied, error in self._ticks:
            meaning = Meaning.OK if applied else Meaning.WARNING
            lines.append(
                [
                    Span("  "),
                    sign(meaning, plain=self.host.plain_signs()),
                    Span(f" {printable(node)}"),
                    Span(f"  {printable(error)}" if error else "", "dim"),
                ]
            )
        return [*lines, []]

    def _before(self, width: int) -> list[Line]:
        lines = [rule("what it was before", width)]
        if self._journal is None:
            return [*lines, [Span("  asking …", "dim")]]
        if not self._journal.changes:
            first, end = self._journal.first, self._journal.end
            keeps = "" if first is None or end is None else f" (it keeps the last {end - first:,})"
            return [*lines, [Span(f"  the journal has no change of this name{keeps}", "dim")]]
        for change in self._journal.changes:
            day = fmt.exact(change.time)[:10]
            lines.append([Span(f"  {day} ", "dim"), *change_line(change, width - 14, self.host.snapshot)])
        return lines

    def to_copy(self) -> str:
        """A dig line that asks this node."""
        where = resolver_of(self.host.snapshot.node)
        at = f" @{where[0]}" + (f" -p {where[1]}" if where[1] != 53 else "") if where is not None else ""
        return f"dig{at} {self.name_shown} {self.rdtype}".rstrip()

    def to_json(self) -> Any | None:
        """What the API says of the name."""
        return self._found

    def zone_text(self) -> str:
        """All RRsets as a zone file has them."""
        return "\n".join(line for row in self._ordered() for line in zone_lines(row))
