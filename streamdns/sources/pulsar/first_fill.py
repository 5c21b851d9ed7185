"""Checks that the compacted form of a partition stayed the same while it was read for the first time.

A compacted reader is given, for what lies before the compaction's horizon, the latest value of each key, and no
deletes. Where another compaction ends while it reads, it goes on in the new form: a key that it met in the old one and
that is deleted in the new one stays, and nothing ever says so. So the partition is read twice. The second time only the
ids count, of messages with a value: compaction takes messages away and adds none, so when they are the same up to the
same message, no value that was read is gone, and no delete of one was missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import pulsar

from streamdns.sources.pulsar.burst import burst, runs_of
from streamdns.sources.pulsar.client import EARLIEST, direct, next_message, open_reader

_QUEUE: Final = 10
_CHUNK: Final = 1000
_CHUNK_BYTES: Final = 1 << 20
_OCTETS: Final = 8


class Fingerprint:
    """A hash of the ids of messages that have a value, in their order, whatever pieces they come in."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self._begin = self._end = 0

    def add(self, place: int, lengths: Sequence[int]) -> None:
        """Add the next messages, by the position of the first, which the others follow, and the length of each."""
        if all(lengths):
            self._extend(place, len(lengths))
        else:
            for at, length in enumerate(lengths, place):
                if length:
                    self._extend(at, 1)

    def _extend(self, place: int, count: int) -> None:
        """Add messages with a value; only of positions that do not follow one another each has to be hashed."""
        if place != self._end:
            self._flush()
            self._begin = place
        self._end = place + count

    def _flush(self) -> None:
        self._hash.update(self._begin.to_bytes(_OCTETS) + self._end.to_bytes(_OCTETS))

    def value(self) -> bytes:
        """Give the hash of all that was added."""
        self._flush()
        self._begin = self._end = 0
        return self._hash.digest()


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
