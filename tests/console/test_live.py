"""The reader against a real server: figures, changes as they come, a node that goes and comes back, tokens."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamdns_console import calls
from streamdns_console.api import Api, Refused, Unreachable
from streamdns_console.asking import find_name
from streamdns_console.model import Link, Snapshot
from streamdns_console.reader import LiveReader

from streamdns.admin.schema import state
from tests.harness import ROOT, Server, wait_until
from tests.harness.server import HOST

HELD = state.HeldRebuild(
    id="view-000002-1", since=1, reason="1 of 1 zones would go away", zones=1, rrsets=2, zones_served=1,
    rrsets_served=2, added=0, changed=0,
)
SOA = "ns.example.org. host.example.org. 1 3600 600 604800 60"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with one zone."""
    with Server(tmp_path) as running:
        running.publish("example.org", "SOA", [SOA])
        running.publish("www.example.org", "A", ["192.0.2.7"])
        running.wait_applied()
        yield running


def url(server: Server) -> str:
    """Where its admin API is."""
    return f"http://{HOST}:{server.admin_port}"


async def watching(
    reader: LiveReader,
    test: Callable[[Callable[[Callable[[Snapshot], Any], str], Awaitable[Snapshot]]], Awaitable[None]],
) -> None:
    """Run a test with a function that waits for a snapshot; no longer than a minute for each."""
    came = asyncio.Event()
    reader.start(lambda _: came.set())

    async def until(condition: Callable[[Snapshot], Any], what: str) -> Snapshot:
        try:
            async with asyncio.timeout(60):
                while not condition(reader.snapshot()):
                    came.clear()
                    await came.wait()
        except TimeoutError:
            raise AssertionError(f"after a minute still not: {what}; {reader.snapshot().node.connection}") from None
        return reader.snapshot()

    try:
        await test(until)
    finally:
        await reader.stop()


def test_figures_changes_and_a_restart(server: Server) -> None:
    """Queries are counted, a change comes as it happens, and a killed server is a state until it is back."""

    async def test(until: Any) -> None:
        shown = await until(lambda shown: shown.node.live and shown.node.changes.live, "connected and following")
        assert shown.node.status.value.zones == 1
        assert [row.name for row in shown.node.changes.rows] == ["www.example.org.", "example.org."]
        for _ in range(20):
            server.ask("www.example.org")
        await until(lambda shown: (shown.node.history.rate("dns.queries") or 0) > 0, "a rate")
        assert reader.snapshot().node.history.quantiles("dns.latency_seconds", 0.5)[0]

        server.publish("www.example.org", "A", ["192.0.2.99"])
        shown = await until(lambda shown: shown.node.changes.rows[0].after.records == ["192.0.2.99"], "the change")
        assert shown.node.changes.rows[0].before.records == ["192.0.2.7"]

        server.kill()
        shown = await until(lambda shown: shown.node.connection.link is Link.LOST, "disconnected")
        assert shown.node.connection.cause
        assert shown.node.connection.next_try_s
        assert shown.node.status.value.zones == 1
        await asyncio.to_thread(server.start)
        server.publish("new.example.org", "A", ["192.0.2.1"])
        shown = await until(
            lambda shown: shown.node.live and shown.node.changes.rows[0].name == "new.example.org.",
            "back, with what was written meanwhile",
        )
        assert not shown.node.connection.cause

    reader = LiveReader([url(server)], interval_s=0.2)
    asyncio.run(watching(reader, test))


def test_every_call_is_answered_as_the_console_knows_it(server: Server) -> None:
    """All documents of the API decode; what is not there is a sentence."""

    async def test() -> None:
        api = Api(url(server))
        try:
            for call in (
                calls.status(),
                calls.metrics(),
                calls.consumer(),
                calls.nodes(),
                calls.resolver(),
                calls.zones(),
                calls.zone("example.org"),
                calls.records("example.org"),
                calls.search({"name": "www"}),
                calls.journal({}),
                calls.quarantine(),
                calls.conflicts(),
                calls.wait({"name": "www.example.org", "type": "A"}, timeout_s=5),
            ):
                assert await api.ask(call) is not None
            for held in (calls.zones_that_would_go(), calls.rrsets_that_would_go(), calls.accept(HELD)):
                with pytest.raises(Refused, match="no rebuilt view is held"):
                    await api.ask(held)
            with pytest.raises(Refused, match="is not a zone of the view") as refused:
                await api.ask(calls.zone("example.net"))
            assert refused.value.status == 404
            reader = LiveReader([url(server)])
            found = await find_name(reader, "www.example.org")
            assert (found.zone, found.rrsets[0].records) == ("example.org.", ["192.0.2.7"])
            await reader.stop()
        finally:
            await api.close()

    asyncio.run(test())


def test_a_node_that_is_not_there_is_told_in_a_few_words() -> None:
    """Nobody listens, no socket, no HTTP."""

    async def test() -> None:
        for where, words in (
            (f"http://{HOST}:1", "connection refused"),
            ("unix:/nowhere/admin.sock", "no such file"),
        ):
            api = Api(where)
            with pytest.raises(Unreachable, match=f"(?i){words}"):
                await api.ask(calls.status())
            await api.close()

    asyncio.run(test())


def test_a_unix_socket_is_asked_like_an_address(tmp_path: Path) -> None:
    """`unix:PATH` as in the server's own setting."""

    async def test() -> None:
        api = Api(f"unix:{tmp_path / 'admin.sock'}")
        assert (await api.ask(calls.status())).instance
        await api.close()

    server = Server(tmp_path / "node", DNS_ADMIN_ADDRESS=f"unix:{tmp_path / 'admin.sock'}")
    try:
        # The harness asks a port whether it is ready; here the socket says so.
        server.start(wait=False)
        wait_until((tmp_path / "admin.sock").exists, "the socket")
        asyncio.run(test())
    finally:
        server.kill()


def test_signing_in_and_a_token_that_is_refused(tmp_path: Path) -> None:
    """Without a token it is told to sign in; the wrong password is the API's sentence; then it goes on."""

    async def test(until: Any) -> None:
        await until(lambda shown: shown.node.connection.link is Link.SIGNED_OUT, "told to sign in")
        with pytest.raises(Refused):
            await reader.sign_in("admin", "guess")
        await reader.sign_in("admin", "correct horse battery")
        shown = await until(lambda shown: shown.node.live, "signed in")
        assert shown.node.caller.name == "admin"
        reader.use_token("a.b.c")
        shown = await until(lambda shown: shown.node.connection.link is Link.SIGNED_OUT, "refused")
        assert shown.node.status is not None

    with Server(tmp_path, DNS_ADMIN_PASSWORD="correct horse battery") as running:
        reader = LiveReader([url(running)], interval_s=0.2)
        asyncio.run(watching(reader, test))


def test_a_token_for_one_zone_shows_what_it_may(tmp_path: Path) -> None:
    """What is of the whole node is said to be forbidden; zones and changes are there."""

    async def test(until: Any) -> None:
        shown = await until(lambda shown: shown.node.live and shown.node.changes.rows, "live")
        assert set(shown.node.denied) >= {"status", "metrics"}
        assert shown.node.caller.zones == ("example.org.",)
        assert [zone.name for zone in (await reader.ask(calls.zones())).zones] == ["example.org."]

    with Server(tmp_path, DNS_ADMIN_JWTSECRET="s" * 40) as running:
        running.publish("example.org", "SOA", [SOA])
        made = running.command("token", "create", "--role", "viewer", "--zone", "example.org.", "--expires", "1h")
        assert made.returncode == 0, made.stderr
        reader = LiveReader([url(running)], token=made.stdout.strip(), interval_s=0.2)
        asyncio.run(watching(reader, test))


def console(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    import os

    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DNS_", "STREAMDNS_"))}
    return subprocess.run(
        [sys.executable, "-m", "streamdns_console", *arguments],
        cwd=ROOT,
        env={**kept, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_once_and_json_of_a_running_node(server: Server) -> None:
    """For cron and tickets; the exit status says whether all is well."""
    done = console("--once", "--interval", "0.3", DNS_ADMIN_ADDRESS=f"{HOST}:{server.admin_port}")
    assert done.returncode == 0, done.stderr
    assert "● serving" in done.stdout.splitlines()[0]
    assert "www.example.org." in done.stdout
    done = console("--json", "--interval", "0.3", url(server))
    assert json.loads(done.stdout)["nodes"][0]["status"]["document"]["rrsets"] == 2
    server.kill()
    done = console("--once", "--interval", "0.3", url(server))
    assert done.returncode == 1
    assert "does not answer" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("gopher://x",), "gopher://x is not http://HOST:PORT, https://HOST:PORT, HOST:PORT or unix:PATH"),
        (("--token-file", "/nowhere"), "the token file /nowhere cannot be read: no such file or directory"),
        (("--interval", "0"), "0 is no number of seconds from 0.2 to 60"),
        ((), "this is no terminal; --once prints the overview as text"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    """Exit status 2, no traceback."""
    done = console(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
