"""All zones: how many records, when they changed last and by whom, and their digests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult

from streamdns.admin.schema.data import Change, Zone, ZonePage

from .. import calls
from .. import format as fmt
from ..api import ApiProblem
from ..asking import ancestors
from ..lines import Line, Span, printable
from ..model import Meaning, Snapshot
from ..signs import sign
from ..unicode_names import shown_name
from ..widgets.columns import Column, figure
from ..widgets.rows import Rows
from .pane import Host, Key, Pane
from .records import Records

#: The list is fetched anew so often while it is in sight.
_AGAIN_S = 60.0


class Zones(Pane):
    """The list of zones."""

    every_s: ClassVar[float | None] = _AGAIN_S
    help: ClassVar[str] = (
        "All zones of this node. A zone is there when its SOA record is in the log (or it is named in DNS_ZONES).\n"
        "changed is when this node applied the last change, by whom is its producer where the journal still has it. "
        "The digest is the same on every node that holds the same records: the fleet screen compares them.\n"
        "/ narrows the list as you type; ⏎ there with a text that no zone has searches all records of all zones."
    )

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._found: list[Zone] = []
        self._coming: list[Zone] = []
        self._at_s = 0.0
        self._asking = False
        self.problem = ""
        self._looked_at: Sequence[Change] = ()
        self._newest: dict[str, Change] = {}
        self._whom: dict[tuple[str, int], str] = {}
        self._asking_whom = False
        self.list = Rows(
            [
                Column(title="zone", cell=self._name_cell, least=26, order=lambda row: row.name.split(".")[::-1]),
                figure("records", lambda row: row.records, 10),
                figure("serial", lambda row: row.soa.serial if row.soa else None, 10, _serial, optional=4),
                figure("changed", self._changed_ms, 10, self._ago),
                Column(title="by", cell=self._by, width=12, optional=2, order=self._by),
                Column(
                    title="digest",
                    cell=lambda row: [Span(fmt.short_digest(row.digest), "accent")],
                    width=8,
                    optional=3,
                    order=lambda row: row.digest,
                ),
                Column(title="state", cell=self._state, width=11, optional=1, order=_state_order),
            ],
            key=lambda row: row.name,
            nothing="asking for zones …",
            needle=lambda row: row.name + shown_name(row.name),
        )

    def compose(self) -> ComposeResult:
        """The list."""
        yield self.list

    def title(self) -> str:
        """How many there are."""
        return f"zones ({self.list.count:,})" if self._found else "zones"

    def key_hints(self) -> list[Key]:
        """What can be done with a zone."""
        return [
            Key("⏎", "records"),
            Key("/", "filter, search"),
            Key("←→ s", "sort"),
            Key("c", "copy dig"),
            Key("y", "JSON"),
        ]

    def shown(self) -> None:
        """Ask where the list is old."""
        super().shown()
        if self.host.snapshot.at_s - self._at_s > _AGAIN_S:
            self.again()

    def outdate(self, *, other_node: bool) -> None:
        """What is on its way is not waited for."""
        self._asking = False
        super().outdate(other_node=other_node)

    def forget(self) -> None:
        """Of another node everything may be different."""
        super().forget()
        self._found, self._at_s, self._whom = [], 0.0, {}

    def show(self, snapshot: Snapshot) -> None:
        """Ages go on; the list itself is asked for now and then."""
        self.list.dim(not snapshot.node.live)
        self.list.repaint()
        if snapshot.node.live and "journal" not in snapshot.node.denied and not self._asking_whom:
            self._asking_whom = True
            self.soon(self._ask_whom())
        if self._at_s and snapshot.at_s - self._at_s > _AGAIN_S and snapshot.node.live and not self._asking:
            self.again()

    def again(self) -> None:
        """Ask for all of it."""
        if self._asking:
            return
        self._asking, self._coming = True, []
        self.fetch(calls.zones(), self._take, self._failed)

    def _take(self, page: ZonePage) -> None:
        self._coming += page.zones
        if len(self._coming) > len(self._found):
            self._found = self._coming
            self.list.show(list(self._found))
        if page.next is not None:
            self.fetch(calls.zones(page.next), self._take, self._failed)
        else:
            self._asking, self._found = False, self._coming
            self._at_s = self.host.snapshot.at_s
            self.list.nothing = "there are no zones: the log has no SOA record, and DNS_ZONES names none"
            self.list.show(list(self._found))
        self.host.retitle()

    def _failed(self, sentence: str) -> None:
        self._asking, self.list.nothing = False, sentence
        self._at_s = self.host.snapshot.at_s
        self.list.again()

    @on(Rows.Chosen)
    def _open(self, event: Rows.Chosen) -> None:
        self.host.enter(Records(self.host, event.row.name, total=event.row.rrsets))

    def search(self, text: str) -> bool:
        """Where no zone has the text, look in all records."""
        if self.list.count:
            return False
        self.narrow("")
        self.host.enter(Records(self.host, "", wanted={"name": text}))
        return True

    def narrow(self, text: str) -> None:
        """Only zones with this text."""
        super().narrow(text)
        self.host.retitle()

    def to_copy(self) -> str:
        """A dig line for the zone."""
        row = self.list.row
        return f"dig {row.name} SOA" if row is not None else ""

    def _name_cell(self, row: Zone) -> Line:
        shown = shown_name(row.name)
        return [Span(printable(row.name)), *([Span(f"  {shown}", "dim")] if shown else [])]

    def _changed_ms(self, row: Zone) -> int | None:
        latest = self._latest(row)
        return max(row.changed, latest.time if latest is not None else 0) or None

    def _ago(self, at_ms: int | None) -> str:
        return fmt.when(None if at_ms is None else at_ms / 1000, self.host.snapshot.at_s)

    def _by(self, row: Zone) -> str:
        latest = self._latest(row)
        # One that is older than the zone's last change was made by somebody else, perhaps.
        if latest is None or latest.time < row.changed:
            return self._whom.get((row.name, row.changed), "")
        return printable(latest.producer or fmt.UNKNOWN)

    def _latest(self, row: Zone) -> Change | None:
        """The newest change of the zone that is known here."""
        changes = self.host.snapshot.node.changes.rows
        if changes is not self._looked_at:
            self._looked_at, self._newest = changes, {}
            for change in changes:
                for above in ancestors(change.name):
                    self._newest.setdefault(above, change)
        return self._newest.get(row.name)

    async def _ask_whom(self) -> None:
        """Ask the journal who made the last changes of the zones in sight, one zone after the other."""
        owner = self.owner
        try:
            told = any(column.title == "by" for column, _ in self.list.columns_shown)
            for row in self.list.in_sight() if told else ():
                if row is None or (row.name, row.changed) in self._whom or self._by(row):
                    continue
                page = await self.host.reader.ask(calls.journal({"zone": row.name}, limit=1))
                if owner != self.owner:
                    return
                # Of a change that the journal does not hold any more nobody knows who made it.
                said = bool(page.changes) and page.changes[0].time >= row.changed
                whom = page.changes[0].producer or fmt.UNKNOWN if said else ""
                self._whom[row.name, row.changed] = printable(whom)
                self.list.repaint()
        except ApiProblem as problem:
            self.problem = str(problem)
        finally:
            self._asking_whom = False

    def _state(self, row: Zone) -> Line:
        plain = self.host.plain_signs()
        if row.stale:
            return [sign(Meaning.STALE, plain=plain), Span(f" {fmt.age(row.stale_seconds)}", "stale")]
        if row.counting:
            return [sign(Meaning.NOTICE, plain=plain), Span(" counting", "notice")]
        if row.soa is None:
            return [sign(Meaning.NOTICE, plain=plain), Span(" no SOA", "notice")]
        return [sign(Meaning.OK, plain=plain)]


def _serial(serial: int | None) -> str:
    return fmt.UNKNOWN if serial is None else str(serial)


def _state_order(row: Zone) -> tuple[float, bool, bool]:
    return row.stale_seconds if row.stale else 0.0, row.counting, row.soa is None
