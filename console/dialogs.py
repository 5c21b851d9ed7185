"""Windows in front of a screen: help, a question before something is done, signing in, a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from .api import ApiProblem
from .glyphs import spelled
from .panes.pane import Host
from .tokens import check_token

#: Keys that do the same on every screen.
EVERYWHERE: Final = (
    ("1 … 8", "the screens; each is where you left it"),
    ("⏎", "go in"),
    ("esc", "go back"),
    ("↑ ↓ PgUp PgDn g G", "move in a list"),
    ("← →  s", "choose a column, sort by it; again: the other way"),
    ("/", "narrow the list as you type, or search"),
    ("c", "copy (OSC 52: also over SSH, where the terminal allows it)"),
    ("y", "the same as JSON"),
    (":", "go to a name, a zone, or do something: :www.example.org A, :zone example.org, :wait …"),
    ("[ ]", "the node before, the next node, where several are watched"),
    ("r", "ask again now"),
    ("T", "light or dark"),
    ("ctrl+l", "sign in"),
    ("ctrl+p", "everything there is, by name"),
    ("q", "quit"),
)
_CSS = """
Dialog { align: center middle; background: $background 60%; }
Dialog > Vertical {
    width: 76; max-width: 96%; height: auto; max-height: 90%; padding: 1 2; background: $surface; border: round $accent;
    border-title-color: $accent; border-title-style: bold;
}
Dialog Static { width: 1fr; }
Dialog Input { margin: 1 0 0 0; }
Dialog .buttons { layout: horizontal; height: 3; align: right middle; margin: 1 0 0 0; }
Dialog Button { margin: 0 0 0 2; }
Dialog VerticalScroll {
    height: auto; max-height: 100%; scrollbar-size-vertical: 1; scrollbar-background: $surface; scrollbar-color: $rule;
}
Dialog .dim { color: $dim; }
Dialog .wrong { color: $error; }
"""


class Dialog(ModalScreen[bool]):
    """A window that escape closes."""

    DEFAULT_CSS = _CSS
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close", show=False)]

    def action_close(self) -> None:
        """Close it, and do nothing."""
        self.dismiss(False)


class Help(Dialog):
    """What a screen shows and what its keys do, in plain words."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,q,enter", "close", show=False)]

    def __init__(self, title: str, text: str, keys: Sequence[tuple[str, str]], *, plain: bool = False) -> None:
        super().__init__()
        self._title, self._plain = title, plain
        self._text, self._keys = self._said(text), [(self._said(key), self._said(what)) for key, what in keys]

    def _said(self, text: str) -> str:
        return spelled(text) if self._plain else text

    def compose(self) -> ComposeResult:
        """Text, then keys."""
        with Vertical() as window:
            window.border_title = f"help: {self._title}"
            with VerticalScroll():
                yield Static("\n\n".join(self._text.split("\n")), markup=False)
                widest = max((len(key) for key, _ in self._keys), default=0)
                lines = "\n".join(f"{key.ljust(widest)}  {what}" for key, what in self._keys)
                yield Static("\n" + lines, markup=False, classes="dim")


class Question(Dialog):
    """Asks before something is done; what it does is said first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", show=False),
        Binding("n,q", "close", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, effect: str, yes: str) -> None:
        super().__init__()
        self._title, self._effect, self._yes = title, effect, yes

    def compose(self) -> ComposeResult:
        """The effect, and two buttons, of which the harmless one has the focus."""
        with Vertical() as window:
            window.border_title = self._title
            yield Static(self._effect, markup=False)
            with Vertical(classes="buttons"):
                yield Button("no (esc)", id="no")
                yield Button(f"{self._yes} (y)", id="yes", variant="warning")

    def on_mount(self) -> None:
        """Enter alone does nothing."""
        self.query_one("#no").focus()

    def action_yes(self) -> None:
        """Do it."""
        self.dismiss(True)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class SignIn(Dialog):
    """A name and a password, or a token; both are kept in memory only."""

    def __init__(self, host: Host, why: str) -> None:
        super().__init__()
        self._host, self._why = host, why

    def compose(self) -> ComposeResult:
        """Three fields."""
        with Vertical() as window:
            window.border_title = f"sign in at {self._host.snapshot.node.name}"
            yield Static(self._why, markup=False, classes="dim", id="why")
            for field in (
                Input(placeholder="username", id="username", max_length=256),
                Input(placeholder="password", password=True, id="password", max_length=1024),
                Input(placeholder="or a token (streamdns token create)", password=True, id="token"),
            ):
                # A cursor that blinks is sent twice a second.
                field.cursor_blink = False
                yield field
            says = "⏎ signs in, esc goes on without; nothing is written to disk"
            yield Static(spelled(says) if self._host.plain_signs() else says, markup=False, classes="dim")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        username, password, token = (
            self.query_one(f"#{name}", Input).value for name in ("username", "password", "token")
        )
        if token:
            self._take(token)
        elif event.input.id == "username" and not password:
            self.query_one("#password").focus()
        elif username and password:
            self._wrong("asking …", wrong=False)
            self.run_worker(self._sign_in(username, password))
        else:
            self._wrong("both name and password are needed, or a token")

    def _take(self, text: str) -> None:
        try:
            token = check_token(text)
        except ValueError as error:
            self._wrong(f"what is in the field {error}")
            return
        self._host.reader.use_token(token)
        self.dismiss(True)

    async def _sign_in(self, username: str, password: str) -> None:
        try:
            await self._host.reader.sign_in(username, password)
        except ApiProblem as problem:
            self.query_one("#password", Input).value = ""
            self._wrong(str(problem))
            return
        self.dismiss(True)

    def _wrong(self, text: str, *, wrong: bool = True) -> None:
        why = self.query_one("#why", Static)
        why.set_class(wrong, "wrong")
        why.update(text)


class Document(Dialog):
    """A document as JSON, to look at and to copy."""

    DEFAULT_CSS = (
        "Document > Vertical { width: 90%; height: 90%; max-width: 120; } Document VerticalScroll { height: 1fr; }"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,q,enter", "close", show=False),
        Binding("c", "copy", show=False),
        Binding("g,home", "scroll('home')", show=False),
        Binding("G,end", "scroll('end')", show=False),
        Binding("down,j", "scroll('down')", show=False),
        Binding("up,k", "scroll('up')", show=False),
        Binding("pagedown,space", "scroll('page_down')", show=False),
        Binding("pageup", "scroll('page_up')", show=False),
    ]

    def __init__(self, host: Host, title: str, document: Any) -> None:
        super().__init__()
        self._host, self._title = host, title
        self.text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()

    def compose(self) -> ComposeResult:
        """The text."""
        with Vertical() as window:
            window.border_title = self._title
            window.border_subtitle = "c copy   esc close"
            with VerticalScroll():
                yield Static(self.text, markup=False)

    def action_copy(self) -> None:
        """All of it."""
        self._host.copy(self.text)

    def action_scroll(self, how: str) -> None:
        """Up and down."""
        scroll = self.query_one(VerticalScroll)
        {
            "home": scroll.scroll_home,
            "end": scroll.scroll_end,
            "down": scroll.scroll_down,
            "up": scroll.scroll_up,
            "page_down": scroll.scroll_page_down,
            "page_up": scroll.scroll_page_up,
        }[how](animate=False)
