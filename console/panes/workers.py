"""The workers of a node (DNS_WORKERS), a row each: what it does since when, its load, and what ended the one before."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult

from streamdns.admin.schema.state import WorkerState

from .. import format as fmt
from ..lines import Line, Span, printable, wrap
from ..model import Meaning, Node, Snapshot
from ..signs import sign
from ..widgets.canvas import Canvas
from ..widgets.columns import Column, figure
from ..widgets.rows import Rows
from .pane import Host, Key, Pane


def workers_of(node: Node) -> list[WorkerState]:
    """The workers of a node; none where one process does everything, or nothing is known of it yet."""
    return node.status.value.workers if node.status is not None else []


class _Ended(Canvas):
    """What ended the process that was there before, of the worker that the cursor is on."""

    DEFAULT_CSS = "_Ended { height: 3; max-height: 30%; }"

    def __init__(self) -> None:
        super().__init__()
        self.row: WorkerState | None = None

    def paint(self, width: int, height: int) -> list[Line]:
        """In a sentence, where there is something to say."""
        row = self.row
        if row is None or not row.error:
            return []
        text = f"worker {row.number}, the process before: {printable(row.error)}"
        return [[Span(f"  {line}", "warning")] for line in wrap(text, max(8, width - 4))]


class Workers(Pane):
    """The list of workers."""

    help: ClassVar[str] = (
        "With DNS_WORKERS set several processes answer queries, and the main one does everything else. Each row is one "
        "of them.\n"
        "q/s are the queries that it answers: the kernel gives each client, by address and port, to one worker, so a "
        "few busy clients make rows differ. CPU is its part of one processor; at 100 % more workers help where "
        "processors are idle. late is the longest that a query waited for its turn within the last minute. memory has "
        "pages of the view in it, which all workers share.\n"
        "restarts counts processes that ended or hung and were replaced; what ended the last one stands below the list."
    )

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._detail = _Ended()
        self.list = Rows(
            [
                figure("worker", lambda row: row.number, 6, str),
                Column(title="state", cell=self._state, width=12, order=lambda row: row.state),
                figure("for", self._since, 12, fmt.span, optional=3),
                figure("q/s", lambda row: self._rate("workers.queries", row), 8, fmt.rate),
                figure("CPU", lambda row: self._rate("workers.cpu_seconds", row), 6, fmt.percent),
                figure("late ms", lambda row: self._gauge("workers.hub_late_max_seconds", row), 8, fmt.millis,
                       optional=2),
                figure("memory", lambda row: self._gauge("workers.resident_bytes", row), 9, fmt.octets, optional=1),
                figure("restarts", lambda row: row.restarts, 8),
                figure("process", lambda row: row.pid, 8, _pid, optional=4),
            ],
            key=lambda row: row.number,
            nothing="one process does everything: DNS_WORKERS is not set",
            needle=lambda row: f"{row.number} {row.state} {row.error}",
        )

    def compose(self) -> ComposeResult:
        """The list, and more of the row below."""
        yield self.list
        yield self._detail

    def title(self) -> str:
        """How many there are."""
        return f"workers ({len(workers_of(self.host.snapshot.node))})"

    def key_hints(self) -> list[Key]:
        """What a list does."""
        return [Key("/", "filter"), Key("←→ s", "sort"), Key("c", "copy"), Key("y", "JSON"), Key("esc", "back")]

    def show(self, snapshot: Snapshot) -> None:
        """The workers of now."""
        self.list.dim(not snapshot.node.live)
        self.list.show(workers_of(snapshot.node))
        self._say(self.list.row)
        self.host.retitle()

    def as_of(self, snapshot: Snapshot) -> float | None:
        """When the status came."""
        part = snapshot.node.status
        return part.at_s if part is not None else None

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        self._say(event.row)

    def _say(self, row: WorkerState | None) -> None:
        self._detail.row = row
        self._detail.repaint()

    def to_copy(self) -> str:
        """The id of the process."""
        row = self.list.row
        return "" if row is None or row.pid is None else str(row.pid)

    def to_json(self) -> Any | None:
        """What the API says of it."""
        return self.list.row

    def _state(self, row: WorkerState) -> Line:
        meaning = {"answering": Meaning.OK, "starting": Meaning.NOTICE}.get(row.state, Meaning.WARNING)
        return [sign(meaning, plain=self.host.plain_signs()), Span(f" {printable(row.state)}", meaning.value)]

    def _since(self, row: WorkerState) -> float:
        return max(0.0, self.host.snapshot.at_s - row.since)

    def _rate(self, name: str, row: WorkerState) -> float | None:
        labels = (str(row.number),)
        return self.host.snapshot.node.history.rate(name, where=lambda key: key[1] == labels)

    def _gauge(self, name: str, row: WorkerState) -> float | None:
        totals = self.host.snapshot.node.history.totals
        return None if totals is None else totals.gauges.get((name, (str(row.number),)))


def _pid(pid: int | None) -> str:
    return fmt.UNKNOWN if pid is None else str(pid)
