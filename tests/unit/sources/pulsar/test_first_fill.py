"""The fingerprint of a first fill: of which messages it is, and that it outlives the process."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from streamdns.events.message_id import MessageId, pack
from streamdns.sources.pulsar.first_fill import FILLING, Fingerprint, resumed, stored

Log = list[tuple[int, int]]


def log_of(rng: random.Random) -> Log:
    """Positions and lengths of messages in batches of several sizes; some have no value."""
    found = []
    entry = rng.randrange(3000)
    for _ in range(20):
        entry += rng.choice((1, 1, 5))
        size = rng.choice((0, 1, 3, 20))
        ids = [MessageId(7, entry, index) for index in range(size)] or [MessageId(7, entry)]
        found += [(pack(*each), rng.choice((0, 5, 5, 5, 5))) for each in ids]
    return found


def added(fingerprint: Fingerprint, log: Log, cut: Callable[[], bool]) -> Fingerprint:
    """Add a log in pieces, each of positions that follow one another; cut() says where else a piece ends."""
    at = 0
    while at < len(log):
        end = at + 1
        while end < len(log) and log[end][0] == log[end - 1][0] + 1 and not cut():
            end += 1
        fingerprint.add(log[at][0], [length for _, length in log[at:end]])
        at = end
    return fingerprint


@pytest.mark.parametrize("seed", range(50))
def test_it_is_of_the_messages_and_not_of_the_pieces_they_come_in(seed: int) -> None:
    rng = random.Random(seed)
    log = log_of(rng)

    def value(messages: Log) -> int:
        return added(Fingerprint(), messages, lambda: rng.random() < 0.2).value()

    assert value(log) == value(log)
    assert value(log) == value([each for each in log if each[1]]), "what has no value does not count"
    gone = rng.choice([number for number, (_, length) in enumerate(log) if length])
    assert value(log) != value(log[:gone] + log[gone + 1 :])
    assert value(log) != value([*log[:gone], (log[gone][0], 0), *log[gone + 1 :]])


@pytest.mark.parametrize("seed", range(50))
def test_it_goes_on_from_what_is_stored(seed: int) -> None:
    """Wherever the process ended."""
    rng = random.Random(seed)
    log = log_of(rng)
    whole = added(Fingerprint(), log, lambda: False)
    end = rng.randrange(len(log) + 1)
    text = stored(end, added(Fingerprint(), log[:end], lambda: False))
    found = resumed(text, end)
    assert found is not None
    assert added(Fingerprint.of(found), log[end:], lambda: False).value() == whole.value()
    assert resumed(text, end + 1) is None, "stored with another position"


@pytest.mark.parametrize("text", [FILLING, f"{FILLING} 7", f"{FILLING} 7 ", f"{FILLING} 7 1.2", f"{FILLING} 7 1.2.3.4",
                                  f"{FILLING} 7 1.x.3", "whole", ""])
def test_what_is_not_understood_is_begun_anew(text: str) -> None:
    assert resumed(text, 7) is None
    assert resumed(f"{FILLING} 7 1.2.3", 7) == "1.2.3"
