"""Watches one node: asks it again and again, with longer and longer pauses while it does not answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final, TypeVar

from streamdns.admin.schema.data import Quarantined

from . import calls
from .api import Api, ApiProblem, NotUnderstood, Refused
from .calls import Call
from .follow import Follower
from .model import Caller, Changes, Connection, Link, Node, Part
from .state import progress_of
from .tokens import caller_of

T = TypeVar("T")
#: Gives a fresh token, "" where there is none.
Renew = Callable[[], Awaitable[str]]
_LONGEST_PAUSE_S: Final = 30.0
#: How often parts are asked for that change slowly, and again what was forbidden.
_PEERS_S: Final = 5.0
_FORBIDDEN_S: Final = 60.0
_QUARANTINE_S: Final = 30.0
_RENEWAL_S: Final = 30.0
_SHOWN_QUARANTINED: Final = 100
#: With more changes a second than this the newest are asked for instead of all being sent.
_MOST_STREAMED: Final = 200.0


class NodeWatch:
    """Keeps `node` up to date and calls `changed` after each turn."""

    def __init__(
        self,
        api: Api,
        *,
        interval_s: float,
        changed: Callable[[], None],
        now_s: Callable[[], float],
        elapsed_s: Callable[[], float],
        renew: Renew | None = None,
    ) -> None:
        self.api = api
        self._renew = renew
        self.wanted: frozenset[str] = frozenset()
        self._interval_s, self._changed, self._now_s, self._elapsed_s = interval_s, changed, now_s, elapsed_s
        self.node = Node(url=api.url, connection=Connection(since_s=now_s()), caller=self._caller())
        self._hurry = asyncio.Event()
        self._due: dict[str, float] = {}
        self._failures = 0
        self._counted = -1
        self._follower = Follower(api, self._take_changes, now_s)
        self._following = False

    # -- what others say

    def want(self, parts: frozenset[str]) -> None:
        """Parts that are asked for in each turn from now on."""
        if parts - self.wanted:
            self.hurry()
        self.wanted = parts

    def follow(self, following: bool) -> None:
        """Whether changes are followed."""
        self._following = following

    def hurry(self) -> None:
        """Ask now."""
        self._hurry.set()

    @property
    def signed_out(self) -> bool:
        """Whether the node wants a token that it has not got."""
        return self.node.connection.link is Link.SIGNED_OUT

    def use_token(self, token: str) -> None:
        """Go on with another token, as whoever it is of."""
        self._renew = None
        self._go_on_with(token)

    def _go_on_with(self, token: str) -> None:
        self.api.token = token
        self.node = replace(self.node, caller=self._caller(), denied={}, foreign=frozenset())
        self._due.clear()
        self._failures = 0
        self.hurry()

    # -- turns

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            while True:
                self._hurry.clear()
                pause_s = await self.turn()
                self._changed()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), pause_s)
        finally:
            await self._follower.stop()

    async def close(self) -> None:
        """Close its connections."""
        await self._follower.stop()
        await self.api.close()

    async def turn(self) -> float:
        """Ask once for all that is due; how long to wait until the next time, seconds."""
        begun_s = self._elapsed_s()
        try:
            await self._ask_all()
        except Refused as refused:
            if refused.unknown_caller:
                return 0.0 if await self._renewed() else await self._signed_out(str(refused))
            return await self._lost(str(refused))
        except ApiProblem as problem:
            return await self._lost(str(problem))
        self._failures = 0
        if not self.node.live:
            self.node = replace(self.node, connection=Connection(link=Link.LIVE, since_s=self._now_s()))
        await self._adjust_following()
        return max(0.05, self._interval_s - (self._elapsed_s() - begun_s))

    def _caller(self) -> Caller:
        caller = caller_of(self.api.token)
        # A token that the console can have made anew does not end, as far as anybody sees.
        return caller if self._renew is None else replace(caller, expires_s=None)

    async def _renewed(self) -> bool:
        """Whether there is another token in place of one that has ended, as the settings of this machine sign them."""
        if self._renew is None or not self._is_due("renewal", _RENEWAL_S):
            return False
        token = await self._renew()
        if token and token != self.api.token:
            self._go_on_with(token)
            self._is_due("renewal", _RENEWAL_S)
            return True
        return False

    async def _lost(self, cause: str) -> float:
        pause_s = min(_LONGEST_PAUSE_S, self._interval_s * float(1 << min(self._failures, 8)))
        self._failures += 1
        await self._interrupted(Link.LOST, cause, pause_s)
        return pause_s

    async def _signed_out(self, cause: str) -> float:
        await self._interrupted(Link.SIGNED_OUT, cause, _LONGEST_PAUSE_S)
        return _LONGEST_PAUSE_S

    async def _interrupted(self, link: Link, cause: str, pause_s: float) -> None:
        before = self.node.connection
        now_s = self._now_s()
        since_s = before.since_s if before.link is link else now_s
        if link is Link.LOST and before.link is Link.LIVE and self.node.status is not None:
            since_s = self.node.status.at_s
        await self._follower.stop()
        self.node = replace(
            self.node,
            connection=Connection(link=link, since_s=since_s, cause=cause, next_try_s=now_s + pause_s),
            changes=replace(self.node.changes, live=False),
        )

    async def _ask_all(self) -> None:
        await asyncio.gather(self._status(), self._metrics())
        others: list[Awaitable[None]] = []
        status = self.node.status.value if self.node.status is not None else None
        filling = status is not None and status.consumer.state in ("catching-up", "rebuilding")
        if filling or "consumer" in self.wanted:
            others.append(self._consumer())
        elif self.node.consumer is not None and progress_of(self.node):
            self.node = replace(self.node, consumer=None)
        if "resolver" in self.wanted:
            others.append(self._part("resolver", calls.resolver()))
            if self._is_due("servers", _PEERS_S):
                others.append(self._part("servers", calls.servers()))
        if self._is_due("nodes", self._interval_s if "nodes" in self.wanted else _PEERS_S):
            others.append(self._part("nodes", calls.nodes()))
        if status is not None and (status.quarantine != self._counted or self._is_due("quarantine", _QUARANTINE_S)):
            self._counted = status.quarantine
            others.append(self._quarantine(status.quarantine))
        if self._following and not self._follower.running:
            others.append(self._journal())
        await asyncio.gather(*others)

    async def _status(self) -> None:
        await self._part("status", calls.status())

    async def _metrics(self) -> None:
        sent_s = self._now_s()
        metrics = await self._asked("metrics", calls.metrics())
        if metrics is not None:
            now_s = self._now_s()
            skew_s = metrics.time / 1000 - (sent_s + now_s) / 2
            self.node = replace(
                self.node,
                metrics=Part(metrics, now_s),
                skew_s=skew_s,
                history=self.node.history.added(metrics, self._elapsed_s()),
            )

    async def _part(self, name: str, call: Call[Any]) -> None:
        found = await self._asked(name, call)
        if found is not None:
            changed: dict[str, Any] = {name: Part(found, self._now_s())}
            self.node = replace(self.node, **changed)

    async def _consumer(self) -> None:
        await self._part("consumer", calls.consumer())
        part = self.node.consumer
        if part is not None and "consumer" not in self.node.denied:
            self.node = replace(self.node, speeds=self.node.speeds.added(part.value, self._elapsed_s()))

    async def _quarantine(self, count: int) -> None:
        rows: tuple[Quarantined, ...] = ()
        if count:
            page = await self._asked("quarantine", calls.quarantine(limit=_SHOWN_QUARANTINED))
            if page is None:
                return
            rows = tuple(page.quarantined)
        self.node = replace(self.node, quarantine=Part(rows, self._now_s()))

    async def _journal(self) -> None:
        page = await self._asked("journal", calls.journal({}, limit=50))
        if page is not None:
            self._take_changes(replace(self.node.changes, rows=tuple(page.changes), live=False, at_s=self._now_s()))

    async def _asked(self, name: str, call: Call[T]) -> T | None:
        """The answer, or None where this caller may not have it: that is asked again after a minute."""
        if name in self.node.denied and not self._is_due(f"denied {name}", _FORBIDDEN_S):
            return None
        try:
            found = await self.api.ask(call)
        except Refused as refused:
            # What an older node does not have is as what is forbidden: the rest can be shown.
            if refused.status not in (403, 404):
                raise
            self._deny(name, str(refused))
            return None
        except NotUnderstood as problem:
            self._deny(name, str(problem))
            self.node = replace(self.node, foreign=self.node.foreign | {name})
            return None
        if name in self.node.denied:
            self.node = replace(
                self.node,
                denied={each: sentence for each, sentence in self.node.denied.items() if each != name},
                foreign=self.node.foreign - {name},
            )
        return found

    def _deny(self, name: str, sentence: str) -> None:
        self._due[f"denied {name}"] = self._elapsed_s() + _FORBIDDEN_S
        self.node = replace(self.node, denied={**self.node.denied, name: sentence})

    def _is_due(self, name: str, every_s: float) -> bool:
        now_s = self._elapsed_s()
        if now_s < self._due.get(name, 0.0):
            return False
        self._due[name] = now_s + every_s - self._interval_s / 2
        return True

    # -- changes

    async def _adjust_following(self) -> None:
        rate = self.node.history.rate("consumer.applied") or 0.0
        if self._following and rate <= _MOST_STREAMED and "journal" not in self.node.denied:
            self._follower.start(self.node.changes)
        else:
            await self._follower.stop()

    def _take_changes(self, changes: Changes) -> None:
        self.node = replace(self.node, changes=changes)
        self._changed()
