"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness import Server
from tests.integration.clients import ZONE


@pytest.fixture
def start(serve: Callable[..., Server]) -> Callable[..., Server]:
    """A function that starts a server with the zone above."""

    def make(*, run: bool = True, **env: str) -> Server:
        server = serve(start=False, **env)
        server.append(ZONE)
        return server.start() if run else server

    return make
