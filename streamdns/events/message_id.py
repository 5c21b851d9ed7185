"""Packs a Pulsar message id, which is three numbers, into the one integer that a position is everywhere else. Pure.

A message has a ledger (a number that the cluster never gives twice), an entry in it, and, where a producer sent a
batch, an index in the entry. Positions of views, of the API and of the console are integers of 64 bits, and for most of
what they are used for only their order counts. So an id becomes such an integer by a rule that loses nothing and keeps
the order: 31 bits for the ledger, and 32 for the place in it. A ledger with many entries leaves fewer bits for the
index, because it is closed after some size or time: a ledger holds up to 2**28 messages whichever way they are batched,
where Pulsar's own limits lead to 5 * 10**7. The first three of the 32 bits choose the split (RANGES).

Where reading goes on is such a number, too: that of the message that comes next where that is known, or one more than
that of the last message, which no other message before the next one has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

_LEDGER_BITS: Final = 31
_PLACE_BITS: Final = 29
#: The bits of the entry's number, smallest first; the others of the 29 are the index in the batch, plus one. The
#: highest index is left out, so that one more is never another entry.
RANGES: Final = (11, 14, 16, 18, 20, 22, 25, 28)
_SHIFT: Final = _PLACE_BITS + 3
_PLACE_MASK: Final = (1 << _PLACE_BITS) - 1
#: How the topics of Pulsar begin, as they stand in positions; no other log has such names.
TOPIC_PREFIXES: Final = ("persistent://", "non-persistent://")
_NO_ROOM: Final = -2
_PARTS: Final = 3
_MOST: Final = (1 << 63) - 1
_DIGITS: Final = 20


class MessageId(NamedTuple):
    """The place of a message in its partition; `batch_index` is -1 where it was sent alone."""

    ledger: int
    entry: int
    batch_index: int = -1

    def __str__(self) -> str:
        return f"{self.ledger}:{self.entry}" if self.batch_index < 0 else ":".join(map(str, self))


def pack(ledger: int, entry: int, batch_index: int) -> int:
    """Give the position of a message; raises ValueError for numbers that no position can hold."""
    alone, highest = _entry(ledger, entry)
    if not -1 <= batch_index <= highest:
        raise ValueError(f"the message id {MessageId(ledger, entry, batch_index)} is beyond what a position can hold")
    return alone + 1 + batch_index


@lru_cache(maxsize=256)  # The messages of a batch come one after the other, and have all but the index in common.
def _entry(ledger: int, entry: int) -> tuple[int, int]:
    """Give the position of a message that is an entry by itself, and the highest index that a batch may have there.

    It is below -1 where no position can hold the entry.
    """
    number = 0
    bits = RANGES[0]
    while entry >> bits and number < len(RANGES) - 1:
        number += 1
        bits = RANGES[number]
    index_bits = _PLACE_BITS - bits
    if ledger >> _LEDGER_BITS or entry >> bits or min(ledger, entry) < 0:
        return 0, _NO_ROOM
    return ledger << _SHIFT | number << _PLACE_BITS | entry << index_bits, (1 << index_bits) - 3


def unpack(position: int) -> MessageId:
    """Give the message that has this position; the inverse of pack."""
    number = position >> _PLACE_BITS & 7
    index_bits = _PLACE_BITS - RANGES[number]
    place = position & _PLACE_MASK
    return MessageId(position >> _SHIFT, place >> index_bits, (place & (1 << index_bits) - 1) - 1)


def ledger_of(position: int) -> int:
    """Give the ledger of the message at a position, or of the one before it."""
    return position >> _SHIFT


def resume_at(position: int) -> MessageId:
    """Give the message to begin at where reading goes on at `position`: the last one, else the one that comes next.

    The first message that is there from it on has the position before `position`, which was read, or `position`, which
    was not; else the log was cut.
    """
    index_bits = _PLACE_BITS - RANGES[position >> _PLACE_BITS & 7]
    return unpack(position - 1 if position & (1 << index_bits) - 1 else position)


def position_of(text: str, *, pulsar: bool) -> int:
    """Parse a position as users see it: a whole number, or for a topic of Pulsar ledger:entry or ledger:entry:index.

    Raises ValueError, with a sentence that begins with the text.
    """
    parts = text.split(":")
    if not all(part.isascii() and part.isdigit() and len(part) < _DIGITS for part in parts) or len(parts) > _PARTS:
        wanted = "a whole number, or a message id such as 27:1034:5" if pulsar else "a whole number"
        raise ValueError(f"{text!r} is no position: it has to be {wanted}")
    if len(parts) == 1:
        position = int(text)
        if position > _MOST:
            raise ValueError(f"{text!r} is no position: it is above {_MOST}")
        return position
    if not pulsar:
        raise ValueError(f"{text!r} is a message id of Pulsar, and positions of this log are whole numbers")
    return pack(*MessageId(*map(int, parts)))


def is_pulsar(topic: str) -> bool:
    """Whether a topic, by the name that it has in positions, is one of Pulsar."""
    return topic.startswith(TOPIC_PREFIXES)


def position_text(topic: str | None, position: int) -> str:
    """Write a position for people: ledger:entry:index where the topic is one of Pulsar, else the number that it is."""
    if topic is None or not is_pulsar(topic) or position <= 0:
        return str(position)
    return str(unpack(position))


def topic_text(topic: str) -> str:
    """Write a topic as Pulsar's own tools take it: without persistent://, and without public/default/ behind that."""
    prefix = TOPIC_PREFIXES[0]
    return topic.removeprefix(prefix).removeprefix("public/default/") if topic.startswith(prefix) else topic
