"""Screens about the node under Textual's Pilot: log, resolver, metrics, fleet; actions that ask first, and who may."""

from __future__ import annotations

from typing import Any

from streamdns_console.api import Refused
from streamdns_console.dialogs import Question
from streamdns_console.model import Caller, Part, Role

from streamdns.admin.schema import peers, resolver, state
from tests.console import fake
from tests.console.driving import console, press, run, screen_lines, screen_text, settled
from tests.console.fake import NOW_MS, NOW_S, FakeReader, node, snapshot


def test_the_log_shows_every_partition_and_progress() -> None:
    """Position, end, lag; how far a fill is."""

    async def test() -> None:
        filling = fake.consumer(
            state="catching-up",
            catch_up=state.CatchUp(done=43, end=100, percent=43.0, per_second=12_000.0, seconds_left=70.0),
            alarm=state.Alarm(time=int(NOW_S), reason="the log was replaced"),
            error="broker 2 is gone",
        )
        reader = FakeReader(snapshot(node(consumer=Part(filling, NOW_S))))
        async with console(reader, size=(160, 30)) as (app, pilot):
            await press(pilot, "3")
            assert "consumer" in reader.wanted
            text = screen_text(app)
            assert "43.0 %  12.0k events/s, 1 min 10 s left" in text
            assert "the log was replaced" in text
            assert "broker 2 is gone" in text
            assert "1,500,007" in text
            assert "at the end" in text

    run(test)


def test_a_fill_of_a_log_of_unknown_length_shows_what_was_read() -> None:
    """As long as it lasts, on the first screen and on that of the log."""

    async def shown(state_: str) -> tuple[str, str]:
        consumer = fake.consumer(state=state_, unit="ids", client="pulsar", details={"events_read": 18_400})
        reader = FakeReader(snapshot(node(
            status=Part(fake.status(consumer__state=state_), NOW_S), consumer=Part(consumer, NOW_S),
        )))
        async with console(reader, size=(160, 30)) as (app, pilot):
            first = screen_text(app)
            await press(pilot, "3")
            return first, screen_text(app)

    async def test() -> None:
        first, log = await shown("catching-up")
        assert "18.4k events so far" in first
        assert "18.4k events so far, of how many is not known" in log
        assert "so far" not in "".join(await shown("following"))

    run(test)


RESOLVER = {
    "enabled": True,
    "roots": ["198.41.0.4"],
    "primed_seconds_ago": 60.0,
    "running": 3,
    "clients_waiting": 4,
    "queries_out": 5,
    "servers": 120,
    "forwards": [],
    "cache": {
        "entries": 900,
        "bytes": 50 << 20,
        "most_bytes": 96 << 20,
        "evicted": 0,
        "messages": 80,
        "messages_bytes": 0,
        "messages_most_bytes": 1,
    },
}
SERVERS = Part(
    resolver.ServerList(
        asked=120,
        servers=[
            resolver.ServerSeen(address="192.0.2.53:53", rtt_seconds=4.0, timeouts_in_a_row=6, left_alone_seconds=80.0),
            resolver.ServerSeen(address="192.0.2.54:53", rtt_seconds=0.42, timeouts_in_a_row=0, left_alone_seconds=0.0),
        ],
    ),
    NOW_S,
)
TRACE = resolver.Trace(
    name="www.example.com.",
    type="A",
    rcode="NOERROR",
    detail="",
    queries=2,
    seconds=0.042,
    steps=["; asking 192.0.2.53, a server of com., for www.example.com. A", "example.com. 300 IN NS ns.example.com."],
    answer=["www.example.com. 300 IN A 192.0.2.1"],
)


def test_the_resolver_shows_cache_and_servers_and_looks_names_up() -> None:
    """Dead servers first; a name's page has what the cache knows."""

    async def test() -> None:
        entries = [
            {"type": "A", "kind": "records", "ttl": 300, "trust": 1, "records": ["192.0.2.1"], "detail": ""},
            {"type": None, "kind": "no name", "ttl": 0, "trust": 1, "records": [], "detail": ""},
        ]
        reader = FakeReader(
            snapshot(node(resolver=Part(RESOLVER, NOW_S), servers=SERVERS)),
            {"/v1/resolver/cache": {"name": "www.example.com.", "entries": entries}, "/v1/resolver/trace": TRACE},
        )
        async with console(reader, size=(100, 30)) as (app, pilot):
            await press(pilot, "6")
            text = screen_text(app)
            assert "50 MiB of 96 MiB" in text
            assert "192.0.2.53" in text
            assert "✖ 6 time-outs, left alone for 1 min 20 s" in text
            assert "420 ms" in text
            await press(pilot, "slash", *"www.example.com", "enter")
            text = screen_text(app)
            assert "cache: www.example.com." in text
            assert "5 min left" in text
            assert "192.0.2.1" in text
            await press(pilot, "t")
            text = screen_text(app)
            assert "asking 192.0.2.53, a server of com., for www.example.com. A" in text
            assert "NOERROR  2 queries, 42 ms" in text

    run(test)


def test_a_resolver_that_is_off_is_said() -> None:
    """In a sentence."""

    async def test() -> None:
        async with console(FakeReader(snapshot(node(resolver=Part({"enabled": False}, NOW_S))))) as (app, pilot):
            await press(pilot, "6")
            assert "the resolver is off: DNS_RECURSION_ALLOW is none" in screen_text(app)

    run(test)


def test_every_metric_has_its_rate_and_the_selected_one_its_plot() -> None:
    """Counters, gauges, histograms."""

    async def test() -> None:
        reader = FakeReader(snapshot(node(metrics=Part(fake.metrics(queries=20_000, nxdomain=800), NOW_S))))
        async with console(reader, size=(120, 40)) as (app, pilot):
            await press(pilot, "7")
            text = screen_text(app)
            assert "metrics (6)" in text
            assert "20,000" in text
            assert "412 MiB" in text
            assert "Queries that were answered." in text
            assert "⣿" in text
            await press(pilot, "slash", *"latency", "enter")
            assert "p50 and p99" in screen_text(app)

    run(test)


def test_the_fleet_marks_the_odd_one_and_names_its_zones() -> None:
    """And who cannot be asked."""

    async def test() -> None:
        seen = peers.Nodes(
            node=fake.report("ns1.example.net"),
            peers=[
                fake.peer("ns2", queries_per_second=18_412.0),
                fake.peer("ns3", diverges=True, zones=["shop.example."], digest="deadbeef" * 8),
                fake.peer("ns4", error="connection refused"),
            ],
        )
        async with console(FakeReader(snapshot(node(nodes=Part(seen, NOW_S)))), size=(100, 30)) as (app, pilot):
            await press(pilot, "8")
            text = screen_text(app)
            assert "fleet (4 nodes)" in text
            assert "✖ diverged" in text
            assert "≠ deadbeef" in text
            assert [line.split()[-1] for line in text.splitlines() if "9beb93c5" in line][:2] == ["142", "18.4k"]
            assert "✖ no answer" in text
            await press(pilot, "down", "down")
            assert "it does not hold what the others hold: shop.example.; streamdns compare" in screen_text(app)

    run(test)


ADMIN = node(resolver=Part(RESOLVER, NOW_S), consumer=Part(fake.consumer(), NOW_S))
VIEWER = node(resolver=Part(RESOLVER, NOW_S), caller=Caller(name="bob", role=Role.VIEWER))


def test_a_rebuild_is_asked_for_with_its_effect_in_figures() -> None:
    """Enter alone does nothing; y does it."""

    async def test() -> None:
        reader = FakeReader(
            snapshot(ADMIN), {"POST /v1/rebuild": state.RebuildAsked(id="ab12", by="admin", time=NOW_MS)}
        )
        async with console(reader, size=(100, 30)) as (app, pilot):
            await press(pilot, "3", "R")
            assert isinstance(app.screen, Question)
            text = " ".join(screen_text(app).replace("│", " ").split())
            assert "fills a second view of about 412 MiB from 3,011,204 events of the log" in text
            assert "answers go on" in text
            await press(pilot, "enter")
            assert not reader.asked
            await press(pilot, "R", "y")
            assert [call.path for call in reader.asked] == ["/v1/rebuild"]
            assert "rebuild ab12 is asked for" in screen_text(app)

    run(test)


def test_viewers_see_actions_greyed_with_the_reason() -> None:
    """And nothing is sent."""

    async def test() -> None:
        reader = FakeReader(snapshot(VIEWER))
        async with console(reader, size=(100, 40)) as (app, pilot):
            await press(pilot, "3")
            pane: Any = app.pane
            (rebuild,) = [key for key in pane.key_hints() if key.key == "R"]
            assert rebuild.refused == "needs the role admin, and bob is viewer"
            await press(pilot, "R")
            assert "needs the role admin, and bob is viewer" in " ".join(screen_text(app).split())
            await press(pilot, "6", "F")
            assert not reader.asked
            await press(pilot, "question_mark")
            assert "not now: needs the role operator" in screen_text(app)

    run(test)


def test_flush_and_wait() -> None:
    """A name, all below it, an offset; what the node refuses is said."""

    async def test() -> None:
        reader = FakeReader(
            snapshot(ADMIN),
            {
                "POST /v1/resolver/flush": fake.flushed(3),
                "/v1/wait": Refused("not applied within 30 s by ns2 (at 4488)", status=504, code="not_applied"),
            },
        )
        async with console(reader, size=(100, 30)) as (app, pilot):
            await press(pilot, "colon", *"flush example.com below", "enter")
            assert "It holds 900 entries now" in " ".join(screen_text(app).replace("│", " ").split())
            await press(pilot, "y")
            assert dict(reader.asked[-1].parameters) == {"name": "example.com.", "below": True}
            assert "3 entries forgotten" in screen_text(app)
            await press(pilot, "colon", *"wait 0:4711", "enter", "y")
            assert reader.asked[-1].parameters["offset"] == 4711
            assert "not applied within 30 s by ns2 (at 4488)" in " ".join(screen_text(app).split())

    run(test)


def test_the_palette_has_everything() -> None:
    """All screens and actions by name."""

    async def test() -> None:
        async with console(FakeReader(snapshot(VIEWER)), size=(80, 40)) as (app, pilot):
            found = {command.title: command.help for command in app.get_system_commands(app.screen)}
            assert {f"Go to {name}" for name in ("zones", "log", "fleet")} <= set(found)
            assert found["Rebuild the view"] == "not now: needs the role admin, and bob is viewer"
            assert {"Here: copy", "Sign in", "Go to a zone", "Wait for a record or an offset"} <= set(found)
            await press(pilot, "5", "ctrl+p", *"here: pause", "enter")
            assert "paused" in screen_lines(app)[1]
            await press(pilot, "ctrl+p", *"go to fleet", "enter")
            await settled(pilot)
            assert "fleet" in screen_lines(app)[1]

    run(test)
