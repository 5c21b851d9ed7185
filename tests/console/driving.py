"""A console under Textual's Pilot, and its screen as text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from streamdns_console.app import Console
from textual.pilot import Pilot

from tests.console.fake import FakeReader


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test that waits."""
    asyncio.run(test())


@asynccontextmanager
async def console(
    reader: FakeReader, *, size: tuple[int, int] = (80, 24), **options: Any
) -> AsyncIterator[tuple[Console, Pilot[None]]]:
    """A console on a fake reader whose clock stands, with its first snapshot drawn."""
    app = Console(reader, tick=False, **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        yield app, pilot


async def settled(pilot: Pilot[None]) -> None:
    """Everything that was asked is answered and drawn: twice in a row there was nothing left to do."""
    quiet = 0
    while quiet < 2:
        await pilot.pause()
        working = [worker for worker in pilot.app.workers if not worker.is_finished]
        quiet = 0 if working else quiet + 1
        if working:
            await pilot.app.workers.wait_for_complete(working)


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys, and wait until what they do is done."""
    await pilot.press(*keys)
    await settled(pilot)


def screen_lines(app: Console) -> list[str]:
    """What is on the screen, a line each."""
    _width, height = app.size
    return ["".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()][:height]


def screen_text(app: Console) -> str:
    """What is on the screen."""
    return "\n".join(line.rstrip() for line in screen_lines(app))
