"""Positions of Pulsar: whatever a message id is, packing loses nothing and keeps the order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.events.message_id import (
    RANGES,
    MessageId,
    ledger_of,
    pack,
    position_of,
    position_text,
    resume_at,
    topic_text,
    unpack,
)

_PLACE_BITS = 29


@st.composite
def message_ids(draw: st.DrawFn) -> MessageId:
    entry_bits = draw(st.sampled_from(RANGES))
    entry = draw(st.integers(0, (1 << entry_bits) - 1))
    bits = next(bits for bits in RANGES if not entry >> bits)
    index = draw(st.integers(-1, (1 << (_PLACE_BITS - bits)) - 3))
    return MessageId(draw(st.integers(0, (1 << 31) - 1)), entry, index)


@given(message_ids(), message_ids())
def test_the_order_is_that_of_the_ids(one: MessageId, other: MessageId) -> None:
    assert (pack(*one) < pack(*other)) == (one < other)
    assert unpack(pack(*one)) == one
    assert 0 <= pack(*one) < 1 << 63


@given(message_ids(), message_ids())
def test_nothing_lies_behind_a_message_and_before_the_position_behind_it(one: MessageId, other: MessageId) -> None:
    behind = pack(*one) + 1
    assert (pack(*other) >= behind) == (other > one)
    assert unpack(behind)[:2] == one[:2], "the position behind is of the same entry"
    assert ledger_of(behind) == ledger_of(pack(*one)) == one.ledger


@given(message_ids())
def test_reading_goes_on_at_the_last_message_or_at_the_next(one: MessageId) -> None:
    """Behind a message it begins at that one; at a message it begins at that one, or nothing is between."""
    assert resume_at(pack(*one) + 1) == one
    start = resume_at(pack(*one))
    assert start == one or pack(*start) == pack(*one) - 1


@pytest.mark.parametrize("beyond", [
    (1 << 31, 0, -1), (0, 1 << 28, -1), (0, 1, 1 << 18), (0, 1 << 27, 0), (-1, 0, -1), (0, -1, -1), (27, 1034, -2),
])
def test_what_no_position_can_hold_is_refused(beyond: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="beyond what a position can hold") as caught:
        pack(*beyond)
    assert str(caught.value) == f"the message id {MessageId(*beyond)} is beyond what a position can hold"


def test_what_a_cluster_gives_by_its_own_limits_has_room() -> None:
    """50,000 entries of 1000 messages; ten minutes of 50,000 messages a second that are not batched."""
    assert unpack(pack(1 << 30, 50_000, 999)) == (1 << 30, 50_000, 999)
    assert unpack(pack(1 << 30, 30_000_000, -1)) == (1 << 30, 30_000_000, -1)


def test_the_text_is_the_id() -> None:
    assert position_text("persistent://public/default/zones", pack(27, 1034, 5)) == "27:1034:5"
    assert position_text("persistent://public/default/zones", pack(27, 1034, -1)) == "27:1034"
    assert position_text("persistent://public/default/zones", 0) == "0"
    assert position_text("persistent://public/default/zones", 1) == "0:0:0"
    assert position_text("non-persistent://public/default/zones", pack(27, 1034, 5)) == "27:1034:5"
    assert position_text("zones", 17) == "17"
    assert position_text(None, 17) == "17"


@given(message_ids())
def test_what_is_shown_is_understood(one: MessageId) -> None:
    """The text that users see and the number beside it are the same position."""
    position = pack(*one)
    assert position_of(str(one), pulsar=True) == position
    assert position_of(str(position), pulsar=True) == position_of(str(position), pulsar=False) == position


@pytest.mark.parametrize(("text", "pulsar", "said"), [
    ("27:1034:5", False, "'27:1034:5' is a message id of Pulsar, and positions of this log are whole numbers"),
    ("27:1034:-1", True, "a whole number, or a message id such as 27:1034:5"),
    ("27:", True, "a whole number, or a message id such as 27:1034:5"),
    ("27:1:2:3", True, "a whole number, or a message id such as 27:1034:5"),
    ("", True, "has to be a whole number, or a message id"),
    ("", False, "'' is no position: it has to be a whole number$"),
    ("-1", False, "has to be a whole number"),
    ("\u0663", False, "has to be a whole number"),
    ("9" * 19, False, "is above 9223372036854775807"),
    (str(1 << 63), True, "is above 9223372036854775807"),
    ("9" * 20, False, "has to be a whole number"),
    ("9" * 5000, False, "has to be a whole number"),
    ("2147483648:0", True, "beyond what a position can hold"),
])
def test_what_is_no_position_is_refused(text: str, pulsar: bool, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        position_of(text, pulsar=pulsar)


def test_the_highest_position_is_one() -> None:
    assert position_of(str((1 << 63) - 1), pulsar=True) == position_of("9223372036854775807", pulsar=False) == 2**63 - 1


def test_a_topic_is_written_as_the_tools_of_pulsar_take_it() -> None:
    assert topic_text("persistent://public/default/zones") == "zones"
    assert topic_text("persistent://dns/live/zones") == "dns/live/zones"
    assert topic_text("non-persistent://public/default/zones") == "non-persistent://public/default/zones"
    assert topic_text("zones") == "zones"
    assert topic_text("public/default/zones") == "public/default/zones"
