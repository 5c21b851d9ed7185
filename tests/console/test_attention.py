"""What needs a person, the state in one word, and the overview as text."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import structs
from streamdns_console.attention import attention_of
from streamdns_console.changes import before_after
from streamdns_console.lines import text_of, width_of
from streamdns_console.model import Caller, Changes, Connection, Link, Meaning, Node, Part
from streamdns_console.once import as_json, as_text, exit_code, in_encoding
from streamdns_console.overview import Drawing, Scales, figures, header
from streamdns_console.state import fleet_of, state_of

from streamdns.admin.schema import peers, state
from tests.console import fake
from tests.console.fake import NOW_S, node, snapshot, status


def with_status(**fields: Any) -> Node:
    """A node whose status differs."""
    return node(status=Part(status(**fields), NOW_S))


CATCH_UP = state.CatchUp(done=43, end=100, percent=43.0, per_second=1000.0, seconds_left=70.0)
HELD = state.HeldRebuild(
    id="view-000002-1", since=1, reason="3 of 3 zones would go away", zones=3, rrsets=9, zones_served=3,
    rrsets_served=9, added=0, changed=0,
)
STATES = {
    "serving": (node(), "serving", Meaning.OK),
    "catching up": (
        node(
            status=Part(status(ready=False, consumer__state="catching-up"), NOW_S),
            consumer=Part(fake.consumer(catch_up=CATCH_UP), NOW_S),
        ),
        "catching up",
        Meaning.WARNING,
    ),
    "rebuilding": (with_status(consumer__state="rebuilding"), "rebuilding", Meaning.NOTICE),
    "held": (with_status(view__held=HELD, consumer__state="held", consumer__error=HELD.reason), "held", Meaning.ALARM),
    "stale": (with_status(consumer__stale=True, consumer__state="reconnecting", ready=False), "stale", Meaning.ALARM),
    "diverged": (with_status(divergence=["https://ns4:8054 does not hold the same data"]), "diverged", Meaning.ALARM),
    "reconnecting": (
        with_status(consumer__state="reconnecting", consumer__error="broker is gone"),
        "serving",
        Meaning.WARNING,
    ),
    "not ready": (with_status(ready=False, not_ready_because=["stopping"]), "not ready", Meaning.ALARM),
    "disconnected": (
        node(connection=Connection(link=Link.LOST, cause="connection refused")),
        "disconnected",
        Meaning.STALE,
    ),
    "signed out": (
        node(connection=Connection(link=Link.SIGNED_OUT, cause="the token has ended")),
        "refused",
        Meaning.WARNING,
    ),
    "forbidden": (node(status=None, denied={"status": "this is for the whole node"}), "refused", Meaning.WARNING),
    "connecting": (Node(url=fake.URL), "connecting", Meaning.STALE),
}


@pytest.mark.parametrize("name", STATES)
def test_one_word_says_what_a_node_does(name: str) -> None:
    """The worst of what is true."""
    shown, word, meaning = STATES[name]
    assert (state_of(shown).word, state_of(shown).meaning) == (word, meaning)


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("width", [40, 80, 160, 300])
def test_the_first_line_has_the_word_in_every_state(name: str, width: int) -> None:
    """Whatever room there is."""
    shown, word, _ = STATES[name]
    line = header(snapshot(shown), width)
    assert width_of(line) == width
    assert word in text_of(line)


def test_progress_has_an_estimate() -> None:
    """How much is done, and how long it may take."""
    shown, _, _ = STATES["catching up"]
    assert "43 %, 1 min 10 s left" in text_of(header(snapshot(shown), 120))


def test_nothing_needs_attention_where_all_is_well() -> None:
    """No news is good news."""
    assert attention_of(snapshot()) == ()


NEEDS = {
    "refused events": (
        node(status=Part(status(quarantine=1), NOW_S), quarantine=Part((fake.quarantined(1),), NOW_S)),
        "1 event refused since 02:14: shop.example. A — the content 192.0.2.256 is no A: 256 is no octet",
        "refused",
    ),
    "conflicts": (with_status(conflicts=2), "2 conflicts in the data", "conflicts"),
    "divergence": (
        with_status(divergence=["ns4 does not hold the same data"]),
        "ns4 does not hold the same data",
        "fleet",
    ),
    "not ready": (
        with_status(ready=False, not_ready_because=["the view has not yet caught up"]),
        "not ready: the view has not yet caught up",
        "log",
    ),
    "lag": (
        with_status(lag=state.Lag(events=1200, events_estimated=True, bytes=0, seconds=41)),
        "behind the log by about 1,200 events, 41 s",
        "log",
    ),
    "alarm": (
        with_status(consumer__alarm=state.Alarm(time=int(NOW_S) - 60, reason="the log was replaced")),
        "since 03:11: the log was replaced",
        "log",
    ),
    "held": (
        with_status(view__held=HELD),
        "a rebuilt view is held, streamdns rebuild --accept shows what would go: 3 of 3 zones would go away",
        "log",
    ),
    "broker away": (
        with_status(consumer__state="reconnecting", consumer__error="no broker answers"),
        "reconnecting: no broker answers",
        "log",
    ),
    "service": (
        with_status(
            services=[
                state.ServiceState(
                    name="peers", state="waiting", essential=False, ready=False, restarts=3, error="boom"
                )
            ]
        ),
        "peers is waiting: boom",
        "log",
    ),
    "worker": (
        with_status(
            workers=[
                state.WorkerState(number=1, pid=7, state="answering", since=1, restarts=0, queries=9, error=""),
                state.WorkerState(
                    number=2, pid=None, state="waiting", since=1, restarts=3, queries=9, error="ended by SIGSEGV"
                ),
            ]
        ),
        "worker 2 is waiting: ended by SIGSEGV",
        "workers",
    ),
    "peer behind": (
        node(nodes=Part(peers.Nodes(node=fake.report("ns1"), peers=[fake.peer("ns4", lag_seconds=41.0)]), NOW_S)),
        "ns4 is 41 s behind",
        "fleet",
    ),
    "peer silent": (
        node(nodes=Part(peers.Nodes(node=fake.report("ns1"), peers=[fake.peer("ns4", error="refused")]), NOW_S)),
        "ns4 cannot be asked: refused",
        "fleet",
    ),
    "peer's version": (
        node(nodes=Part(peers.Nodes(node=fake.report("ns1"), peers=[fake.peer("ns4", version="0.0.9")]), NOW_S)),
        "ns4 runs 0.0.9, ns1.example.net 0.1.0",
        "fleet",
    ),
    "clock": (node(skew_s=-90.0), "the clock of ns1.example.net is 1 min 30 s behind this machine's", "fleet"),
    "console's version": (
        with_status(version="0.2.0"),
        "ns1.example.net runs 0.2.0, this console is of 0.1.0",
        "fleet",
    ),
    "token": (node(caller=Caller(name="alice", expires_s=NOW_S + 120)), "your token ends in 2 min", "login"),
    "disconnected": (
        node(connection=Connection(link=Link.LOST, since_s=NOW_S - 41, cause="connection refused")),
        "ns1.example.net does not answer for 41 s: connection refused",
        "log",
    ),
}


@pytest.mark.parametrize("name", NEEDS)
def test_what_needs_a_person_says_so_and_leads_there(name: str) -> None:
    """One line each, with the screen to go on with."""
    shown, text, screen = NEEDS[name]
    found = {each.text: each.screen for each in attention_of(snapshot(shown))}
    assert [where for sentence, where in found.items() if sentence.startswith(text)] == [screen], found


def test_failing_answers_are_told_of() -> None:
    """One in a hundred is too many."""
    history = fake.History().added(fake.metrics(queries=100), 1.0).added(fake.metrics(queries=180, servfail=20), 3.0)
    (needs,) = attention_of(snapshot(node(history=history)))
    assert needs.text == "20 % of the answers of the last minute are SERVFAIL"


def test_the_worst_comes_first() -> None:
    """An alarm before a warning before a notice."""
    shown = with_status(conflicts=1, quarantine=1, divergence=["ns4 differs"])
    assert [each.meaning for each in attention_of(snapshot(shown))] == [Meaning.ALARM, Meaning.WARNING, Meaning.NOTICE]


def test_another_node_of_several_is_told_of() -> None:
    """The one that is shown is not the only one that counts."""
    other = node(
        url="http://ns2:8054",
        status=Part(status(instance="ns2"), NOW_S),
        connection=Connection(link=Link.LOST, cause="connection refused"),
    )
    found = [each.text for each in attention_of(snapshot(node(), other))]
    assert found == ["ns2 is disconnected: connection refused"]
    assert fleet_of((node(), other), 0).good == 1


def test_the_figures_stand_in_four_lines_at_80_columns() -> None:
    """Answers, recursion, lag, data: nothing is cut off."""
    lines = [text_of(line) for line in figures(snapshot(), 80, Drawing(Scales()))]
    assert len(lines) == 4
    assert "NXDOMAIN  3.8 %" in lines[0]
    assert "▆▅▆" in lines[0]
    assert lines[2].startswith(" lag    0 ev, 0.2 s")
    assert lines[3].rstrip() == " data        10,312  zones  1,204,551 records  digest 9beb93c5 = 3 of 3 nodes"
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("width", [40, 80, 100, 119])
def test_without_recursion_there_are_no_figures_of_it(width: int) -> None:
    """It is said to be off; what is asked of nobody has no share of hits and no rate, and the rest keeps its place."""
    on, off = (
        text_of(figures(snapshot(with_status(resolver={"enabled": enabled})), width, Drawing(Scales()))[1])
        for enabled in (True, False)
    )
    assert off.split()[:2] == ["recursion", "off"]
    assert [word in off for word in ("hit", "out", "/s", "–", "▁")] == [False] * 5
    assert off.find("SERVFAIL") == on.find("SERVFAIL")


def test_wide_terminals_have_four_plots() -> None:
    """Answers by rcode, latency, lag, propagation."""
    lines = [text_of(line) for line in figures(snapshot(), 160, Drawing(Scales()), plots=9)]
    assert len(lines) == 13
    assert [word in lines[0] for word in ("answers", "latency", "lag", "propagation")] == [True] * 4
    assert any("⣿" in line for line in lines[1:8])


def test_once_prints_what_a_ticket_needs() -> None:
    """State, figures, what needs attention, nodes and changes, without a colour."""
    text = as_text(snapshot(NEEDS["refused events"][0]))
    assert text.splitlines()[0].startswith(" streamdns ns1.example.net   ● serving   0.1.0 up 12 d 3 h")
    assert "▲ 1 event refused since 02:14" in text
    assert "ns2" in text
    assert "192.0.2.7 → 192.0.2.99" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_once_without_unicode_is_ascii() -> None:
    """For output that has nothing else."""
    assert as_text(snapshot(NEEDS["refused events"][0]), plain=True).isascii()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_an_output_cannot_have_is_escaped(encoding: str) -> None:
    """A name in another script, or half a character, ends nothing with a traceback."""
    changes = Changes(rows=(fake.change(1, after=['"ü 例え"'], producer="импорт"),), at_s=NOW_S)
    shown = snapshot(node(changes=changes))
    text = in_encoding(as_text(shown, plain=True), encoding)
    assert text.encode(encoding)
    assert ("импорт" in text) == (encoding == "utf-8")
    assert "\\u0438\\u043c" in text or encoding == "utf-8"
    document = as_json(shown, ascii_only=encoding != "utf-8")
    assert document.encode(encoding)
    assert msgspec.json.decode(document)["nodes"][0]["changes"][0]["producer"] == "импорт"


def test_json_has_the_documents_and_the_figures() -> None:
    """For programs."""
    document = msgspec.json.decode(as_json(snapshot(NEEDS["refused events"][0])))
    (first,) = document["nodes"]
    assert first["state"] == "serving"
    assert first["status"]["document"]["records"] == 1204551
    assert first["figures"]["queries_per_second"] > 0
    assert document["attention"][0]["screen"] == "refused"


def test_the_exit_status_says_whether_all_is_well() -> None:
    """0 or 1."""
    assert exit_code(snapshot()) == 0
    assert exit_code(snapshot(STATES["not ready"][0])) == 1
    assert exit_code(snapshot(STATES["disconnected"][0])) == 1


@pytest.mark.parametrize("width", [40, 120])
def test_a_mark_in_the_journal_is_told_in_its_words(width: int) -> None:
    """It is no change: there is nothing that was before."""
    mark = structs.replace(fake.change(99), type="", mark="within 10 minutes 44 RRsets of shop.example. were deleted")
    line = before_after(mark, width)
    assert width_of(line) == width
    assert "within" in text_of(line)
    assert "nothing" not in text_of(line)
