"""What answers do with octets: in Python and, where that is compiled, in C, for the same input the same."""

from __future__ import annotations

import importlib
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.dns import name, octets

_WAYS: list[Any] = [octets]
try:
    _WAYS.append(importlib.import_module("streamdns.dns._octets"))
except ImportError:
    print("streamdns.dns._octets is not compiled: what it does is done in Python alone")

ways = pytest.mark.parametrize("way", _WAYS, ids=lambda way: way.__name__.rpartition(".")[2])
_HEAD = bytes(range(12))
_BEHIND = b"\0\1\0\1"
_WIRE = st.lists(st.binary(min_size=1, max_size=63), max_size=9).map(
    lambda labels: b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
)


def _starts(wire: bytes, at: int) -> list[int]:
    found = []
    while wire[at] and wire[at] < 64:
        found.append(at)
        at += wire[at] + 1
    return found


@ways
@given(wire=_WIRE, rest=st.binary(max_size=20))
def test_the_key_of_a_question_is_that_of_its_name(way: Any, wire: bytes, rest: bytes) -> None:
    """Or b"" where it has to be escaped, or there are no labels; the labels are known all the same."""
    packet = _HEAD + wire + _BEHIND + rest
    starts: list[int] = []
    key = way.question_key(packet, starts)
    assert starts == _starts(packet, 12)
    labels = wire[:-1]
    escaped = any(octet < 2 for start in starts for octet in packet[start + 1 : start + 1 + packet[start]])
    assert key == (b"" if escaped or not labels else name.key(wire.lower()))


@ways
@given(wire=_WIRE, data=st.data())
def test_there_is_no_key_without_a_whole_question(way: Any, wire: bytes, data: st.DataObject) -> None:
    """Cut short anywhere, or with a label that is too long or a pointer, there is none."""
    packet = _HEAD + wire + _BEHIND
    cut = data.draw(st.integers(13, len(packet) - 1))
    if wire == b"\0":
        return  # Whoever asks for the root has looked at the length before.
    assert way.question_key(packet[:cut], []) is None
    starts = _starts(packet, 12)
    at = data.draw(st.sampled_from(starts))
    long = data.draw(st.integers(64, 255))
    assert way.question_key(packet[:at] + bytes((long,)) + packet[at + 1 :] + bytes(300), []) is None


@ways
@given(wire=_WIRE, before=st.binary(max_size=20), pointer=st.integers(0xC000, 0xFFFF))
def test_the_key_of_labels_ends_at_the_root_or_at_a_pointer(
    way: Any, wire: bytes, before: bytes, pointer: int
) -> None:
    labels = wire[:-1]
    for end in (b"\0", pointer.to_bytes(2, "big")):
        whole = before + labels + end
        starts: list[int] = []
        key = way.labels_key(whole, len(before), starts)
        assert starts == _starts(whole, len(before))
        escaped = any(octet < 2 for start in starts for octet in whole[start + 1 : start + 1 + whole[start]])
        assert key == (None if escaped else name.key(wire.lower()) if labels else b"")


@ways
@given(
    key=st.binary(max_size=60), data=st.data(), label=st.binary(min_size=1, max_size=63), before=st.binary(max_size=9)
)
def test_the_key_one_label_below(way: Any, key: bytes, data: st.DataObject, label: bytes, before: bytes) -> None:
    end = data.draw(st.integers(0, len(key)))
    whole = before + bytes((len(label),)) + label + b"\xc0\x0c"
    made = way.below(key, end, whole, len(before))
    assert made == (None if min(label) < 2 else key[:end] + label.lower() + b"\0")


@ways
@given(parts=st.tuples(*[st.binary(max_size=20)] * 4), pointer=st.binary(min_size=2, max_size=2))
def test_pointers_are_put_into_their_three_places(
    way: Any, parts: tuple[bytes, bytes, bytes, bytes], pointer: bytes
) -> None:
    before, one, two, three = parts
    whole = before + b"\0\0" + one + b"\0\0" + two + b"\0\0" + three
    first = len(before)
    second = first + 2 + len(one)
    third = second + 2 + len(two)
    assert way.pointing(whole, first, second, third, pointer) == pointer + one + pointer + two + pointer + three


@ways
@given(
    question=_WIRE, rest=st.binary(max_size=20), flags=st.integers(0, 65535), body=st.binary(max_size=300),
    counts=st.tuples(*[st.integers(0, 65534)] * 3), opt=st.sampled_from((b"", b"\0\0\x29\4\xd0\0\0\0\0\0\0")),
)
def test_a_message_is_its_header_its_question_and_its_sections(
    way: Any, question: bytes, rest: bytes, flags: int, body: bytes, counts: tuple[int, int, int], opt: bytes
) -> None:
    packet = _HEAD + question + _BEHIND + rest
    end = 12 + len(question) + 4
    made = way.message(packet, end, flags, *counts, body, opt)
    numbers = (flags, 1, counts[0], counts[1], counts[2] + bool(opt))
    assert made == packet[:2] + b"".join(each.to_bytes(2, "big") for each in numbers) + packet[12:end] + body + opt


@ways
@given(
    question=_WIRE, rest=st.binary(max_size=20), head=st.binary(min_size=10, max_size=10), body=st.binary(max_size=300),
    opt=st.sampled_from((b"", b"\0\0\x29\4\xd0\0\0\0\0\0\0")),
)
def test_a_header_that_is_there_already_is_used(
    way: Any, question: bytes, rest: bytes, head: bytes, body: bytes, opt: bytes
) -> None:
    packet = _HEAD + question + _BEHIND + rest
    end = 12 + len(question) + 4
    assert way.headed(packet, end, head, body, opt) == packet[:2] + head + packet[12:end] + body + opt


@ways
@given(value=st.integers(0, (1 << 32) - 1), before=st.binary(max_size=9), behind=st.binary(max_size=9))
def test_a_number_takes_four_octets(way: Any, value: int, before: bytes, behind: bytes) -> None:
    assert way.number(before + value.to_bytes(4, "big") + behind, len(before)) == value


@ways
@given(octets=st.binary(max_size=40), data=st.data())
def test_a_piece_is_all_there_or_an_error(way: Any, octets: bytes, data: st.DataObject) -> None:
    """Beyond the end nothing is cut out, however far it is: a damaged view may say anything."""
    begin = data.draw(st.integers(0, len(octets)))
    length = data.draw(st.integers(0, len(octets) - begin))
    assert way.piece(octets, begin, length) == octets[begin : begin + length]
    beyond = data.draw(st.integers(len(octets) - begin + 1, (1 << 32) - 1))
    with pytest.raises(IndexError):
        way.piece(octets, begin, beyond)


@ways
def test_nothing_is_read_beyond_the_end(way: Any) -> None:
    """What was stored wrong is an error, and no octet of something else."""
    for call in (
        lambda: way.number(b"123", 0), lambda: way.number(b"1234", 1), lambda: way.labels_key(b"\3ab", 0, []),
        lambda: way.labels_key(b"\3abc", 0, []), lambda: way.labels_key(b"", 0, []), lambda: way.question_key(b"", []),
    ):
        with pytest.raises((IndexError, struct.error)):
            call()
