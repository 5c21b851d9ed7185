"""The resolver: its cache, what it asks, which servers are slow or dead; a name looked up in the cache, or traced."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from streamdns.admin.schema.resolver import ServerSeen

from .. import format as fmt
from ..actions import refusal, start_flush
from ..asking import absolute
from ..command_line import is_type
from ..lines import Line, Span, clip, printable
from ..model import Meaning, Node, Role, Snapshot
from ..plot import bar
from ..signs import sign
from ..widgets.canvas import Canvas
from ..widgets.columns import Column
from ..widgets.rows import Rows
from .cached import Cached
from .pane import Host, Key, Pane

_RTT = "resolver.rtt_seconds"
#: From this width on there is room for a long bar.
_ROOMY = 100


class _ResolverSummary(Canvas):
    """Cache and questions."""

    DEFAULT_CSS = "_ResolverSummary { height: 6; max-height: 50%; }"

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def paint(self, width: int, height: int) -> list[Line]:
        """A line for each."""
        return [clip(line, width) for line in summary(self._host.snapshot.node, width, plain=self._host.plain_signs())]


def summary(node: Node, width: int, *, plain: bool = False) -> list[Line]:
    """What there is to say of the resolver of a node."""
    if node.resolver is None:
        return [[Span(f"  {node.denied.get('resolver', 'asking …')}", "dim")]]
    told, history = node.resolver.value, node.history
    if not told.get("enabled"):
        return [[Span("  the resolver is off: DNS_RECURSION_ALLOW is none", "dim")]]
    cache = told.get("cache", {})
    share = cache.get("bytes", 0) / max(1, cache.get("most_bytes", 1))
    lookups, hits = sum(history.growth("resolver.queries").values()), sum(history.growth("resolver.hits").values())
    p50, p99 = history.quantiles(_RTT, 0.5, 0.99)
    outgoing = history.growth("resolver.outgoing")
    total_out = sum(outgoing.values())
    failed = sum(value for labels, value in outgoing.items() if labels[-1:] != ("answered",))
    primed = told.get("primed_seconds_ago")
    return [
        [
            Span("  cache      ", "dim"),
            Span(bar(share, 20 if width >= _ROOMY else 8, plain=plain), "accent"),
            Span(f" {fmt.octets(cache.get('bytes'))} of {fmt.octets(cache.get('most_bytes'))}"),
            Span(
                f"   {fmt.count(cache.get('entries'))} entries, {fmt.count(cache.get('messages'))} ready, "
                f"{fmt.count(cache.get('evicted'))} evicted",
                "dim",
            ),
        ],
        [
            Span("  asked      ", "dim"),
            Span(f"{fmt.rate(history.rate('resolver.queries'))}/s".rjust(8), "strong"),
            Span("   hit ", "dim"),
            Span(fmt.percent(hits / lookups if lookups else None).rjust(6)),
            Span("   failed ", "dim"),
            Span(f"{fmt.rate(history.rate('resolver.failures'))}/s"),
            Span("   stale ", "dim"),
            Span(f"{fmt.rate(history.rate('resolver.stale'))}/s"),
        ],
        [
            Span("  outgoing   ", "dim"),
            Span(f"{fmt.rate(history.rate('resolver.outgoing'))}/s".rjust(8), "strong"),
            Span("   rtt p50 ", "dim"),
            Span(fmt.millis(p50).rjust(5)),
            Span(" p99 ", "dim"),
            Span(fmt.millis(p99).rjust(6)),
            Span(" ms", "dim"),
            Span("   not answered ", "dim"),
            Span(fmt.percent(failed / total_out if total_out else None)),
        ],
        [
            Span("  running    ", "dim"),
            Span(
                f"{fmt.count(told.get('running'))} questions, "
                f"{fmt.count(told.get('clients_waiting'))} clients wait, "
                f"{fmt.count(told.get('queries_out'))} queries are out"
            ),
        ],
        [
            Span("  roots      ", "dim"),
            Span(fmt.count(len(told.get("roots", ()))) + " addresses"),
            Span(f", primed {fmt.age(primed)} ago" if primed is not None else ", not primed", "dim"),
            Span(f"   {fmt.count(told.get('servers'))} servers known", "dim"),
            Span(f"   {len(told.get('forwards', ()))} forwarded zones" if told.get("forwards") else "", "dim"),
        ],
    ]


class Resolver(Pane):
    """Cache, outgoing queries, servers."""

    wants: ClassVar[frozenset[str]] = frozenset({"resolver"})
    help: ClassVar[str] = (
        "Names that are not ours are resolved for clients that may ask for it, from the root down, with a cache.\n"
        "hit is the share of their questions that the cache answered within the last minute. The list has name servers "
        "that were asked: those that do not answer first, then the slowest.\n"
        "/ with a name and perhaps a type shows what the cache knows of it; there t resolves it now, step by step, and "
        "F has it forgotten. F here forgets everything."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("F", "flush", "flush", show=False)]

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.summary = _ResolverSummary(host)
        self.list = Rows(
            [
                Column(title="server", cell=lambda row: printable(row.address), order=lambda row: row.address),
                Column(
                    title="rtt",
                    cell=lambda row: f"{fmt.millis(row.rtt_seconds)} ms",
                    width=10,
                    right=True,
                    order=lambda row: row.rtt_seconds,
                ),
                Column(title="state", cell=self._state, weight=2, order=lambda row: row.timeouts_in_a_row),
            ],
            key=lambda row: row.address,
            nothing="no server was asked yet",
        )

    def compose(self) -> ComposeResult:
        """A summary above the servers."""
        yield self.summary
        yield self.list

    def title(self) -> str:
        """Its name."""
        return "resolver"

    def key_hints(self) -> list[Key]:
        """What can be done here."""
        return [
            Key("/", "name in the cache"),
            Key("F", "flush all", refusal(self.host.snapshot.node, Role.OPERATOR)),
            Key("←→ s", "sort"),
            Key("c", "copy"),
            Key("y", "JSON"),
        ]

    def show(self, snapshot: Snapshot) -> None:
        """The resolver of now."""
        self.summary.repaint()
        resolver = snapshot.node.resolver
        servers = snapshot.node.servers
        self.list.dim(snapshot.stale(resolver))
        if resolver is not None and not resolver.value.get("enabled"):
            self.list.nothing = ""
        elif "servers" in snapshot.node.denied:
            self.list.nothing = snapshot.node.denied["servers"]
        self.list.show(servers.value.servers if servers is not None else ())
        self.host.retitle()

    def as_of(self, snapshot: Snapshot) -> float | None:
        """When the resolver came."""
        part = snapshot.node.resolver
        return part.at_s if part is not None else None

    def narrow(self, text: str) -> None:
        """A name is looked up with enter; servers are not narrowed."""

    def search(self, text: str) -> bool:
        """Look a name up in the cache."""
        names = [word for word in text.split() if not is_type(word)]
        types = [word.upper() for word in text.split() if is_type(word)]
        if names:
            self.host.enter(Cached(self.host, absolute(names[0].lower()), types[0] if types else "A"))
        return True

    def action_flush(self) -> None:
        """Forget everything."""
        start_flush(self.host, "")

    def to_copy(self) -> str:
        """The address of the server."""
        row = self.list.row
        return row.address if row is not None else ""

    def to_json(self) -> Any | None:
        """The resolver as the API gives it."""
        resolver = self.host.snapshot.node.resolver
        return resolver.value if resolver is not None else None

    def _state(self, row: ServerSeen) -> Line:
        plain = self.host.plain_signs()
        timeouts = f"{fmt.plural(row.timeouts_in_a_row, 'time-out')}"
        if row.left_alone_seconds > 0:
            left = f", left alone for {fmt.span(row.left_alone_seconds)}"
            if row.cpu_owed_seconds > 0 and not row.timeouts_in_a_row:
                return [sign(Meaning.ALARM, plain=plain), Span(f" costly replies{left}", "alarm")]
            return [sign(Meaning.ALARM, plain=plain), Span(f" {timeouts}{left}", "alarm")]
        if row.timeouts_in_a_row:
            return [sign(Meaning.WARNING, plain=plain), Span(f" {timeouts}", "warning")]
        return [sign(Meaning.OK, plain=plain)]
