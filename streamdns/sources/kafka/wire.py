"""The few requests of Kafka's protocol that are sent by hand, as bytes: what goes out and what the replies say.

Versions are chosen so that brokers from 2.8 to 4.x serve them (kafka.apache.org/protocol). Nothing here does I/O.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from streamdns.errors import SourceError
from streamdns.events.batch import Partition

_T = TypeVar("_T")

FETCH: Final = 1
_TRANSACTIONAL: Final = 1 << 4
EARLIEST, LATEST = -2, -1
NONE, OUT_OF_RANGE, UNKNOWN_TOPIC, LEADER_UNAVAILABLE, NOT_LEADER = 0, 1, 3, 5, 6
TOPIC_DENIED, UNSUPPORTED_VERSION, AUTHENTICATION_FAILED, ZSTD = 29, 35, 58, 76
#: Error codes that an administrator may meet, in words.
ERRORS: Final[Mapping[int, str]] = {
    1: "the offset is out of range", 2: "a message is corrupt", 3: "there is no such topic or partition",
    5: "the partition has no leader", 6: "another broker leads the partition", 7: "the broker gave up waiting",
    9: "a replica is not available", 14: "the group coordinator is loading", 15: "there is no group coordinator",
    16: "another broker coordinates the group", 25: "the group has other members", 29: "no permission for the topic",
    30: "no permission for the group", 31: "no permission for the cluster",
    33: "the broker does not offer this SASL mechanism", 34: "the SASL handshake was out of order",
    35: "the broker does not serve this version of the request", 56: "the broker cannot read its disk",
    58: "the user or the password is wrong", 74: "the leader's epoch is older", 76: "the data is compressed with zstd",
    100: "the topic has another id",
}


def error_text(code: int) -> str:
    """An error code in words, with its number."""
    return f"{ERRORS.get(code, 'an error without a name here')} (Kafka error {code})"


class WireError(SourceError):
    """A reply that is not what was asked for."""


class Request(NamedTuple):
    """An encoded body; `flexible` says which header it wants."""

    api: int
    version: int
    body: bytes
    flexible: bool = False

    def frame(self, correlation: int) -> bytes:
        """The whole request with its length."""
        header = struct.pack(">hhi", self.api, self.version, correlation) + _string("streamdns")
        header += b"\0" if self.flexible else b""
        return struct.pack(">i", len(header) + len(self.body)) + header + self.body


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic in the metadata; `leaders` maps each partition to (error, broker), `replicas` to their number."""

    name: str
    error: int
    id: str
    leaders: dict[int, tuple[int, int]]
    replicas: dict[int, int]


@dataclass(frozen=True, slots=True)
class Metadata:
    """The cluster as one broker knows it; `brokers` maps ids to (host, port)."""

    cluster: str
    brokers: dict[int, tuple[str, int]]
    topics: dict[str, Topic]


def _string(text: str | None) -> bytes:
    if text is None:
        return b"\xff\xff"
    raw = text.encode()
    return struct.pack(">h", len(raw)) + raw


def _array(items: Iterable[bytes]) -> bytes:
    encoded = list(items)
    return struct.pack(">i", len(encoded)) + b"".join(encoded)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _by_topic(partitions: Mapping[Partition, _T], encode: Callable[[int, _T], bytes]) -> bytes:
    """The array of topics, each with an array of its partitions."""
    topics: dict[str, list[bytes]] = {}
    for (topic, number), value in partitions.items():
        topics.setdefault(topic, []).append(encode(number, value))
    return _array(_string(topic) + _array(encoded) for topic, encoded in topics.items())


class Reader:
    """Takes a reply apart; running over its end is a WireError."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, form: str) -> int:
        """One number in struct's notation, big endian."""
        try:
            (value,) = struct.unpack_from(">" + form, self._data, self._at)
        except struct.error:
            raise WireError("the broker's reply ends too early") from None
        self._at += struct.calcsize(">" + form)
        return int(value)

    def raw(self, length: int) -> bytes:
        if length < 0 or self._at + length > len(self._data):
            raise WireError("the broker's reply ends too early")
        self._at += length
        return self._data[self._at - length : self._at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            octet = self.take("B")
            value |= (octet & 127) << shift
            shift += 7
            if octet < 128:
                return value

    def string(self) -> str:
        length = self.take("h")
        return "" if length < 0 else self.raw(length).decode(errors="replace")

    def data(self) -> bytes:
        length = self.take("i")
        return b"" if length < 0 else self.raw(length)

    def compact(self) -> str:
        length = self.varint()
        return "" if length == 0 else self.raw(length - 1).decode(errors="replace")

    def tags(self) -> None:
        for _ in range(self.varint()):
            self.varint()
            self.raw(self.varint())


def api_versions() -> Request:
    return Request(18, 0, b"")


def read_api_versions(data: bytes) -> dict[int, tuple[int, int]]:
    """API key to the lowest and highest version that is served."""
    reader = Reader(data)
    error = reader.take("h")
    if error:
        raise WireError(error_text(error))
    return {reader.take("h"): (reader.take("h"), reader.take("h")) for _ in range(reader.take("i"))}


def sasl_handshake(mechanism: str) -> Request:
    return Request(17, 1, _string(mechanism))


def read_sasl_handshake(data: bytes) -> tuple[int, list[str]]:
    """The error code and the mechanisms that are offered."""
    reader = Reader(data)
    return reader.take("h"), [reader.string() for _ in range(reader.take("i"))]


def sasl_authenticate(token: bytes) -> Request:
    return Request(36, 0, struct.pack(">i", len(token)) + token)


def read_sasl_authenticate(data: bytes) -> tuple[int, str, bytes]:
    """The error code, the broker's words about it, and its token."""
    reader = Reader(data)
    return reader.take("h"), reader.string(), reader.data()


def metadata(topics: Iterable[str]) -> Request:
    """Version 10 is the first whose reply has topic ids; no topic is made by asking."""
    names = [name.encode() for name in topics]
    entries = b"".join(bytes(16) + _varint(len(name) + 1) + name + b"\0" for name in names)
    return Request(3, 10, _varint(len(names) + 1) + entries + b"\0\0\0\0", flexible=True)


def read_metadata(data: bytes) -> Metadata:
    reader = Reader(data)
    reader.tags()
    reader.take("i")
    brokers: dict[int, tuple[str, int]] = {}
    for _ in range(reader.varint() - 1):
        number = reader.take("i")
        brokers[number] = (reader.compact(), reader.take("i"))
        reader.compact()
        reader.tags()
    cluster = reader.compact()
    reader.take("i")
    topics = [_read_topic(reader) for _ in range(reader.varint() - 1)]
    return Metadata(cluster, brokers, {topic.name: topic for topic in topics})


def _read_topic(reader: Reader) -> Topic:
    error, name = reader.take("h"), reader.compact()
    identity = base64.urlsafe_b64encode(reader.raw(16)).decode().rstrip("=")
    reader.take("b")
    leaders, replicas = {}, {}
    for _ in range(reader.varint() - 1):
        failure, number, leader = reader.take("h"), reader.take("i"), reader.take("i")
        reader.take("i")
        leaders[number] = (failure, leader)
        replicas[number] = reader.varint() - 1
        reader.raw(4 * replicas[number])
        for _ in range(2):  # in-sync and offline replicas
            reader.raw(4 * (reader.varint() - 1))
        reader.tags()
    reader.take("i")
    reader.tags()
    return Topic(name, error, identity, leaders, replicas)


def list_offsets(partitions: Iterable[Partition], *, at: int, committed: bool) -> Request:
    """EARLIEST or LATEST; `committed`: an open transaction ends the log, as read_committed sees it."""
    wanted = dict.fromkeys(partitions, at)
    body = _by_topic(wanted, lambda number, stamp: struct.pack(">iq", number, stamp))
    return Request(2, 2, struct.pack(">ib", -1, committed) + body)


def read_list_offsets(data: bytes) -> dict[Partition, tuple[int, int]]:
    """Partition to (error, offset)."""
    reader = Reader(data)
    reader.take("i")
    found: dict[Partition, tuple[int, int]] = {}
    for _ in range(reader.take("i")):
        topic = reader.string()
        for _ in range(reader.take("i")):
            number, error, _stamp, offset = reader.take("i"), reader.take("h"), reader.take("q"), reader.take("q")
            found[topic, number] = (error, offset)
    return found


def find_coordinator(group: str) -> Request:
    return Request(10, 0, _string(group))


def read_find_coordinator(data: bytes) -> tuple[int, str, int]:
    """Error, host and port."""
    reader = Reader(data)
    error, _ = reader.take("h"), reader.take("i")
    return error, reader.string(), reader.take("i")


def offset_commit(group: str, positions: Mapping[Partition, int]) -> Request:
    """The commit of one who is no member of the group."""
    body = _by_topic(positions, lambda number, offset: struct.pack(">iq", number, offset) + _string(""))
    return Request(8, 2, _string(group) + struct.pack(">i", -1) + _string("") + struct.pack(">q", -1) + body)


def read_offset_commit(data: bytes) -> dict[Partition, int]:
    """Partition to error."""
    reader = Reader(data)
    found: dict[Partition, int] = {}
    for _ in range(reader.take("i")):
        topic = reader.string()
        for _ in range(reader.take("i")):
            number = reader.take("i")
            found[topic, number] = reader.take("h")
    return found


def describe_configs(topics: Iterable[str]) -> Request:
    return Request(32, 1, _array(b"\x02" + _string(topic) + struct.pack(">i", -1) for topic in topics) + b"\0")


def read_describe_configs(data: bytes) -> dict[str, tuple[int, dict[str, str]]]:
    """Topic to (error, its settings as text)."""
    reader = Reader(data)
    reader.take("i")
    found: dict[str, tuple[int, dict[str, str]]] = {}
    for _ in range(reader.take("i")):
        error = reader.take("h")
        reader.string()
        reader.take("b")
        topic = reader.string()
        values: dict[str, str] = {}
        for _ in range(reader.take("i")):
            name = reader.string()
            values[name] = reader.string()
            reader.raw(3)
            for _ in range(reader.take("i")):
                reader.string()
                reader.string()
                reader.take("b")
        found[topic] = (error, values)
    return found


class StoredBatch(NamedTuple):
    """A batch as it is stored: the offset behind it, and whether it was written within a transaction."""

    end: int
    transactional: bool


def stored_batch(partition: Partition, offset: int) -> Request:
    """Fetch version 4 of no more than one batch, which may be an empty one: its head is all that is wanted."""
    topic, number = partition
    entry = struct.pack(">iqi", number, offset, 1)
    body = struct.pack(">iiiib", -1, 0, 0, 1, 0) + _array([_string(topic) + _array([entry])])
    return Request(FETCH, 4, body)


def read_stored_batch(data: bytes) -> tuple[int, StoredBatch | None]:
    """Error, and the first batch; None where there is none or it is of an older format."""
    reader = Reader(data)
    reader.take("i")
    if reader.take("i") != 1:
        raise WireError("the broker's reply is about other topics")
    reader.string()
    if reader.take("i") != 1:
        raise WireError("the broker's reply is about other partitions")
    reader.take("i")
    error = reader.take("h")
    reader.raw(16)
    reader.raw(16 * max(0, reader.take("i")))
    batch = reader.data()
    if error or len(batch) < 27 or batch[16] < 2:
        return error, None
    first, attributes, last_delta = struct.unpack_from(">q13xhi", batch)
    return error, StoredBatch(first + last_delta + 1, bool(attributes & _TRANSACTIONAL))
