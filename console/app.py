"""The application: bars around a stack of panes for each screen, one snapshot for all, the keys of everywhere."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, ClassVar, Final

from textual import on
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.driver import Driver
from textual.events import Resize
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input

from . import themes
from .api import ApiProblem
from .bars import SCREENS, Band, Crumbs, Footer, Header, Keys
from .dialogs import EVERYWHERE, Document, Help, Question, SignIn
from .lines import Span, printable, shorten
from .model import Link, Snapshot
from .overview import Drawing, Scales
from .panes.pane import Key, Pane
from .prompt import Prompt
from .reader import Reader
from .screens import ROOTS, name_pane, workers_pane
from .widgets.letters import LettersOnly
from .widgets.sparing import SparingScreen

#: How often ages are drawn anew where nothing comes.
_TICK_S: Final = 1.0
#: What is no screen of its own, and the one that it is on.
_ON_SCREEN: Final = {"conflicts": "refused", "workers": "fleet"}


class Published(Message):
    """A new snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot


class Console(App[None]):
    """The console of one or several nodes; `reader` is where everything comes from."""

    TITLE = "streamdns"
    ENABLE_COMMAND_PALETTE = True
    CSS = """
    SparingScreen { layout: vertical; overflow: hidden; background: $background; }
    /* Into a terminal of fewer cells it does not fit, and is cut off: nothing is laid out for less than it needs. */
    Header, Crumbs, Band, Prompt, Keys, Footer { min-width: 40; }
    #body { height: 1fr; min-width: 40; min-height: 5; }
    #body > Pane { display: none; }
    #body > Pane.front { display: block; }
    Toast { background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"go('{name}')", name, show=False) for key, name in SCREENS),
        Binding("escape", "back", "back", show=False),
        Binding("question_mark", "help", "help", show=False),
        Binding("colon", "command_line", "command", show=False),
        Binding("slash", "filter", "filter", show=False),
        Binding("c", "copy_here", "copy", show=False),
        Binding("y", "json_here", "JSON", show=False),
        Binding("r", "refresh_now", "ask again", show=False),
        Binding("T", "light_or_dark", "theme", show=False),
        Binding("left_square_bracket", "other_node(-1)", show=False),
        Binding("right_square_bracket", "other_node(1)", show=False),
        Binding("ctrl+l", "sign_in", "sign in", show=False),
        Binding("q,ctrl+q", "quit", "quit", show=False),
        Binding("tab", "app.focus_next", show=False),
    ]

    def __init__(
        self, reader: Reader, *, theme: str = themes.DARK.name, plain: bool = False, tick: bool = True,
        problem: str = "", driver: type[Driver] | None = None, drawn: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(driver_class=driver)
        self.reader = reader
        self.snapshot = reader.snapshot()
        self.drawing = Drawing(Scales(), plain)
        self._wanted_theme, self._tick, self._problem, self._drawn = theme, tick, problem, drawn
        self._stacks: dict[str, list[Pane]] = {}
        self._screen_name = "overview"
        self._header, self._band, self._crumbs = Header(self), Band(self), Crumbs()
        self._keys, self._footer, self.prompt = Keys(self), Footer(), Prompt(self)
        self._asked_to_sign_in = False
        self._whose = self.snapshot.main, self.snapshot.node.caller
        for each in themes.THEMES:
            self.register_theme(each)

    # -- life

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What themes that are not ours lack."""
        return dict(themes.DARK.variables)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own; where the font has nothing but letters, all that is drawn keeps to them."""
        filters = super().get_line_filters()
        return [*filters, LettersOnly()] if self.drawing.plain else filters

    def get_default_screen(self) -> Screen[None]:
        """One that sends little."""
        return SparingScreen()

    def compose(self) -> ComposeResult:
        """Bars above and below the body."""
        yield self._header
        yield self._crumbs
        yield self._band
        yield Container(id="body")
        yield self.prompt
        yield self._keys
        yield self._footer

    async def on_mount(self) -> None:
        """Show the overview and begin to ask."""
        self.theme = self._wanted_theme
        await self._bring("overview")
        self.reader.start(self._publish)
        if self._problem:
            self.tell(self._problem, wrong=True)
        if self._drawn is not None:
            self.call_after_refresh(self._drawn)
        if self._tick:
            self.set_interval(_TICK_S, self._age)

    async def on_unmount(self) -> None:
        """Close what is open."""
        await self.reader.stop()

    @on(Resize)
    def _resized(self, event: Resize) -> None:
        # Textual tells the screen by a timer of 8 ms, which never fires where the process is held up for as long
        # while the timer starts, and no later resize is told either. Telling twice does no harm.
        # Before there is a screen, and behind the last one, nobody has to be told.
        for screen in self.screen_stack[-1:]:
            screen.post_message(Resize(event.size, event.size))

    def _publish(self, snapshot: Snapshot) -> None:
        self.post_message(Published(snapshot))

    @on(Published)
    def _published(self, event: Published) -> None:
        self.take(event.snapshot)

    def take(self, snapshot: Snapshot) -> None:
        """Show what is known now."""
        before = self.snapshot.node.connection.link
        self.snapshot = snapshot
        self._header.repaint()
        self._band.update()
        self._outdate()
        if (pane := self.pane) is not None and pane.is_mounted:
            pane.show(snapshot)
            self.retitle()
        link = snapshot.node.connection.link
        if link is Link.SIGNED_OUT and before is not Link.SIGNED_OUT and not self._asked_to_sign_in:
            self.action_sign_in()
        elif link is Link.LIVE:
            self._asked_to_sign_in = False

    def _outdate(self) -> None:
        """Have what panes fetched asked for anew where it is another node's, or for another caller."""
        main, caller = self.snapshot.main, self.snapshot.node.caller
        other_node = main != self._whose[0]
        if other_node or caller != self._whose[1]:
            self._whose = main, caller
            for pane in [pane for stack in self._stacks.values() for pane in stack if pane.is_mounted]:
                pane.outdate(other_node=other_node)
            if self.pane is not None and self.pane.is_mounted:
                self.pane.shown()

    def _age(self) -> None:
        # Nothing came, and what is there is a second older: only that is drawn.
        fresh = self.reader.snapshot()
        if fresh.at_s - self.snapshot.at_s >= _TICK_S:
            self.take(fresh)

    # -- where one is

    @property
    def pane(self) -> Pane | None:
        """The pane in front."""
        stack = self._stacks.get(self._screen_name)
        return stack[-1] if stack else None

    def go(self, screen: str) -> None:
        """Show one of the eight screens, or what is on one of them: conflicts, workers."""
        if screen == "login":
            self.action_sign_in()
            return
        self.run_worker(self._bring(screen), group="going", exclusive=False)

    async def _bring(self, screen: str) -> None:
        root = _ON_SCREEN.get(screen, screen)
        if root not in self._stacks:
            pane = ROOTS[root](self)
            self._stacks[root] = [pane]
            await self.query_one("#body").mount(pane)
        self._screen_name = root
        await self._to_front()
        if screen == "conflicts" and self.pane is not None:
            self.pane.narrow("")
            self.pane.query_one("#conflicts").focus()
        if screen == "workers" and not isinstance(self.pane, workers_pane()):
            self.enter(workers_pane()(self))

    async def _to_front(self) -> None:
        front = self.pane
        assert front is not None
        for pane in self.query_one("#body").query_children(Pane):
            pane.set_class(pane is front, "front")
        self.prompt.close()
        self.reader.want(front.wants)
        self._footer.at(self._screen_name)
        self.retitle()
        front.shown()
        front.focus_first()

    def enter(self, pane: Pane) -> None:
        """Go one level deeper."""

        async def deeper() -> None:
            self._stacks[self._screen_name].append(pane)
            await self.query_one("#body").mount(pane)
            await self._to_front()

        self.run_worker(deeper(), group="going")

    def leave(self) -> None:
        """Go back one level; from a screen's first level to the overview."""

        async def back() -> None:
            stack = self._stacks[self._screen_name]
            if len(stack) > 1:
                await stack.pop().remove()
            elif self._screen_name != "overview":
                self._screen_name = "overview"
            await self._to_front()

        self.run_worker(back(), group="going")

    def open_name(self, name: str, rdtype: str = "") -> None:
        """The record page of a name."""
        self.enter(name_pane(self, name, rdtype))

    def retitle(self) -> None:
        """Titles and keys as they are now."""
        stack = self._stacks.get(self._screen_name, [])
        if stack:
            right = stack[-1].age(self.snapshot)
            if (several := len(self.snapshot.nodes)) > 1:
                which = Span(f"node {self.snapshot.main + 1} of {several}", "accent")
                right = [*right, Span("  "), which] if right else [which]
            self._crumbs.at([printable(pane.title()) for pane in stack], right)
            filtered = stack[-1].narrowed_by()
            keys = stack[-1].key_hints()
            self._keys.say([Key("esc", f"all again (only “{shorten(filtered, 20)}” now)"), *keys] if filtered else keys)

    # -- what panes ask for

    def plain_signs(self) -> bool:
        """Whether the terminal's font has nothing but letters."""
        return self.drawing.plain

    def tell(self, text: str, *, wrong: bool = False) -> None:
        """Say something in a corner for some seconds."""
        self.notify(printable(text), severity="error" if wrong else "information", markup=False, timeout=6)

    def exit_console(self) -> None:
        """End."""
        self.exit()

    def copy(self, text: str) -> None:
        """Into the clipboard of the terminal, and shown."""
        self.copy_to_clipboard(text)
        self.tell(f"copied: {shorten(text.splitlines()[0] if text else '', 120)}")

    def show_document(self, title: str, document: Any) -> None:
        """A document as JSON."""
        self.push_screen(Document(self, title, document))

    def begin_line(self, kind: str, text: str) -> None:
        """Open the line behind `/` or `:` with a text to go on with."""
        self.prompt.open(kind, text)

    def press(self, key: str) -> None:
        """As if somebody had pressed it."""
        self.simulate_key(key)

    def ask_first(self, title: str, effect: str, yes: str, then: Callable[[], Awaitable[None]]) -> None:
        """Ask, and then do it; what is refused is said."""

        async def run() -> None:
            try:
                await then()
            except ApiProblem as problem:
                self.tell(str(problem), wrong=True)

        def answered(agreed: bool | None) -> None:
            if agreed:
                self.run_worker(run())

        self.push_screen(Question(title, effect, yes), answered)

    # -- keys

    def action_go(self, screen: str) -> None:
        """A screen by its key; its first level where it is shown already."""
        if screen == self._screen_name and len(self._stacks.get(screen, ())) > 1:
            self.leave()
            return
        self.go(screen)

    async def action_back(self) -> None:
        """What was narrowed is whole again; then one level back."""
        pane = self.pane
        if pane is not None and pane.narrowed_by():
            pane.narrow("")
            self.retitle()
            return
        self.leave()

    def action_help(self) -> None:
        """What this screen is."""
        pane = self.pane
        if pane is not None:
            here = [
                (key.key, f"{key.what} — not now: {key.refused}" if key.refused else key.what)
                for key in pane.key_hints()
            ]
            self.push_screen(
                Help(pane.title(), pane.help, [*here, ("", ""), *EVERYWHERE], plain=self.plain_signs())
            )

    def action_filter(self) -> None:
        """Narrow the list while typing."""
        pane = self.pane
        if pane is not None and pane.narrows:
            self.prompt.open("/", pane.narrowed_by())
        elif pane is not None:
            self.prompt.open("/", "", everywhere=True)

    def action_command_line(self) -> None:
        """One line that takes a name, a zone or a command."""
        self.prompt.open(":")

    def action_copy_here(self) -> None:
        """Copy what the cursor is on."""
        pane = self.pane
        if pane is not None and (text := pane.to_copy()):
            self.copy(text)

    def action_json_here(self) -> None:
        """Show what the cursor is on as JSON."""
        pane = self.pane
        if pane is not None and (document := pane.to_json()) is not None:
            self.show_document(pane.title(), document)

    def action_refresh_now(self) -> None:
        """Ask now."""
        self.reader.refresh()
        if (pane := self.pane) is not None:
            pane.again()

    def action_light_or_dark(self) -> None:
        """The other theme."""
        pairs = {themes.DARK.name: themes.LIGHT.name, themes.DARK_16.name: themes.LIGHT_16.name}
        pairs |= {light: dark for dark, light in pairs.items()}
        self.theme = pairs.get(self.theme, themes.DARK.name)

    def action_other_node(self, step: int) -> None:
        """The node before or behind."""
        if len(self.snapshot.nodes) > 1:
            self.reader.focus((self.snapshot.main + step) % len(self.snapshot.nodes))
            self.take(self.reader.snapshot())
            self.retitle()

    def action_sign_in(self) -> None:
        """A name and a password, or a token."""
        if isinstance(self.screen, SignIn):
            return
        self._asked_to_sign_in = True
        node = self.snapshot.node
        why = node.connection.cause if node.connection.link is Link.SIGNED_OUT else "go on as somebody else"
        self.push_screen(SignIn(self, why))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Everything there is, for the palette."""
        from .palette import commands

        yield from commands(self, self.pane.key_hints() if self.pane is not None else (), self.press)
        for title, says, run in (
            ("Go to a name", "its records, history, and the answer now: :NAME TYPE", self.action_command_line),
            ("Wait for a record or an offset", "on all nodes: NAME TYPE [CONTENT] or PARTITION:OFFSET", "wait "),
            ("Search all records", "TEXT, type=MX, content=192.0.2", "search "),
            ("Go to a zone", "its records: :zone NAME", "zone "),
            ("Sign in", "with a name and password, or a token (ctrl+l)", self.action_sign_in),
            ("Ask again now", "without waiting for the next turn (r)", self.action_refresh_now),
            ("Light or dark", "the other theme (T)", self.action_light_or_dark),
            ("Theme", "any of Textual's themes", self.action_change_theme),
            ("Help", "what this screen shows, and its keys (?)", self.action_help),
            ("Quit", "q", self.exit),
        ):
            # A text is the beginning of a line that is to be gone on with.
            begin = functools.partial(self.prompt.open, ":", run) if isinstance(run, str) else run
            yield SystemCommand(title, says, begin)

    # -- the line at the bottom

    @on(Input.Changed, "Prompt Input")
    def _typed(self, event: Input.Changed) -> None:
        pane = self.pane
        if self.prompt.kind == "/" and not self.prompt.everywhere and pane is not None:
            pane.narrow(event.value)

    @on(Input.Submitted, "Prompt Input")
    def _entered(self, event: Input.Submitted) -> None:
        from .command_line import run

        text, kind, everywhere, pane = event.value.strip(), self.prompt.kind, self.prompt.everywhere, self.pane
        self.prompt.close()
        if pane is not None:
            pane.focus_first()
        if kind == ":" and text:
            run(self, text)
        elif kind == "/" and text and pane is not None and (everywhere or not pane.search(text)) and everywhere:
            run(self, f"search {text}")
        self.retitle()

    @on(Prompt.Left)
    def _left(self) -> None:
        pane = self.pane
        if pane is not None:
            if self.prompt.kind == "/":
                pane.narrow("")
            pane.focus_first()
        self.retitle()
