"""Follows the changes of one node through its event stream, taken up where it ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from streamdns.admin.schema.data import Change

from . import calls
from .api import Api, ApiProblem
from .model import Changes

#: So many changes are kept.
MOST_CHANGES: Final = 500
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
#: Changes that come within this time are shown together.
_TOGETHER_S: Final = 0.25
_PATH: Final = "/v1/journal/stream"


class Follower:
    """Gives `take` the changes as they come; start() and stop() may be called at any time."""

    def __init__(self, api: Api, take: Callable[[Changes], None], now_s: Callable[[], float]) -> None:
        self._api, self._take, self._now_s = api, take, now_s
        self._task: asyncio.Task[None] | None = None
        self._changes = Changes()
        self._after = ""
        self._fresh: list[Change] = []
        self._telling: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        """Whether changes come as they happen."""
        return self._task is not None and not self._task.done() and self._changes.live

    def start(self, changes: Changes) -> None:
        """Follow from now on, behind these changes."""
        if self._task is None or self._task.done():
            self._changes = changes
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Follow no more; where it ended is remembered."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            self._changes = replace(self._changes, live=False)

    async def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._stream()
                pause_s = _FIRST_PAUSE_S
            except (ApiProblem, msgspec.MsgspecError):
                pass
            self._changes = replace(self._changes, live=False)
            self._take(self._changes)
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    async def _stream(self) -> None:
        parameters = {"after": self._after} if self._after else {}
        async with contextlib.aclosing(self._api.events(_PATH, parameters)) as events:
            async for event in events:
                if not self._changes.live:
                    # What was written before the stream began is in the page; what comes behind it in both is one.
                    await self._load()
                self._after = event.id or self._after
                if event.kind == "lost":
                    self._changes = replace(self._changes, lost=self._changes.lost + 1)
                    await self._load()
                elif event.kind == "change":
                    self._fresh.append(msgspec.json.decode(event.data, type=Change))
                    self._tell_soon()

    async def _load(self) -> None:
        page = await self._api.ask(calls.journal({}, limit=100))
        self._fresh.clear()
        self._changes = replace(self._changes, rows=tuple(page.changes), live=True, at_s=self._now_s())
        self._take(self._changes)

    def _tell_soon(self) -> None:
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_TOGETHER_S, self._tell)

    def _tell(self) -> None:
        self._telling = None
        known = {each.id for each in self._changes.rows}
        fresh = [each for each in reversed(self._fresh) if each.id not in known]
        self._fresh.clear()
        if fresh:
            rows = (*fresh, *self._changes.rows)[:MOST_CHANGES]
            self._changes = replace(self._changes, rows=rows, at_s=self._now_s())
            self._take(self._changes)
