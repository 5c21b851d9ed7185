"""The console in a browser: textual-serve runs one for each page, and what a page is sent is the screen."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.harness import ROOT, Server, wait_until
from tests.harness.process import clean_environment, end, free_port, spawn
from tests.harness.server import HOST

PATIENCE_S = 60


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """The address of a console that is served for a running node."""
    port = free_port()
    with Server(tmp_path / "node") as node, (tmp_path / "web.txt").open("wb") as output:
        command = [sys.executable, "-m", "streamdns_console", f"http://{HOST}:{node.admin_port}", "--web", str(port)]
        serving = spawn(command, env=clean_environment({}), output=output, cwd=ROOT)
        try:
            wait_until(lambda: b"Press Ctrl+C" in (tmp_path / "web.txt").read_bytes(), "it is served")
            yield f"{HOST}:{port}"
        finally:
            end(serving)


async def received(page: str, wanted: bytes) -> bytes:
    """What a page is sent until `wanted` is in it, or until it is waited for no longer."""
    found = b""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{page}/") as response:
            assert response.status == 200
        async with session.ws_connect(f"ws://{page}/ws?width=100&height=30") as socket:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    async for message in socket:
                        found += message.data if isinstance(message.data, bytes) else str(message.data).encode()
                        if wanted in found:
                            break
            except TimeoutError:
                pass
    return found


def test_a_page_shows_the_overview(page: str) -> None:
    """The overview is drawn in the page, with what the node says of itself."""
    found = asyncio.run(received(page, b"serving"))
    assert b"serving" in found
    assert b"overview" in found
