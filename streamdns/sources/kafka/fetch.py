"""Asks a broker for batches as they are stored (Fetch 10), in the octets of Kafka's protocol. No I/O.

Both client libraries would unpack what they are sent before anybody can look at it, as far as memory reaches. So only
their connections and their knowledge of the cluster are used. Fetch 10 is served by every broker from 2.1 on, gives
zstd as it is, and with `read_committed` says which transactions were aborted (kafka.apache.org/protocol).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from streamdns.events.batch import Partition
from streamdns.sources.kafka.old_formats import DecodeError

API_KEY, VERSION = 1, 10
_CLIENT: Final = b"streamdns"
_READ_COMMITTED = 1
_NO_SESSION: Final = (0, -1)
_HEAD = struct.Struct(">hhih")
_LENGTH = struct.Struct(">i")
_PARTITION = struct.Struct(">ihqqqi")  # number, error, high watermark, last stable and first offset, aborted ones
_ABORTED = struct.Struct(">qq")


def request(
    positions: Mapping[Partition, int], sizes: Mapping[Partition, int], *, wait_ms: int, most_bytes: int
) -> bytes:
    """Make a request for the batches from these positions on, without its length; in this order of the partitions.

    A reply holds about `most_bytes`, and of each partition about its size, but always a whole batch of the first
    partition that has one.
    """
    by_topic: dict[str, list[tuple[int, int, int]]] = {}
    for (topic, number), position in positions.items():
        by_topic.setdefault(topic, []).append((number, position, sizes[topic, number]))
    asked = [_HEAD.pack(API_KEY, VERSION, 0, len(_CLIENT)), _CLIENT]
    asked.append(struct.pack(">iiiibiii", -1, wait_ms, 1, most_bytes, _READ_COMMITTED, *_NO_SESSION, len(by_topic)))
    for topic, parts in by_topic.items():
        name = topic.encode()
        asked += [struct.pack(">h", len(name)), name, _LENGTH.pack(len(parts))]
        asked += [struct.pack(">iiqqi", number, -1, position, -1, size) for number, position, size in parts]
    asked.append(_LENGTH.pack(0))  # topics that a session forgets
    return b"".join(asked)


class PartitionData(NamedTuple):
    """The part of a reply that is about one partition; its batches are reply[start:end].

    `end_offset` is where the partition ends for those who read what is committed.
    """

    error: int
    end_offset: int
    aborted: Sequence[tuple[int, int]]
    start: int
    end: int


def reply(octets: bytes) -> Iterator[tuple[Partition, PartitionData]]:
    """Split a reply, without its length and correlation, by partition; raises DecodeError."""
    try:
        error, _, topics = struct.unpack_from(">hii", octets, 4)
        if error:
            raise DecodeError(f"the broker says error {error} to a whole request")
        at = 14
        for _ in range(topics):
            (length,) = struct.unpack_from(">h", octets, at)
            if length < 0:
                raise DecodeError("the name of a topic has a length below 0")  # It would be read for ever.
            topic = octets[at + 2 : at + 2 + length].decode(errors="replace")
            at += 2 + length
            (count,) = _LENGTH.unpack_from(octets, at)
            at += 4
            for _ in range(count):
                number, error, high, stable, _, aborted = _PARTITION.unpack_from(octets, at)
                at += _PARTITION.size
                pairs = [*_pairs(octets, at, aborted)]
                at += max(0, aborted) * _ABORTED.size
                size = max(0, _LENGTH.unpack_from(octets, at)[0])
                at += 4
                if at + size > len(octets):
                    raise DecodeError("the reply ends within a partition")
                yield (topic, number), PartitionData(error, stable if stable >= 0 else high, pairs, at, at + size)
                at += size
    except struct.error:
        raise DecodeError("the reply ends too early") from None


def _pairs(octets: bytes, at: int, count: int) -> Iterable[tuple[int, int]]:
    if count <= 0:
        return []
    end = at + count * _ABORTED.size
    if end > len(octets):
        raise DecodeError("the reply ends within a list of transactions")
    return _ABORTED.iter_unpack(octets[at:end])
