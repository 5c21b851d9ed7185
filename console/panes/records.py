"""The records of a zone, or what a search found, page by page as far as one scrolls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from textual import on
from textual.app import ComposeResult

from streamdns.admin.schema.data import RRset

from .. import calls
from .. import format as fmt
from ..api import ApiProblem
from ..lines import Line, Span, place, printable
from ..model import Meaning, Snapshot
from ..paging import PagedRows
from ..signs import sign
from ..unicode_names import shown_name
from ..widgets.columns import Column, figure, producer
from ..widgets.rows import Rows
from .pane import Host, Key, Pane

#: More RRsets than these are not fetched only to be sorted: 40 pages of the API.
MOST_SORTED: Final = 20_000


class Records(Pane):
    """RRsets in canonical order: of a zone, or those that a search finds."""

    every_s: ClassVar[float | None] = None
    help: ClassVar[str] = (
        "One line for each RRset, in canonical order. origin is where its event stands in the log.\n"
        "shadowed: the RRset is there but not answered, because a CNAME stands at the same name (or it is a CNAME at "
        "the top of a zone). refused: a newer event for it was refused, and the last good one is still answered. "
        "local: from DNS_LOCAL_RECORDS of this node.\n"
        "s sorts: all RRsets are fetched first, up to 20,000 of them; larger zones stay in the order of their names.\n"
        "/ searches in this zone for a part of a name; type=MX, content=192.0.2 and glob=ns* look for these."
    )
    narrows = True

    def __init__(
        self, host: Host, zone: str, *, total: int | None = None, wanted: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(host)
        self.zone, self._total, self._wanted = zone, total, dict(wanted or {})
        self.list = Rows(
            [
                Column(
                    title="name",
                    cell=self._name_cell,
                    # Of many zones, names that begin alike are told apart by their ends.
                    weight=3 if zone else 7,
                    least=24 if zone else 30,
                    middle=True,
                    order=lambda row: row.name.split(".")[::-1],
                ),
                figure("ttl", lambda row: row.ttl, 7, optional=2),
                Column(title="type", cell=lambda row: row.type, width=7, order=lambda row: row.type),
                Column(title="records", cell=_contents, weight=4, least=20, order=lambda row: row.records),
                Column(title="notes", cell=self._notes, width=10, optional=1, order=_notes_order),
                producer(optional=4),
                Column(
                    title="origin",
                    cell=lambda row: origin(row, short=True),
                    width=20,
                    optional=5,
                    order=_origin_order,
                ),
                figure("written", lambda row: row.timestamp, 10, self._ago, optional=3),
            ],
            key=lambda row: (row.name, row.type, row.local, row.position),
            nothing="asking …",
        )
        self._looked = self._fetched = 0
        self._sorting = self._told_on_the_way = False
        self._source = self._new_source()

    def compose(self) -> ComposeResult:
        """The list."""
        yield self.list

    def on_mount(self) -> None:
        """Begin with the first page."""
        self.list.show_source(self._source)

    def title(self) -> str:
        """The zone, or what is looked for."""
        looked = " ".join(f"{key}={value}" if key != "name" else f"“{value}”" for key, value in self._wanted.items())
        here = self.zone or "everywhere"
        doing = f" ({self._total:,})" if self._total and not self._wanted else ""
        if self._fetched:
            doing = f" ({self._fetched:,} fetched, to be sorted)"
        elif (gone := self._source.on_the_way) is not None:
            doing = f" (on the way: {gone:,} of {len(self._source):,}, g goes back)"
        return (f"{here}: {looked}" if looked else here) + doing

    def key_hints(self) -> list[Key]:
        """What can be done with an RRset."""
        return [
            Key("⏎", "record page"),
            Key("/", "search"),
            Key("←→ s", "sort"),
            Key("c", "copy record"),
            Key("y", "JSON"),
        ]

    def show(self, snapshot: Snapshot) -> None:
        """Ages go on."""
        self.list.dim(not snapshot.node.live)
        self.list.repaint()

    def again(self) -> None:
        """Ask for all of it anew."""
        self._looked = 0
        self._source = self._new_source()
        self.list.nothing = "asking …"
        self.list.show_source(self._source)

    def forget(self) -> None:
        """How many RRsets another node has in the zone is not known; the list is made anew with what it has."""
        self._total = None

    def narrow(self, text: str) -> None:
        """The node looks, not the console: with enter."""
        if not text and self._wanted and self.zone:
            self._wanted = {}
            self.again()
            self.host.retitle()

    def narrowed_by(self) -> str:
        """What is looked for in the zone."""
        return " ".join(self._wanted.values()) if self.zone else ""

    def search(self, text: str) -> bool:
        """Look for names, types and contents."""
        self._wanted = parse_search(text)
        self.again()
        self.host.retitle()
        return True

    def _new_source(self) -> PagedRows:
        return PagedRows(
            self._fetch,
            key=lambda row: (row.name, row.type),
            spawn=self.soon,
            changed=self._came,
            moved=self._moved,
            failed=lambda problem: self.host.tell(f"{problem}; r asks again", wrong=True),
            total=self._total if not self._wanted else None,
        )

    async def _fetch(self, cursor: str, backwards: bool = False) -> tuple[Sequence[RRset], str | None]:
        if self._wanted or not self.zone:
            wanted = {**self._wanted, **({"zone": self.zone} if self.zone else {})}
            page = await self.host.reader.ask(calls.search(wanted, cursor, backwards=backwards))
        else:
            page = await self.host.reader.ask(calls.records(self.zone, cursor, backwards=backwards))
        self._looked += page.looked_at
        if not cursor and self.is_mounted:
            self.came()
        if not page.rrsets and self.is_mounted:
            self.list.nothing = f"looking … {self._looked:,} names looked at"
            self.list.repaint()
        return page.rrsets, page.next

    @on(Rows.SortWanted)
    def _sort(self, event: Rows.SortWanted) -> None:
        known = len(self._source)
        if known > MOST_SORTED:
            self._too_many(f"{known:,} RRsets")
        elif not self._sorting:
            self._sorting = True
            self.soon(self._sort_all(event.title))

    def _too_many(self, what: str) -> None:
        self.host.tell(
            f"{what} are here in the order of their names; up to {MOST_SORTED:,} can be sorted: search with / first",
            wrong=True,
        )

    async def _sort_all(self, title: str) -> None:
        """Fetch all pages, and sort what they hold."""
        source, rows, cursor = self._source, list[RRset](), ""
        try:
            while True:
                page, following = await self._fetch(cursor)
                rows += page
                if self._source is not source:
                    return
                if following is None:
                    break
                if len(rows) > MOST_SORTED:
                    self._too_many(f"more than {MOST_SORTED:,} RRsets")
                    return
                cursor = following
                self._fetched = len(rows)
                self.host.retitle()
            if self.is_mounted:
                self.list.show_sorted(rows, title)
        except ApiProblem as problem:
            self.host.tell(str(problem), wrong=True)
        finally:
            self._sorting, self._fetched = False, 0
            self.host.retitle()

    def _moved(self, first: int, by: int) -> None:
        if self.is_mounted and self.list.source is self._source:
            self.list.renumber(first, by)

    def _came(self) -> None:
        if self.is_mounted:
            self.list.nothing = self._source.problem or "nothing was found"
            self.list.again()
            if self._told_on_the_way or self._source.on_the_way is not None:
                self._told_on_the_way = self._source.on_the_way is not None
                self.host.retitle()

    @on(Rows.Chosen)
    def _open(self, event: Rows.Chosen) -> None:
        self.host.open_name(event.row.name, event.row.type)

    def to_copy(self) -> str:
        """The RRset as a zone file has it."""
        row = self.list.row
        return "\n".join(zone_lines(row)) if row is not None else ""

    def to_json(self) -> Any | None:
        """The RRset as the API gives it."""
        return self.list.row

    def _name_cell(self, row: RRset) -> Line:
        shown = shown_name(row.name)
        suffix = f".{self.zone}"
        if not self.zone or not row.name.endswith(suffix):
            return [Span(printable(row.name)), *([Span(f"  {shown}", "dim")] if shown else [])]
        # The zone stands above the list: where room is short, it goes first.
        own = Span(printable(row.name.removesuffix(suffix)))
        return [own, Span(f"  {shown.removesuffix(suffix)}" if shown else printable(suffix), "dim")]

    def _ago(self, at_ms: int) -> str:
        return fmt.when(at_ms / 1000, self.host.snapshot.at_s)

    def _notes(self, row: RRset) -> Line:
        return notes(row, plain=self.host.plain_signs())


def _contents(row: RRset) -> Line:
    text = "  ".join(printable(record) for record in row.records)
    more = f"{len(row.records):,}× " if len(row.records) > 1 else ""
    return [Span(more, "dim"), Span(text, "stale" if row.shadowed else "")]


def _notes_order(row: RRset) -> tuple[bool, bool, bool]:
    return row.rejected, row.shadowed, row.local


def _origin_order(row: RRset) -> tuple[str, int, int]:
    return row.topic or "", row.partition or 0, row.position or 0


def notes(row: RRset, *, plain: bool = False) -> Line:
    """What is special about an RRset."""
    if row.rejected:
        return [sign(Meaning.WARNING, plain=plain), Span(" refused", "warning")]
    if row.shadowed:
        return [sign(Meaning.NOTICE, plain=plain), Span(" shadowed", "notice")]
    return [Span("local", "dim")] if row.local else []


def origin(row: RRset, *, short: bool = False) -> str:
    """Where its event stands in the log."""
    return "this node's own" if row.local else place(row.topic, row.partition, row.position, short=short)


def zone_lines(row: RRset) -> list[str]:
    """The RRset as lines of a zone file, as dig prints it."""
    return [f"{row.name}\t{row.ttl}\tIN\t{row.type}\t{record}" for record in row.records]


def parse_search(text: str) -> dict[str, str]:
    """What is looked for: words with = are type, content, glob or zone, the rest is a part of the name."""
    wanted: dict[str, str] = {}
    for word in text.split():
        key, separator, value = word.partition("=")
        if separator and value and key in ("type", "content", "glob", "zone", "name"):
            wanted[key] = value
        elif any(sign in word for sign in "*?"):
            wanted["glob"] = word
        else:
            wanted["name"] = word
    return wanted
