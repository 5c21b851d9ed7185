"""A rebuilt view that is held because too much would go away by it: what would go, and letting it take over."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from streamdns.admin.schema.data import RRset, RRsetPage, Zone, ZonePage
from streamdns.admin.schema.state import HeldRebuild

from .. import calls
from .. import format as fmt
from ..actions import held_of, refusal, start_accept
from ..lines import Line, Span, printable, wrap
from ..model import Meaning, Role, Snapshot
from ..signs import sign
from ..unicode_names import shown_name
from ..widgets.canvas import Canvas
from ..widgets.columns import Column, figure, producer
from ..widgets.rows import Rows
from .overview import Title
from .pane import MOST_GATHERED, Host, Key, Pane, counted
from .records import zone_lines


def sentence(held: HeldRebuild, now_s: float) -> str:
    """What would go away by a held view and what would come, and since when it waits."""
    return (
        f"a rebuilt view is held since {fmt.since(held.since / 1000, now_s)}: "
        f"{fmt.count(held.zones)} of {fmt.plural(held.zones_served, 'zone')} and "
        f"{fmt.count(held.rrsets)} of {fmt.plural(held.rrsets_served, 'RRset')} would go away, "
        f"{fmt.count(held.added)} would come, {fmt.count(held.changed)} would have other records"
    )


class _WhatGoes(Canvas):
    """How much would go, and why the view waits."""

    DEFAULT_CSS = "_WhatGoes { height: 4; max-height: 50%; }"

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def paint(self, width: int, height: int) -> list[Line]:
        """In a sentence."""
        held = held_of(self._host.snapshot.node)
        plain = self._host.plain_signs()
        if held is None:
            mark, text = sign(Meaning.OK, plain=plain), "no rebuilt view is held any more"
        else:
            mark, text = sign(Meaning.ALARM, plain=plain), sentence(held, self._host.snapshot.at_s)
        first, *more = wrap(text, max(8, width - 6))
        return [
            [Span("  "), mark, Span(f" {first}", mark.style)],
            *([Span(f"    {line}", mark.style)] for line in more),
        ]


class Held(Pane):
    """Two lists: zones that would go away, and RRsets."""

    DEFAULT_CSS = """
    Held Title { margin: 0; }
    Held #zones { height: 1fr; max-height: 40%; }
    """
    every_s: ClassVar[float | None] = None
    help: ClassVar[str] = (
        "A rebuild filled a second view by which more would go away than DNS_SWAP_GUARD allows. So the first view goes "
        "on answering, and the second one follows the log and waits for somebody to look.\n"
        "Above: zones that are answered now and would not be any more. Below: RRsets, those of such zones among them.\n"
        "Where that is what was meant, A lets the second view take over. Where it is not, the log lacks what it should "
        "have: publish it again, and the view takes over by itself."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("A", "accept", "take over", show=False)]

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._asked_for = ""
        self._zones: list[Zone] = []
        self._rrsets: list[RRset] = []
        self.summary = _WhatGoes(host)
        self._titles = Title("zones that would go"), Title("RRsets that would go")
        self.zones = Rows(
            [
                Column(title="zone", cell=_zone_name, least=26, order=lambda row: row.name.split(".")[::-1]),
                figure("RRsets", lambda row: row.rrsets, 10),
                figure("records", lambda row: row.records, 10),
            ],
            key=lambda row: row.name,
            nothing="asking …",
            id="zones",
        )
        self.list = Rows(
            [
                Column(
                    title="name",
                    cell=lambda row: printable(row.name),
                    weight=3,
                    least=24,
                    middle=True,
                    order=lambda row: row.name.split(".")[::-1],
                ),
                Column(title="type", cell=lambda row: row.type, width=7, order=lambda row: row.type),
                Column(title="records", cell=lambda row: "  ".join(map(printable, row.records)), weight=4, least=20),
                producer(optional=1),
            ],
            key=lambda row: (row.name, row.type),
            nothing="asking …",
        )

    def compose(self) -> ComposeResult:
        """A sentence above both lists."""
        yield self.summary
        yield self._titles[0]
        yield self.zones
        yield self._titles[1]
        yield self.list

    def title(self) -> str:
        """What it is about."""
        return "what would go away"

    def key_hints(self) -> list[Key]:
        """What can be done with it."""
        return [
            Key("A", "take over", refusal(self.host.snapshot.node, Role.ADMIN)),
            Key("⏎", "record"),
            Key("tab", "other"),
            Key("/", "filter"),
            Key("c", "copy"),
            Key("y", "JSON"),
            Key("esc", "back"),
        ]

    def show(self, snapshot: Snapshot) -> None:
        """Ask where other figures are told than those of the lists."""
        self.summary.repaint()
        for rows in (self.zones, self.list):
            rows.dim(not snapshot.node.live)
        held = held_of(snapshot.node)
        figures = "" if held is None else f"{held.id} {held.zones} {held.rrsets}"
        if figures and figures != self._asked_for:
            self._asked_for = figures
            self.again()

    def forget(self) -> None:
        """Another node holds another view, or none."""
        super().forget()
        self._asked_for = ""

    def again(self) -> None:
        """Ask for both."""
        self.gather("zones", calls.zones_that_would_go, self._take_zones, lambda text: _nothing(self.zones, text))
        self.gather("rrsets", calls.rrsets_that_would_go, self._take, lambda text: _nothing(self.list, text))

    def _take_zones(self, page: ZonePage, first: bool) -> bool:
        self._zones = [*([] if first else self._zones), *page.zones]
        self.zones.nothing = "no zone would go away" if page.next is None else "comparing …"
        self.zones.show(self._zones)
        self._titles[0].name_it(
            counted("zones that would go", "the first", len(self._zones), total=page.total, more=page.next is not None)
        )
        return len(self._zones) < MOST_GATHERED

    def _take(self, page: RRsetPage, first: bool) -> bool:
        self._rrsets = [*([] if first else self._rrsets), *page.rrsets]
        self.list.nothing = "no RRset would go away" if page.next is None else "comparing …"
        self.list.show(self._rrsets)
        held = held_of(self.host.snapshot.node)
        total = held.rrsets if held is not None else None
        self._titles[1].name_it(
            counted("RRsets that would go", "the first", len(self._rrsets), total=total, more=page.next is not None)
        )
        return len(self._rrsets) < MOST_GATHERED

    def rows(self) -> Rows:
        """The list that keys are about."""
        return self.list if self.list.has_focus or not self.zones.count else self.zones

    @on(Rows.Edge)
    def _other(self, event: Rows.Edge) -> None:
        if event.rows is self.zones and event.step > 0:
            self.list.focus()
        elif event.rows is self.list and event.step < 0:
            self.zones.focus()

    @on(Rows.Chosen)
    def _open(self, event: Rows.Chosen) -> None:
        if isinstance(event.row, Zone):
            self.host.open_name(event.row.name, "SOA")
        else:
            self.host.open_name(event.row.name, event.row.type)

    def action_accept(self) -> None:
        """Let it take over."""
        start_accept(self.host)

    def to_copy(self) -> str:
        """The name of the zone, or the RRset as a zone file has it."""
        row: Any = self.rows().row
        if isinstance(row, Zone):
            return row.name
        return "\n".join(zone_lines(row)) if isinstance(row, RRset) else ""


def _zone_name(row: Zone) -> Line:
    shown = shown_name(row.name)
    return [Span(printable(row.name)), *([Span(f"  {shown}", "dim")] if shown else [])]


def _nothing(rows: Rows, text: str) -> None:
    rows.nothing = text
    rows.again()
