"""Takes messages from a reader in bursts, and learns where they are by asking few of them for their ids.

Every call from Python into the library has its price, and the id of a message takes four. The messages of an entry,
which is a batch, come one after the other; once the library has connected anew it repeats some, and it leaves out none.
So where n messages lead from index i of an entry to index i + n of the same one, each between them is the one behind
the one before it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pulsar

from streamdns.errors import SourceError
from streamdns.events.message_id import pack
from streamdns.runtime.interpreter import let_others

#: How long is waited for another message where this many came at once, and for how long a burst goes on with that: what
#: comes alone, or first, must not be late.
_MORE_MS: Final = 1
_SEVERAL: Final = 4
_LONGEST_S: Final = 0.003
#: The event loop may have its turn after so many messages.
OTHERS_AFTER: Final = 16

_Id = tuple[int, int, int]


class Run(NamedTuple):
    """The messages `begin` up to `end` of a burst, whose positions follow one another; `place` is that of the first."""

    begin: int
    end: int
    place: int


def burst(
    reader: Any, begun: list[pulsar.Message], *, most: int, most_bytes: int
) -> tuple[list[pulsar.Message], list[int]]:
    """Read what is there behind the messages that have been read, `begun`; gives all of them, and their lengths.

    `reader` is one of client.direct(). It ends where nothing comes for a moment, and soon where little comes.
    """
    messages = begun
    lengths = [message.length() for message in begun]
    left_bytes = most_bytes - sum(lengths)
    read, clock = reader.read_next, time.monotonic
    until_s = clock() + _LONGEST_S
    while left_bytes > 0 and len(messages) < most:
        if not len(messages) % OTHERS_AFTER:
            let_others()
        try:
            message = read(_MORE_MS if len(messages) >= _SEVERAL and clock() < until_s else 0)
        except pulsar.Timeout:
            break
        length = message.length()
        left_bytes -= length
        messages.append(message)
        lengths.append(length)
    return messages, lengths


def runs_of(messages: Sequence[pulsar.Message]) -> list[Run]:
    """Divide messages into runs; raises SourceError for an id that no position can hold."""
    runs: list[Run] = []
    begin, last = 0, len(messages) - 1
    first = _id(messages[0])
    last_id = first if not last else _id(messages[last])
    while True:
        ledger, entry, index = first
        end, following = _end_of(messages, begin, first, last_id)
        try:
            place = pack(ledger, entry, index)
            if end - begin > 1:
                pack(ledger, entry, index + end - begin - 1)
        except ValueError as error:
            raise SourceError(f"Pulsar topic {messages[begin].topic_name()}: {error}") from error
        runs.append(Run(begin, end, place))
        if end > last:
            return runs
        begin, first = end, following


def _end_of(messages: Sequence[pulsar.Message], begin: int, first: _Id, last_id: _Id) -> tuple[int, _Id]:
    """Give where a run ends that begins with the id `first`, and the id of the message there."""
    last = len(messages) - 1
    ledger, entry, index = first
    if begin == last or (index >= 0 and last_id == (ledger, entry, index + last - begin)):
        return last + 1, last_id
    within, beyond, beyond_id = begin, last, last_id
    step = 1
    while beyond - within > 1:
        # Further and further, and once that was too far, half the way: most batches are small.
        at = within + step if within + step < beyond else (within + beyond) // 2
        found = _id(messages[at])
        if found == (ledger, entry, index + at - begin):
            within, step = at, 2 * step
        else:
            beyond, beyond_id = at, found
    return beyond, beyond_id


def _id(message: pulsar.Message) -> _Id:
    at = message.message_id()
    return at.ledger_id(), at.entry_id(), at.batch_index()
