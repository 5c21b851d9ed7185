"""What the resolver's cache knows of one name, and one name resolved now, step by step."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from streamdns.admin.schema.resolver import Trace as TraceDocument

from .. import calls
from .. import format as fmt
from ..actions import refusal, start_flush
from ..lines import Line, Span, printable, rule, wrap
from ..model import Role
from ..widgets.page import Page
from .pane import Host, Key, Pane

HELP = (
    "A name in the resolver's cache: what is kept for it, for how long, and what came of asking. What has ended is "
    "kept for a day, for when no server answers.\n"
    "t resolves the name now and shows each step: which server is asked, what it says, how long it took. It begins "
    "with what the cache knows; flush the name first (F) to see it from the root down."
)


class Cached(Pane):
    """What the cache knows of one name, and how it is resolved now."""

    every_s: ClassVar[float | None] = None
    help: ClassVar[str] = HELP
    narrows = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("F", "flush(False)", "flush", show=False),
        Binding("B", "flush(True)", "flush below", show=False),
        Binding("t", "trace", "trace", show=False),
    ]

    def __init__(self, host: Host, name: str, rdtype: str = "A") -> None:
        super().__init__(host)
        self.cached_name, self.rdtype = name, rdtype
        self._found: dict[str, Any] | None = None
        self._problem = "asking …"
        self._trace: TraceDocument | None = None
        self._tracing = ""
        self._page = Page(self.lines)

    def compose(self) -> ComposeResult:
        """A page that scrolls."""
        yield self._page

    def title(self) -> str:
        """The name."""
        return f"cache: {self.cached_name}"

    def key_hints(self) -> list[Key]:
        """What can be done with it."""
        why = refusal(self.host.snapshot.node, Role.OPERATOR)
        return [
            Key("t", "trace", why),
            Key("F", "flush", why),
            Key("B", "flush with all below", why),
            Key("r", "again"),
            Key("y", "JSON"),
            Key("esc", "back"),
        ]

    def focus_first(self) -> None:
        """Keys scroll."""
        self._page.focus()

    def on_mount(self) -> None:
        """Ask."""
        self.again()

    def again(self) -> None:
        """Ask anew."""
        self.fetch(calls.cached(self.cached_name), self._take, self._failed)

    def forget(self) -> None:
        """Another node has a cache of its own."""
        self._found = self._trace = None
        self._problem, self._tracing = "asking …", ""
        self._page.again()

    def action_trace(self) -> None:
        """Resolve it now, and show how."""
        if why := refusal(self.host.snapshot.node, Role.OPERATOR):
            self.host.tell(why, wrong=True)
            return
        self._trace, self._tracing = None, "resolving …"
        self._page.again()
        self.fetch(calls.trace(self.cached_name, self.rdtype), self._take_trace, self._no_trace)

    def action_flush(self, below: bool) -> None:
        """Forget it."""
        start_flush(self.host, self.cached_name, below=below)

    def _take(self, found: dict[str, Any]) -> None:
        self._found = found
        self._page.again()

    def _failed(self, sentence: str) -> None:
        self._found, self._problem = None, sentence
        self._page.again()

    def _take_trace(self, trace: TraceDocument) -> None:
        self._trace, self._tracing = trace, ""
        self._page.again()
        self.again()

    def _no_trace(self, sentence: str) -> None:
        self._tracing = sentence
        self._page.again()

    # -- drawing

    def lines(self, width: int) -> list[Line]:
        """The page."""
        head: list[Line] = [[Span(f"  {printable(self.cached_name)}", "strong")], []]
        return [*head, rule("in the cache", width), *self._cache_lines(width), *self._trace_lines(width)]

    def _cache_lines(self, width: int) -> list[Line]:
        if self._found is None:
            return [[Span(f"  {text}", "dim")] for text in wrap(self._problem, width - 4)]
        lines: list[Line] = []
        for entry in self._found.get("entries", ()):
            kind, ttl = str(entry.get("kind")), entry.get("ttl") or 0
            left = f"{fmt.span(float(ttl))} left" if ttl > 0 else "ended, kept for when nobody answers"
            lines.append(
                [
                    Span(f"  {entry.get('type') or 'the name':8}", "strong"),
                    Span(kind, "warning" if kind == "failure" else ""),
                    Span(f"  {left}", "dim"),
                    Span(f"  {printable(str(entry.get('detail') or ''))}", "dim"),
                ]
            )
            lines += [[Span(f"    {printable(str(record))}")] for record in entry.get("records", ())]
        return lines or [[Span("  nothing is known of this name", "dim")]]

    def _trace_lines(self, width: int) -> list[Line]:
        if self._trace is None:
            return [[], [Span(f"  {self._tracing}", "dim")]] if self._tracing else []
        trace = self._trace
        lines: list[Line] = [[], rule(f"resolved now: {trace.type}", width)]
        for step in trace.steps:
            said = step.startswith(";")
            text = printable(step.removeprefix("; "))
            lines += [
                [Span("  " if said else "      "), Span(piece, "" if said else "dim")]
                for piece in wrap(text, max(10, width - 8))
            ]
        meaning = "ok" if trace.rcode == "NOERROR" and trace.answer else "warning"
        queries = fmt.plural(trace.queries, "query", "queries")
        lines.append(
            [
                Span(f"  {trace.rcode}", meaning),
                Span(f"  {queries}, {trace.seconds * 1000:,.0f} ms", "dim"),
                Span(f"  {printable(trace.detail)}" if trace.detail else "", "warning"),
            ]
        )
        return lines + [[Span(f"  {printable(record)}", "strong")] for record in trace.answer]

    def to_copy(self) -> str:
        """The steps, or the name."""
        return "\n".join([*self._trace.steps, *self._trace.answer]) if self._trace is not None else self.cached_name

    def to_json(self) -> Any | None:
        """What the API says."""
        return self._trace if self._trace is not None else self._found
