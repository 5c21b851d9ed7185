"""All nodes in a row each: state, version, lag, digest, queries; the odd one out is marked, and its zones are named."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from .. import format as fmt
from ..lines import Line, Span, printable, rule, wrap
from ..model import Meaning, Node, Snapshot
from ..signs import sign
from ..state import state_of
from ..widgets.canvas import Canvas
from ..widgets.columns import Column
from ..widgets.rows import Rows
from .pane import Host, Key, Pane
from .workers import Workers, workers_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRow:
    """One node as the fleet screen has it; `number` is that of a watched one, None for a peer."""

    url: str
    name: str
    meaning: Meaning
    state: str
    version: str = ""
    lag_events: int | None = None
    lag_s: float | None = None
    digest: str = ""
    odd: bool | None = None
    queries: float | None = None
    detail: str = ""
    zones: tuple[str, ...] = ()
    number: int | None = None
    skew_s: float | None = None
    asked_s: float | None = None
    old: bool = False
    """It did not answer when it was asked last: the figures are of before."""


def fleet_rows(snapshot: Snapshot) -> list[FleetRow]:
    """Every watched node, and the peers of the main one that are not watched."""
    digests = Counter(each.status.value.digest for each in snapshot.nodes if each.status is not None)
    usual = digests.most_common(1)[0][0] if digests else ""
    rows = [
        _watched(number, node, usual if len(snapshot.nodes) > 1 else "") for number, node in enumerate(snapshot.nodes)
    ]
    known = {node.url for node in snapshot.nodes}
    names = {row.name for row in rows}
    for peer in snapshot.node.nodes.value.peers if snapshot.node.nodes is not None else ():
        report = peer.report
        if peer.url in known or (report is not None and report.instance in names and len(snapshot.nodes) > 1):
            continue
        if peer.error:
            meaning, state, detail = Meaning.ALARM, "no answer", peer.error
        elif peer.diverges:
            meaning, state, detail = Meaning.ALARM, "diverged", f"not the same data ({peer.compared_at})"
        elif report is None:
            meaning, state, detail = Meaning.STALE, "not asked yet", ""
        elif not report.ready:
            meaning, state, detail = Meaning.WARNING, report.state, "not ready"
        else:
            meaning, state = Meaning.OK, "serving"
            detail = f"compared at {peer.compared_at}" if peer.diverges is False else "not compared yet"
        rows.append(
            FleetRow(
                url=peer.url,
                name=report.instance if report is not None else peer.url,
                meaning=meaning,
                state=state,
                version=report.version if report is not None else "",
                lag_events=report.lag_events if report is not None else None,
                lag_s=report.lag_seconds if report is not None else None,
                digest=report.digest if report is not None else "",
                queries=peer.queries_per_second,
                odd=peer.diverges,
                detail=detail,
                zones=tuple(peer.zones),
                asked_s=peer.asked / 1000 if peer.asked else None,
                old=bool(peer.error),
            )
        )
    return rows


def _watched(number: int, node: Node, usual: str) -> FleetRow:
    state = state_of(node)
    status = node.status.value if node.status is not None else None
    report = node.nodes.value.node if node.nodes is not None else None
    audit = report.audit if report is not None else None
    lag = status.lag if status is not None else None
    return FleetRow(
        url=node.url,
        name=node.name,
        meaning=state.meaning,
        state=state.word,
        detail=state.detail,
        number=number,
        asked_s=node.status.at_s if node.status is not None else None,
        old=not node.live,
        version=status.version if status is not None else "",
        lag_events=lag.events if lag is not None else None,
        lag_s=lag.seconds if lag is not None else None,
        digest=status.digest if status is not None else "",
        # Nodes that follow are at different positions for a moment: only one that has caught up is the odd one.
        odd=bool(
            status is not None
            and (
                status.divergence
                or (usual and status.digest != usual and not status.lag.events and status.consumer.state == "following")
            )
        ),
        queries=node.history.rate("dns.queries"),
        skew_s=node.skew_s,
        zones=tuple(audit.zones) if audit is not None and not audit.ok else (),
    )


class _Detail(Canvas):
    """What is to be said of the row that the cursor is on."""

    DEFAULT_CSS = "_Detail { height: 6; max-height: 40%; }"

    def __init__(self) -> None:
        super().__init__()
        self.row: FleetRow | None = None

    def paint(self, width: int, height: int) -> list[Line]:
        """In sentences."""
        row = self.row
        if row is None:
            return [rule("", width)]
        lines = [
            rule(printable(row.name), width),
            [
                Span("  "),
                Span(printable(row.url), "dim"),
                Span(f"  digest {row.digest[:32]}" if row.digest else "", "dim"),
            ],
        ]
        sentences = [row.detail] if row.detail else []
        if row.odd:
            named = ", ".join(printable(zone) for zone in row.zones)
            sentences.append(
                f"it does not hold what the others hold: {named or 'zones are not known yet'}; "
                f"streamdns compare {row.url} names the records"
            )
        if row.old and row.asked_s is not None:
            sentences.append(f"what is shown of it is of {fmt.moment(row.asked_s)} or before")
        if row.skew_s is not None and abs(row.skew_s) > 2:
            sentences.append(
                f"its clock is {fmt.span(abs(row.skew_s))} {'ahead of' if row.skew_s > 0 else 'behind'} ours"
            )
        for sentence in sentences:
            lines += [[Span(f"  {text}", "alarm" if row.odd else "")] for text in wrap(printable(sentence), width - 4)]
        return lines


class Fleet(Pane):
    """The list of nodes."""

    wants: ClassVar[frozenset[str]] = frozenset({"nodes"})
    help: ClassVar[str] = (
        "All nodes: those that the console was started with, and the peers (DNS_PEERS) of the one that is shown.\n"
        "data = means that it holds the same as the others, compared at the same position of the log; data ≠ marks the "
        "odd one out, and its differing zones are named below. What is behind is not odd: it is compared where it has "
        "been.\n"
        "⏎ goes to a node that the console was started with: all screens are about it then; [ and ] do the same. Where "
        "several processes answer on the node that is shown (DNS_WORKERS), w has a row for each."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("w", "workers", "workers", show=False)]

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.detail = _Detail()
        self.list = Rows(
            [
                Column(title="node", cell=self._name_cell, weight=2, order=lambda row: row.name),
                Column(title="state", cell=self._state, width=14, order=lambda row: row.state),
                Column(
                    title="version",
                    cell=lambda row: printable(row.version),
                    width=9,
                    optional=3,
                    order=lambda row: row.version,
                ),
                Column(
                    title="behind", cell=self._lag, width=14, right=True, optional=1, order=lambda row: row.lag_s or 0.0
                ),
                Column(title="data", cell=self._digest, width=10, optional=0, order=lambda row: row.digest),
                Column(
                    title="q/s",
                    cell=lambda row: fmt.rate(row.queries),
                    width=6,
                    right=True,
                    optional=2,
                    order=lambda row: row.queries or 0.0,
                ),
            ],
            key=lambda row: row.url,
            nothing="asking …",
            needle=lambda row: f"{row.name} {row.state}",
        )

    def compose(self) -> ComposeResult:
        """The list, and more of the row below."""
        yield self.list
        yield self.detail

    def title(self) -> str:
        """How many nodes there are."""
        return f"fleet ({fmt.plural(len(fleet_rows(self.host.snapshot)), 'node')})"

    def key_hints(self) -> list[Key]:
        """What can be done with a node."""
        several = len(self.host.snapshot.nodes) > 1
        return [
            Key("⏎", "show this node", "" if several else "the console was started with one node"),
            *([Key("w", "workers")] if workers_of(self.host.snapshot.node) else []),
            Key("/", "filter"),
            Key("←→ s", "sort"),
            Key("c", "copy"),
            Key("y", "JSON"),
        ]

    def action_workers(self) -> None:
        """The processes that answer on the node that is shown."""
        if workers_of(self.host.snapshot.node):
            self.host.enter(Workers(self.host))
        else:
            self.host.tell("one process does everything: DNS_WORKERS is not set")

    def show(self, snapshot: Snapshot) -> None:
        """The nodes of now."""
        self.list.show(fleet_rows(snapshot))
        self._say(self.list.row)
        self.host.retitle()

    def as_of(self, snapshot: Snapshot) -> float | None:
        """When the nodes came."""
        part = snapshot.node.nodes
        return part.at_s if part is not None else None

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        self._say(event.row)

    def _say(self, row: Any) -> None:
        self.detail.row = row
        self.detail.repaint()

    @on(Rows.Chosen)
    def _open(self, event: Rows.Chosen) -> None:
        if event.row.number is None:
            self.host.tell(
                f"{event.row.name} is a peer: start the console with its address to look into it "
                f"(streamdns-console {event.row.url})"
            )
        elif len(self.host.snapshot.nodes) > 1:
            self.host.reader.focus(event.row.number)
            self.host.go("overview")

    def to_copy(self) -> str:
        """The address of the node."""
        row = self.list.row
        return row.url if row is not None else ""

    def to_json(self) -> Any | None:
        """What the API says of it."""
        row = self.list.row
        if row is None:
            return None
        if row.number is not None:
            status = self.host.snapshot.nodes[row.number].status
            return status.value if status is not None else None
        nodes = self.host.snapshot.node.nodes
        return next((peer for peer in nodes.value.peers if peer.url == row.url), None) if nodes is not None else None

    def _name_cell(self, row: FleetRow) -> Line:
        here = row.number == self.host.snapshot.main and len(self.host.snapshot.nodes) > 1
        return [
            Span(printable(row.name), "strong" if row.number == self.host.snapshot.main else ""),
            Span("  shown" if here else "", "accent"),
        ]

    def _state(self, row: FleetRow) -> Line:
        return [sign(row.meaning, plain=self.host.plain_signs()), Span(f" {row.state}", row.meaning.value)]

    def _lag(self, row: FleetRow) -> Line:
        if row.lag_s is None:
            return [Span(fmt.UNKNOWN, "dim")]
        style = "stale" if row.old else "warning" if row.lag_s > 10 else ""
        return [Span(fmt.short(row.lag_events), style), Span(" ev ", "dim"), Span(fmt.span(row.lag_s), style)]

    def _digest(self, row: FleetRow) -> Line:
        if not row.digest:
            return [Span(fmt.UNKNOWN, "dim")]
        if row.old:
            return [Span(f"? {fmt.short_digest(row.digest)}", "stale")]
        alone = len(self.list.rows) < 2
        mark = Span("≠ ", "alarm") if row.odd else Span("  " if alone else "= " if row.odd is False else "? ", "dim")
        return [mark, Span(fmt.short_digest(row.digest), "alarm" if row.odd else "accent")]
