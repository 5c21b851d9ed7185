"""Checks that the compacted form of a partition stayed the same while it was read for the first time.

A compacted reader is given, for what lies before the compaction's horizon, the latest value of each key, and no
deletes. Where another compaction ends while it reads, it goes on in the new form: a key that it met in the old one and
that is deleted in the new one stays, and nothing ever says so. So the partition is read twice. The second time only the
ids count: when they are the same up to the same message, no compaction came between, and nothing was missed.
"""

from __future__ import annotations

from array import array
from contextlib import suppress
from hashlib import blake2b
from typing import Final

import pulsar

from streamdns.sources.pulsar.client import EARLIEST, direct, key_of, next_message, open_reader, place_of

_QUEUE: Final = 10
_CHUNK: Final = 1000
_MORE_MS: Final = 1


class Fingerprint:
    """A hash of the ids of messages that have a key, in their order."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)

    def add(self, places: list[int]) -> None:
        """Add the positions of the next messages."""
        self._hash.update(array("q", places))

    def value(self) -> bytes:
        """Give the hash of all that was added."""
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
            places: list[int] = []
            while message is not None:
                place = place_of(message)
                if place > last:
                    before = place
                    break
                # Once the library has connected anew, it repeats the last one.
                if place > before and key_of(message) != "":
                    places.append(place)
                before = max(before, place)
                message = None
                if before < last and len(places) < _CHUNK:
                    with suppress(pulsar.Timeout):
                        message = plain.read_next(_MORE_MS)
            again.add(places)
    finally:
        reader.close()
    return again.value() == fingerprint.value()
