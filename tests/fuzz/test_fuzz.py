"""Kept inputs and a few thousand mutations of every target, without the engine; and that the oracles see what is wrong.

STREAMDNS_FUZZ_SEED asks for a run again. `make fuzz` does the same for longer, guided by coverage.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from streamdns.events.event import RRsetEvent
from streamdns.serving.responder import Responder
from tests.fuzz import corpus, work
from tests.fuzz.mutation import accident
from tests.fuzz.targets import NAMES, answers, events, http, load

#: Each takes about a second of the processor.
INPUTS = {"answers": 6000, "edns": 1500, "replies": 3000, "resolution": 300, "events": 4000, "filelog": 1500,
          "master": 100, "http": 10_000, "kafka": 6000}
WHOLE_EVERY = 16
SEED = os.environ.get("STREAMDNS_FUZZ_SEED", "")


@pytest.mark.parametrize("name", NAMES)
def test_kept_inputs(name: str) -> None:
    """What found something once, and what reaches every branch that was ever reached."""
    target = load(name)
    for data in corpus.kept(name):
        target.check(data, whole=True)


@pytest.mark.parametrize("name", NAMES)
def test_mutations(name: str, say: Callable[[str], None]) -> None:
    """Seeds, kept inputs, and what becomes of them by accidents."""
    seed = int(SEED) if SEED else random.SystemRandom().randrange(1 << 32)
    say(f"seed {seed}")
    target, rng = load(name), random.Random(seed)
    inputs = list(target.seeds(rng))
    for data in inputs[:40]:
        target.check(data, whole=True)
    inputs += corpus.kept(name)
    for number in range(INPUTS[name]):
        data = rng.choice(inputs)
        if rng.random() < 0.4:
            data = target.mutated(data, rng)[: target.MOST_OCTETS]
        else:
            data = accident(data, inputs, rng, most=target.MOST_OCTETS)
        try:
            target.check(data, whole=number % WHOLE_EVERY == 0)
        except Exception as error:
            raise AssertionError(f"again: python -m tests.fuzz.engine {name} --input {data.hex()}") from error


def test_work_is_counted_and_stopped() -> None:
    """Ten thousand rounds of the product's code are more than a thousand lines."""
    packet = b"\1a" * 100 + b"\0"

    def many() -> None:
        from streamdns.dns.wire import skip_name

        for _ in range(100):
            skip_name(packet, 0)

    counted = work.lines(many, most=10**6)
    assert 10_000 < counted < 200_000
    assert counted == work.lines(many, most=10**6), "the same each time"
    with pytest.raises(work.Exceeded):
        work.lines(many, most=1000)


@pytest.mark.parametrize("wrong", [
    lambda reply: b"xx" + reply[2:], lambda reply: reply[:2] + b"\1" + reply[3:], lambda reply: reply + b"\0" * 5000,
    lambda reply: reply[:3] + bytes((reply[3] | 0x80,)) + reply[4:], lambda reply: reply[:-3],
    lambda reply: reply[:13] + bytes((reply[13] ^ 0x20,)) + reply[14:], lambda reply: None,
], ids=["another id", "no reply", "too long", "RA", "cut off", "another case", "nothing"])
def test_a_wrong_reply_is_seen(monkeypatch: pytest.MonkeyPatch, wrong: Callable[[bytes], bytes | None]) -> None:
    right = Responder.answer
    query = b"\0" + next(answers.seeds(random.Random(3)))[1:]
    answers.check(query, whole=True)
    monkeypatch.setattr(Responder, "answer", lambda self, packets, tcp: [
        None if each is None else wrong(each) for each in right(self, packets, tcp)
    ])
    with pytest.raises(Exception):  # noqa: B017, PT011 - dnspython's or an assertion's
        answers.check(query, whole=True)


def test_a_wrong_event_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    data = next(events.seeds(random.Random(1)))
    right = events.decode
    for change in ({"owner": b"\1A\0"}, {"ttl": -1}, {"rdatas": (b"\1\2\3",)}, {"lookup_key": b"x"}):
        def changed(*arguments: object, change: dict[str, object] = change, **more: object) -> RRsetEvent:
            return right(*arguments, **more)._replace(**change)  # type: ignore[arg-type]

        monkeypatch.setattr(events, "decode", changed)
        with pytest.raises(Exception):  # noqa: B017, PT011
            events.check(data, whole=True)


def test_a_smuggled_request_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that takes both a length and chunks reads what stands behind the first request as another body."""
    data = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    http.check(data, whole=True)
    right = http.read_head
    monkeypatch.setattr(http, "read_head", lambda source, line: _longer(right(source, line)))
    with pytest.raises(AssertionError):
        http.check(data + b"more", whole=True)


def _longer(head: http.Head) -> http.Head:
    return http.Head(head.method, head.path, head.query, head.version, head.headers | {"x": "a\r\nb"}, 9, False, False)
