"""Knows which connections wait for their clients, so that the one that has waited longest can make room for another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import gevent


class WaitedFor:
    """The greenlets of connections that wait for their clients, those that began first in front."""

    def __init__(self) -> None:
        self._greenlets: dict[gevent.Greenlet, None] = {}

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark the current greenlet as waiting for its client: it may be ended to make room."""
        greenlet = gevent.getcurrent()
        self._greenlets[greenlet] = None
        try:
            yield
        finally:
            self._greenlets.pop(greenlet, None)

    def make_room(self) -> bool:
        """End the greenlet that has waited the longest; returns whether there was one."""
        for greenlet in self._greenlets:
            del self._greenlets[greenlet]
            greenlet.kill(block=False)
            return True
        return False
