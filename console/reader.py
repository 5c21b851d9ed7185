"""Where the console has everything from: the protocol that screens rely on, and the one that asks real nodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from . import calls
from .api import Api
from .calls import Call
from .model import Snapshot
from .watch import NodeWatch, Renew

T = TypeVar("T")


class Reader(Protocol):
    """Publishes snapshots, and asks what screens want to know beside them."""

    def start(self, publish: Callable[[Snapshot], None]) -> None:
        """Begin; `publish` is called in the event loop with each new snapshot."""

    async def stop(self) -> None:
        """End, and close what is open."""

    def snapshot(self) -> Snapshot:
        """What is known now."""

    def want(self, parts: frozenset[str]) -> None:
        """Which parts of the main node the screen needs beside status and figures: consumer, resolver, nodes."""

    def focus(self, main: int) -> None:
        """Make another node the main one."""

    def refresh(self) -> None:
        """Ask now, without waiting for the next turn."""

    async def ask(self, call: Call[T]) -> T:
        """Ask the main node; raises ApiProblem."""

    async def sign_in(self, username: str, password: str) -> None:
        """Trade name and password for a token of the main node, and go on with it; raises ApiProblem."""

    def use_token(self, token: str) -> None:
        """Go on with another token at every node that takes none, and at the main one."""


class LiveReader:
    """Watches one or several nodes; the first is the main one until focus() says otherwise."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        token: str = "",
        ca: str = "",
        interval_s: float = 1.0,
        version: str = "",
        renew: Renew | None = None,
        now_s: Callable[[], float] = time.time,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now_s, self._interval_s, self._version = now_s, interval_s, version
        self._publish: Callable[[Snapshot], None] = lambda _: None
        self._main = 0
        self._watches = [
            NodeWatch(
                Api(url, token=token, ca=ca),
                interval_s=interval_s,
                changed=self._changed,
                now_s=now_s,
                elapsed_s=elapsed_s,
                renew=renew,
            )
            for url in urls
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, publish: Callable[[Snapshot], None]) -> None:
        """Ask every node from now on."""
        self._publish = publish
        self._watches[self._main].follow(True)
        self._tasks = [asyncio.create_task(watch.run()) for watch in self._watches]

    async def stop(self) -> None:
        """Ask no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(watch.close() for watch in self._watches))

    def snapshot(self) -> Snapshot:
        """What is known now."""
        return Snapshot(
            at_s=self._now_s(),
            interval_s=self._interval_s,
            version=self._version,
            main=self._main,
            nodes=tuple(watch.node for watch in self._watches),
        )

    def want(self, parts: frozenset[str]) -> None:
        """What the main node is asked for beside status and figures."""
        for number, watch in enumerate(self._watches):
            watch.want(parts if number == self._main else frozenset())

    def focus(self, main: int) -> None:
        """Make another node the main one."""
        if main != self._main and 0 <= main < len(self._watches):
            wanted = self._watches[self._main].wanted
            self._watches[self._main].follow(False)
            self._main = main
            self._watches[main].follow(True)
            self.want(wanted)
            self.refresh()
            self._changed()

    def refresh(self) -> None:
        """Ask the main node now."""
        self._watches[self._main].hurry()

    async def ask(self, call: Call[T]) -> T:
        """Ask the main node; raises ApiProblem."""
        return await self._watches[self._main].api.ask(call)

    async def sign_in(self, username: str, password: str) -> None:
        """A token for a name and a password; nodes that share their key take it, too."""
        signed_in = await self.ask(calls.sign_in(username, password))
        self.use_token(signed_in.token)

    def use_token(self, token: str) -> None:
        """Go on with this token where it is needed."""
        for number, watch in enumerate(self._watches):
            if number == self._main or watch.signed_out:
                watch.use_token(token)

    async def twice(self, pause_s: float) -> Snapshot:
        """Two readings of every node that answers, and what came of them."""
        self.want(frozenset({"consumer", "nodes"}))
        self._watches[self._main].follow(True)
        await asyncio.gather(*(watch.turn() for watch in self._watches))
        if any(watch.node.live for watch in self._watches):
            await asyncio.sleep(pause_s)
            await asyncio.gather(*(watch.turn() for watch in self._watches if watch.node.live))
        return self.snapshot()

    def _changed(self) -> None:
        self._publish(self.snapshot())


async def read_once(urls: Sequence[str], *, token: str, ca: str, version: str, seconds: float) -> Snapshot:
    """A snapshot with rates, after two readings of every node that lie `seconds` apart."""
    reader = LiveReader(urls, token=token, ca=ca, version=version)
    try:
        return await reader.twice(seconds)
    finally:
        await reader.stop()
