"""Terminals of any size, at any moment: nothing that is said of a size, or of a key, ends the console."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streamdns.admin.schema import data
from tests.console import fake
from tests.console.driving import console, press, run, screen_lines, screen_text, settled
from tests.console.fake import NOW_S, FakeReader, node, snapshot
from tests.console.test_panes import NO_DNS, RECORD, many_records
from tests.harness import free_port
from tests.harness.process import ROOT, clean_environment, end

TINY = ((1, 1), (5, 2), (39, 9), (200, 1))
#: Keys that lead to every screen, and to what opens in front of one.
PLACES = (
    ("1",), ("2",), ("enter",), ("slash", "x"), ("3",), ("R",), ("4",), ("enter",), ("5",), ("6",), ("7",), ("8",),
    ("y",), ("question_mark",), ("ctrl+l",), ("ctrl+p",), ("colon", "x"), ("colon", *"www.shop.example a", "enter"),
)
#: Octets that are no UTF-8, numbers that are no character, a mouse that tells where it is in a way of long ago.
NONSENSE = (
    b"\xff\xfe", b"\xe9", b"\x1b[99999999999u", b"\x1b[M\xff\xff\xff", b"\x1b[<;;M", b"\x1b[1;1;99999999999u",
    b"\x1b[200~\xe4\xf6\x1b[201~",
)
PATIENCE_S = 60.0


def answers() -> dict[str, object]:
    """Something for every screen."""
    return {
        **many_records(700)[0],
        **RECORD,
        "/v1/quarantine": data.QuarantinePage(
            quarantined=[fake.quarantined(number) for number in range(30)], total=30, next=None
        ),
        "/v1/conflicts": data.ConflictPage(conflicts=[], total=0, next=None),
    }


@pytest.mark.slow
def test_every_screen_at_sizes_that_nobody_has() -> None:
    """What does not fit is cut off; with room again all of it is there again."""

    async def test() -> None:
        shown = snapshot(node(status=fake.Part(NO_DNS, NOW_S), consumer=fake.Part(fake.consumer(), NOW_S)))
        reader = FakeReader(shown, answers())
        async with console(reader, size=(80, 24)) as (app, pilot):
            first = screen_lines(app)[0]
            for place in PLACES:
                await press(pilot, *place)
                for size in TINY:
                    await pilot.resize_terminal(*size)
                    reader.show(shown)
                    await pilot.press("down")
                    assert len(screen_lines(app)) == size[1], (place, size)
                await pilot.resize_terminal(80, 24)
                await settled(pilot)
                while len(app.screen_stack) > 1 or app.prompt.display:
                    await press(pilot, "escape")
                assert screen_lines(app)[0] == first, place

    run(test)


@pytest.mark.parametrize("size", [(1, 1), (5, 2)], ids=str)
def test_a_console_that_begins_in_no_room(size: tuple[int, int]) -> None:
    """All screens, and then there is room."""

    async def test() -> None:
        async with console(FakeReader(snapshot(), answers()), size=size) as (app, pilot):
            await press(pilot, *"2345678")
            await pilot.resize_terminal(80, 24)
            await settled(pilot)
            assert "fleet (3 nodes)" in screen_text(app)

    run(test)


def test_what_matters_has_room_in_the_smallest_terminal() -> None:
    """The value of a metric, the position of a partition, the row of a node, the end of a name."""
    wanted = {"3": ("dns", "1,500,000", "0.0 s"), "7": ("dns.queries", "5,000"), "8": ("ns1.ex", "● serving", "ns2")}

    async def test() -> None:
        shown = snapshot(node(consumer=fake.Part(fake.consumer(), NOW_S)))
        async with console(FakeReader(shown, answers()), size=(40, 10)) as (app, pilot):
            for key, texts in wanted.items():
                await press(pilot, key)
                text = screen_text(app)
                assert [each for each in texts if each not in text] == [], text

    run(test)


class Pty:
    """A console of a node that is not there, in a terminal that can have any size."""

    def __init__(self, before: str = "") -> None:
        self.master, slave = pty.openpty()
        self.resize(80, 24)
        env = clean_environment({"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"})
        run_it = f"{before}; import sys; from streamdns_console.cli import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", run_it.removeprefix("; "), f"127.0.0.1:{free_port()}"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.seen = b""

    def resize(self, width: int, height: int) -> None:
        """Another size; the process is told by SIGWINCH."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def read(self, wait_s: float) -> bool:
        """Take what was written; False where nothing came."""
        ready, _, _ = select.select([self.master], [], [], wait_s)
        if not ready:
            return False
        try:
            self.seen = (self.seen + os.read(self.master, 65536))[-400_000:]
        except OSError:
            return False
        return True

    def waits_for(self, text: bytes) -> None:
        """Until it was written, wherever."""
        until_s = time.monotonic() + PATIENCE_S
        while text not in self.seen:
            assert self.process.poll() is None, self.seen[-3000:].decode(errors="replace")
            assert time.monotonic() < until_s, self.seen[-3000:].decode(errors="replace")
            self.read(0.1)

    def ends(self) -> int:
        """The exit status; what it writes meanwhile is read, for it waits for that."""
        until_s = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < until_s, "it does not end"
            self.read(0.1)
        return self.process.returncode


@contextmanager
def started(before: str = "") -> Iterator[Pty]:
    """A console that has just been started, and is killed in the end; `before` is what Python does first."""
    opened = Pty(before)
    try:
        yield opened
    finally:
        end(opened.process, signum=signal.SIGKILL)
        os.close(opened.master)


def test_a_size_that_no_signal_told() -> None:
    """Linux sends SIGWINCH before the new size can be read: whoever reads too early is told no more."""
    deaf = (
        "import signal; real = signal.signal; "
        "signal.signal = lambda number, handler: None if number == signal.SIGWINCH else real(number, handler)"
    )
    with started(deaf) as terminal:
        terminal.waits_for(b"disconnected")
        assert b"help" not in terminal.seen
        terminal.resize(140, 30)
        terminal.waits_for(b"help")


def test_a_terminal_that_changes_and_talks_nonsense() -> None:
    """Hundreds of sizes from the start on, while the node is away; octets that are no text, keys that are none."""
    with started() as terminal:
        change_and_talk(terminal)


def change_and_talk(terminal: Pty) -> None:
    """Sizes, then what no keyboard says, then the key that ends it."""
    sizes = [*TINY, (80, 24), (160, 45), (40, 10), (300, 100)]
    for number in range(300):
        terminal.resize(*sizes[number % len(sizes)])
        terminal.read(0.01)
        assert terminal.process.poll() is None, terminal.seen[-3000:].decode(errors="replace")
    terminal.resize(100, 30)
    terminal.waits_for(b"disconnected")
    for size in sizes:
        terminal.resize(*size)
        terminal.read(0.1)
    terminal.resize(100, 30)
    for number, nonsense in enumerate(NONSENSE):
        terminal.seen = b""
        os.write(terminal.master, nonsense + b"\x1b[I" + (b"7" if number % 2 else b"8"))
        # Titles that nothing else on the screen holds: what was drawn before is not taken for them.
        terminal.waits_for(b"metrics (0)" if number % 2 else b"fleet (1 node)")
    os.write(terminal.master, b"q")
    assert terminal.ends() == 0, terminal.seen[-3000:].decode(errors="replace")
    assert b"Traceback" not in terminal.seen
