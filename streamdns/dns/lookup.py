"""The inputs of a lookup: the view's snapshot, the configured policy, the question, and the zone found for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from streamdns.dns import name
from streamdns.dns.node import SOA, pack_records

ROOT: Final = b"\0"


class Snapshot(Protocol):
    """One consistent state of the view, as `view/reader.py` gives it.

    `node` and `cut` map a lookup key to the stored value or None: a node as dns/node.py has it, and for a name that
    bounds zones one octet of flags, followed by the `template` of dns/negative.py where these say so. `after` gives the
    first stored key at or behind a key, `before` the last one before it. `depths` are the numbers of labels at which
    zones or cuts exist, descending. `version` is another number, at least 0, whenever any of it is different.
    """

    node: Callable[[bytes], bytes | None]
    cut: Callable[[bytes], bytes | None]
    depths: tuple[int, ...]
    ready: bool

    def close(self) -> None: ...

    def after(self, key: bytes) -> bytes | None: ...

    def before(self, key: bytes) -> bytes | None: ...

    def version(self) -> int: ...


def _nothing(key: bytes) -> bytes | None:
    raise LookupError("no snapshot of the view is bound")


class _NoSnapshot:
    """What an answerer has between two batches: nothing to look up."""

    def __init__(self) -> None:
        self.node: Callable[[bytes], bytes | None] = _nothing
        self.cut: Callable[[bytes], bytes | None] = _nothing
        self.depths: tuple[int, ...] = ()
        self.ready = False

    def close(self) -> None:
        """There is nothing to let go of."""

    def after(self, key: bytes) -> bytes | None:
        """Raise LookupError, as all look-ups do."""
        return _nothing(key)

    def before(self, key: bytes) -> bytes | None:
        """Raise LookupError."""
        return _nothing(key)

    def version(self) -> int:
        """That of no state of the view."""
        return -1


NO_SNAPSHOT: Final[Snapshot] = _NoSnapshot()


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that change answers; `zones` are lookup keys of listed apexes, None = those in the log.

    `no_cookie_size` bounds UDP answers to clients without a good cookie, where it is less than `edns_size`.
    """

    zones: frozenset[bytes] | None = None
    instance_id: bytes = b""
    version: bytes | None = None
    edns_size: int = 1232
    no_cookie_size: int = 4096
    flatten_apex_cname: bool = False
    rotate: bool = False
    keepalive_s: int = 30


class Zone:
    """The zone of a name: depth and key of its apex, and the topmost cut between apex and name."""

    __slots__ = ("apex", "cut", "cut_is_dname", "key")

    def __init__(self, apex: int, key: bytes, cut: int, cut_is_dname: bool) -> None:
        self.apex, self.key, self.cut, self.cut_is_dname = apex, key, cut, cut_is_dname


class Question:
    """One name and type being looked up: the client's question, then each alias target.

    `labels` are those of the lookup key: from the top, lower case, escaped. The root's key is one zero octet.
    """

    __slots__ = ("key", "labels", "offsets", "qtype", "wire")

    def __init__(self, wire: bytes, qtype: int) -> None:
        lower = wire.lower()
        labels: list[bytes] = []
        offsets: list[int] = []
        at = 0
        length = lower[0]
        while length:
            offsets.append(at)
            labels.append(lower[at + 1 : at + 1 + length])
            at += length + 1
            length = lower[at]
        offsets.append(at)
        labels.reverse()
        joined = b"\0".join(labels) + b"\0"
        if 1 in joined or joined.count(b"\0") != (len(labels) or 1):
            labels = [label.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1") for label in labels]
            joined = b"\0".join(labels) + b"\0"
        self.wire, self.qtype, self.offsets, self.labels, self.key = wire, qtype, offsets, labels, joined

    def suffix(self, depth: int) -> bytes:
        """The last `depth` labels of the name in wire form, the case kept."""
        return self.wire[self.offsets[len(self.labels) - depth] :]

    def prefix(self, depth: int) -> bytes:
        """The lookup key of the last `depth` labels."""
        return b"\0".join(self.labels[:depth]) + b"\0"

    def wildcard(self, depth: int) -> bytes:
        """The lookup key of the wildcard below the last `depth` labels."""
        return self.prefix(depth) + b"*\0" if depth else b"*\0"

    def encloser(self, top: int, behind: bytes, before: bytes) -> int:
        """How many labels the closest encloser has (RFC 4592 §3.3.1), for a name that is not there; `top` at least.

        `behind` and `before` are the keys beside the name's. It is sought from the top, for below a name that does not
        exist none does, however many labels were asked for.
        """
        for depth in range(top + 1, len(self.labels)):
            prefix = self.prefix(depth)
            if not behind.startswith(prefix) and not before.startswith(prefix):
                return depth - 1
        return max(top, len(self.labels) - 1)


def from_key(key: bytes) -> bytes:
    """The wire name of a lookup key as the view stores it."""
    return b"\0" if key == ROOT else name.from_key(key)


def synthesised_soa(apex: bytes) -> bytes:
    """The SOA of a listed zone that has none in the log: the apex as MNAME, hostmaster below it, serial 1."""
    name = from_key(apex)
    mailbox = b"\x0ahostmaster" + name
    timers = b"".join(value.to_bytes(4, "big") for value in (1, 3600, 600, 604800, 60))
    return pack_records(SOA, 3600, (name + (mailbox if len(mailbox) <= 255 else name) + timers,))
