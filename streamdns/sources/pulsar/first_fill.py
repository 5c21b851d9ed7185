"""Checks that the compacted form of a partition stayed the same while it was read for the first time.

A compacted reader is given, for what lies before the compaction's horizon, the latest value of each key, and no
deletes. Where another compaction ends while it reads, it goes on in the new form: a key that it met in the old one and
that is deleted in the new one stays, and nothing ever says so. So the partition is read twice. The second time only the
ids count, of messages with a value: compaction takes messages away and adds none, so when they are the same up to the
same message, no value that was read is gone, and no delete of one was missed. That holds however long the first time
took, so what was read before the process ended counts, too: the fingerprint of it is stored with each position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

import pulsar

from streamdns.sources.pulsar.burst import burst, runs_of
from streamdns.sources.pulsar.client import EARLIEST, direct, next_message, open_reader

#: How what is stored of an unfinished fill begins.
FILLING: Final = "first fill"
_QUEUE: Final = 10
_CHUNK: Final = 1000
_CHUNK_BYTES: Final = 1 << 20
#: A hash whose state is a number, and can be stored: a polynomial over a prime field, at a point drawn once.
_PRIME: Final = (1 << 127) - 1
_POINT: Final = 0x2F1A7C94D3B65E80A9172C4FD0836BE5
_POSITION_BITS: Final = 64


class Fingerprint:
    """A hash of the ids of messages that have a value, in their order, whatever pieces they come in."""

    def __init__(self) -> None:
        self._hash = self._begin = self._end = 0

    @classmethod
    def of(cls, text: str) -> Self:
        """Go on with one that was written by text(); "" begins anew. Raises ValueError."""
        made = cls()
        if text:
            made._hash, made._begin, made._end = (int(part, 16) for part in text.split("."))
        return made

    def text(self) -> str:
        """Write down what was added so far."""
        return f"{self._hash:x}.{self._begin:x}.{self._end:x}"

    def add(self, place: int, lengths: Sequence[int]) -> None:
        """Add the next messages, by the position of the first, which the others follow, and the length of each."""
        if all(lengths):
            self._extend(place, len(lengths))
        else:
            for at, length in enumerate(lengths, place):
                if length:
                    self._extend(at, 1)

    def _extend(self, place: int, count: int) -> None:
        """Add messages with a value: those whose positions follow one another are hashed as one."""
        if place != self._end:
            self._hash, self._begin = self.value(), place
        self._end = place + count

    def value(self) -> int:
        """Give the hash of all that was added."""
        if not self._end:
            return 0
        return (self._hash * _POINT + (self._begin << _POSITION_BITS | self._end)) % _PRIME


def stored(position: int, fingerprint: Fingerprint) -> str:
    """Write what is stored of a fill that has come to a position."""
    return f"{FILLING} {position} {fingerprint.text()}"


def resumed(text: str, position: int) -> str | None:
    """Give the fingerprint of a fill that was broken off at a position, by what is stored; None where it is another."""
    at, _, fingerprint = text.removeprefix(FILLING).strip().partition(" ")
    try:
        Fingerprint.of(fingerprint)
    except ValueError:
        return None
    return fingerprint if fingerprint and at == str(position) else None


def same_again(
    client: pulsar.Client, topic: str, fingerprint: Fingerprint, last: int, timeout_s: float
) -> bool:
    """Read the compacted partition once more up to the position `last`; tells whether it has the same ids."""
    again = Fingerprint()
    reader = open_reader(client, topic, EARLIEST, queue=_QUEUE, compacted=True)
    plain = direct(reader)
    before = -1
    try:
        while before < last:
            message = next_message(reader, timeout_s)
            if message is None:
                break
            messages, lengths = burst(plain, [message], most=_CHUNK, most_bytes=_CHUNK_BYTES)
            for begin, end, place in runs_of(messages):
                # Once the library has connected anew, it repeats the last one.
                known, beyond = begin + max(0, before + 1 - place), min(end, begin + last + 1 - place)
                if known < beyond:
                    again.add(place + known - begin, lengths[known:beyond])
                before = max(before, place + end - begin - 1)
    finally:
        reader.close()
    return again.value() == fingerprint.value()
