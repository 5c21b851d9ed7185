"""The log and its consumer: where each partition is, how fast it goes, what is missing, and what happened to it."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from streamdns.admin.schema.places import topic_text
from streamdns.admin.schema.state import Consumer, ConsumerPartition

from .. import format as fmt
from ..actions import IDS, held_of, last_event, rebuild_key, start_rebuild
from ..lines import Line, Span, clip, place, position, printable, shorten, wrap
from ..model import Meaning, Node, Snapshot
from ..plot import bar
from ..signs import sign
from ..state import events_read, state_of
from ..widgets.canvas import Canvas
from ..widgets.columns import Column, figure
from ..widgets.rows import Rows
from .held import Held, sentence
from .pane import Host, Key, Pane

_BAR = 12
#: The lag that fills a bar, unless a partition has more.
_FULL_S = 10.0


class _LogSummary(Canvas):
    """Source, state, progress, rates, alarms."""

    DEFAULT_CSS = "_LogSummary { height: 5; max-height: 50%; }"

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def paint(self, width: int, height: int) -> list[Line]:
        """Label and text in each line."""
        node = self._host.snapshot.node
        return [
            clip(line, width) for line in summary(node, self._host.snapshot.at_s, width, plain=self._host.plain_signs())
        ]


def summary(node: Node, now_s: float, width: int, *, plain: bool = False) -> list[Line]:
    """What there is to say of the consumer of a node."""
    if node.consumer is None:
        return [[Span(f"  {node.denied.get('consumer', 'asking …')}", "dim")]]
    consumer = node.consumer.value
    state = state_of(node)
    counts = "positions are message ids" if consumer.unit == IDS else f"positions count {printable(consumer.unit)}"
    counted = f"  ({printable(consumer.client)}, {counts})"
    source = shorten(printable(consumer.source), max(12, width - 13 - len(counted)), middle=True)
    lines: list[Line] = [
        _pair("source", source + counted),
        [
            Span("  state      ", "dim"),
            sign(state.meaning, plain=plain),
            Span(f" {consumer.state}", state.meaning.value),
            Span(f"  for {fmt.span(max(0.0, now_s - consumer.since))}", "dim"),
        ],
        [
            Span("  lag        ", "dim"),
            Span(fmt.plural(consumer.lag.events, "event")),
            Span(" (about)" if consumer.lag.events_estimated and consumer.lag.events else "", "dim"),
            Span(f", {fmt.span(consumer.lag.seconds)}"),
            Span("   last contact ", "dim"),
            Span(fmt.when(float(consumer.last_contact), now_s) if consumer.last_contact else fmt.UNKNOWN),
        ],
        _rates(node),
    ]
    lines += _progress(consumer, width, plain=plain)
    for text, style in _troubles(node, consumer, now_s):
        lines += [[Span(f"  {line}", style)] for line in wrap(text, width - 4)]
    return lines


def _rates(node: Node) -> Line:
    history = node.history
    return [
        Span("  applied    ", "dim"),
        Span(f"{fmt.rate(history.rate('consumer.applied'))}/s".rjust(8)),
        Span("   deletes ", "dim"),
        Span(f"{fmt.rate(history.rate('consumer.deletes'))}/s".rjust(8)),
        Span("   refused ", "dim"),
        Span(fmt.count(_total(node, "consumer.rejected"))),
        Span("   reconnects ", "dim"),
        Span(fmt.count(_total(node, "consumer.reconnects"))),
        Span("   rebuilds ", "dim"),
        Span(fmt.count(_total(node, "consumer.rebuilds"))),
    ]


def _total(node: Node, name: str) -> float | None:
    totals = node.history.totals
    return None if totals is None else sum(value for key, value in totals.counters.items() if key[0] == name)


def _progress(consumer: Consumer, width: int, *, plain: bool) -> list[Line]:
    if consumer.catch_up is None:
        read = events_read(consumer)
        line = [Span("  progress   ", "dim"), Span(read), Span(", of how many is not known", "dim")]
        return [line] if read else []
    catch_up = consumer.catch_up
    left = "" if catch_up.seconds_left is None else f", {fmt.span(catch_up.seconds_left)} left"
    label, share = "  progress   ", f" {catch_up.percent:.1f} %"
    speed = f"  {fmt.short(catch_up.per_second)} {printable(catch_up.unit or consumer.unit)}/s{left}"
    # The bar gives way to how long it takes.
    size = max(6, min(50, width - len(label) - len(share) - len(speed)))
    return [
        [
            Span(label, "dim"),
            Span(bar(catch_up.percent / 100, size, plain=plain), "notice"),
            Span(share, "strong"),
            Span(speed, "dim"),
        ]
    ]


def _troubles(node: Node, consumer: Consumer, now_s: float) -> list[tuple[str, str]]:
    found = []
    if consumer.error:
        found.append((printable(consumer.error), "warning"))
    if consumer.alarm is not None:
        found.append((f"alarm of {fmt.moment(consumer.alarm.time)}: {printable(consumer.alarm.reason)}", "alarm"))
    for warning in consumer.details.get("warnings", ()) if isinstance(consumer.details.get("warnings"), list) else ():
        found.append((printable(str(warning)), "warning"))
    view = node.status.value.view if node.status is not None else None
    if view is not None and view.held is not None:
        found.append((f"{sentence(view.held, now_s)}: h shows what, and asks", "alarm"))
    if view is not None and view.rebuild:
        found.append((f"a second view is filled: {printable(view.rebuild)}; answers go on from the first", "notice"))
    if view is not None and view.last_rebuild is not None:
        last = view.last_rebuild
        came = (
            ""
            if last.same_data is None
            else ", the data was the same"
            if last.same_data
            else f", {last.added} added, {last.removed} removed, {last.changed} changed"
        )
        found.append(
            (
                (f"last rebuild {fmt.when(last.time / 1000 if last.time > 1e11 else last.time, now_s)}: "
                f"{printable(last.reason)}, {fmt.span(last.seconds)}{came}"),
                "dim",
            )
        )
    return found


def _per_second(value: float | None) -> str:
    return fmt.UNKNOWN if value is None else f"{fmt.rate(value)}/s"


def _pair(label: str, text: str) -> Line:
    return [Span(f"  {label.ljust(11)}", "dim"), Span(text)]


class Log(Pane):
    """The consumer and its partitions."""

    wants: ClassVar[frozenset[str]] = frozenset({"consumer"})
    help: ClassVar[str] = (
        "The log is where all data comes from; the consumer reads it and applies it to the view that answers.\n"
        "Each line is a partition: the position that is applied, the end of the log as of the last look, and what lies "
        "between, in events and in seconds. A bar is full at ten seconds, or at the longest lag. A position counts "
        "octets of a file log, events of Kafka; rate is how much it grows in a second. One of Pulsar is the id of a "
        "message: only the order of ids counts, so there is no rate.\n"
        "following: all is applied as it comes. catching-up: the view is filled for the first time. rebuilding: a "
        "second view is filled while the first one answers. held: that one is filled, and waits because too much would "
        "go away by it. reconnecting: the log is out of reach; what is there is "
        "answered. view-full: there is no room for more."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("R", "rebuild", "rebuild", show=False),
        Binding("w", "wait", "wait", show=False),
        Binding("h", "held", "what would go", show=False),
    ]

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.summary = _LogSummary(host)
        self.list = Rows(
            [
                Column(
                    title="topic",
                    cell=lambda row: printable(topic_text(row.topic)),
                    least=10,
                    order=lambda row: row.topic,
                    middle=True,
                ),
                figure("part", lambda row: row.partition, 5, str),
                Column(
                    title="position",
                    cell=lambda row: position(row.topic, row.position),
                    width=15,
                    right=True,
                    order=lambda row: row.position,
                ),
                Column(
                    title="end",
                    cell=lambda row: position(row.topic, row.end),
                    width=15,
                    right=True,
                    optional=4,
                    order=lambda row: row.end,
                ),
                figure("rate", self._rate, 8, _per_second, optional=6),
                Column(title="lag", cell=self._bar, width=_BAR, optional=2),
                figure("events", lambda row: row.lag_events, 6, fmt.short, optional=1),
                figure("behind", lambda row: row.lag_seconds, 8, fmt.span),
                figure("last event", lambda row: row.last_event, 10, self._ago, optional=3),
                Column(title="state", cell=self._state, width=12, optional=4, order=lambda row: row.state),
            ],
            key=lambda row: (row.topic, row.partition),
            nothing="no partition is known yet",
            needle=lambda row: f"{row.topic} {row.partition} {row.state}",
        )

    def compose(self) -> ComposeResult:
        """A summary above the list."""
        yield self.summary
        yield self.list

    def title(self) -> str:
        """Its name."""
        return "log"

    def key_hints(self) -> list[Key]:
        """What can be done here."""
        held = held_of(self.host.snapshot.node) is not None
        return [
            *([Key("h", "what would go")] if held else []),
            rebuild_key(self.host.snapshot.node),
            Key("w", "wait" if held else "wait for an offset"),
            Key("/", "filter"),
            Key("←→ s", "sort"),
            Key("c", "copy"),
            Key("y", "JSON"),
        ]

    def show(self, snapshot: Snapshot) -> None:
        """The consumer of now."""
        lines = summary(snapshot.node, snapshot.at_s, self.size.width or 80, plain=self.host.plain_signs())
        self.summary.styles.height = len(lines) + 1
        self.summary.repaint()
        consumer = snapshot.node.consumer
        self.list.dim(snapshot.stale(consumer))
        if consumer is not None:
            self.list.show(consumer.value.partitions)
        self.host.retitle()

    def as_of(self, snapshot: Snapshot) -> float | None:
        """When the consumer came."""
        part = snapshot.node.consumer
        return part.at_s if part is not None else None

    def action_rebuild(self) -> None:
        """Have the view made anew."""
        start_rebuild(self.host)

    def action_held(self) -> None:
        """What a view that is held would take away."""
        if held_of(self.host.snapshot.node) is not None:
            self.host.enter(Held(self.host))

    def action_wait(self) -> None:
        """Wait on all nodes for an offset: the last event of this partition unless another one is typed."""
        row = self.list.row
        if row is not None:
            self.host.begin_line(":", f"wait {last_event(row)}")

    def to_copy(self) -> str:
        """Partition and position."""
        row = self.list.row
        return place(row.topic, row.partition, row.position) if row is not None else ""

    def to_json(self) -> Any | None:
        """The consumer as the API gives it."""
        consumer = self.host.snapshot.node.consumer
        return consumer.value if consumer is not None else None

    def _rate(self, row: ConsumerPartition) -> float | None:
        consumer = self.host.snapshot.node.consumer
        if consumer is not None and consumer.value.unit == IDS:
            return None
        return self.host.snapshot.node.speeds.of(row.topic, row.partition)

    def _ago(self, at_ms: int) -> str:
        return fmt.when(at_ms / 1000, self.host.snapshot.at_s)

    def _bar(self, row: ConsumerPartition) -> Line:
        if row.end <= row.position:
            return [Span("·" * _BAR, "rule")]
        most_s = max(_FULL_S, *(each.lag_seconds for each in self.list.rows))
        # What is behind is seen, however little it is.
        share = max(0.02, row.lag_seconds / most_s)
        return [Span(bar(share, _BAR, plain=self.host.plain_signs()), "warning" if row.lag_seconds > 10 else "notice")]

    def _state(self, row: ConsumerPartition) -> Line:
        meaning = Meaning.OK if row.state == "at the end" else Meaning.NOTICE
        return [sign(meaning, plain=self.host.plain_signs()), Span(f" {row.state}")]
