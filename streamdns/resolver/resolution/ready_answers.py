"""Keeps whole answers as they were sent, in front of the resolver's cache: a hit costs a look-up and an assembly."""

from __future__ import annotations

from collections.abc import Iterator

from streamdns.dns.wire import HEADER_SIZE, QR, RA, RD, skip_name

#: What an entry takes beside its octets: object, key, dictionary slot, offsets.
_ENTRY_BYTES = 480
_OFFSET_BYTES = 40
_LEAST_REFRESHED_S = 10


class Message:
    """The sections of one answer behind the question, with the TTLs as they are `age_s` after it was made.

    `start` is the header behind the id, `start_opt` where an OPT record follows; `question` is its type and class.
    `foreign` is the version of the view in which its name was seen not to be ours and, if it is `chained`, neither were
    the names that its aliases lead to.
    """

    __slots__ = ("age_s", "body", "chained", "cost", "foreign", "kind", "made", "made_s", "offsets", "question",
                 "refresh_s", "start", "start_opt", "until_s", "used")

    def __init__(self, reply: bytes, question_end: int, offsets: tuple[int, ...], now_s: float) -> None:
        self.question = reply[question_end - 4 : question_end]
        self.kind = int.from_bytes(self.question[:2], "big") << 8 | reply[3] & 15
        self.start = b"%c%c%b" % (QR | RD, RA | reply[3] & 15, reply[4:12])
        self.start_opt = self.start[:-1] + b"\1"
        self.body = self.made = body = reply[question_end:]
        self.offsets = offsets
        self.made_s = now_s
        self.until_s = now_s + min(int.from_bytes(body[at : at + 4], "big") for at in offsets)
        lasts_s = self.until_s - now_s
        #: When it is time to ask again, if it is used then.
        self.refresh_s = self.until_s - lasts_s / 10 if lasts_s >= _LEAST_REFRESHED_S else self.until_s
        self.foreign = -1
        self.chained = False
        self.age_s = 0
        self.used = False
        self.cost = 0

    def age(self, age_s: int) -> None:
        """Count the TTLs down to what they are after so many seconds."""
        body = bytearray(self.made)
        for at in self.offsets:
            body[at : at + 4] = (int.from_bytes(body[at : at + 4], "big") - age_s).to_bytes(4, "big")
        self.body = bytes(body)
        self.age_s = age_s


class Messages:
    """Messages by key (see `key_of`), bounded by `most_bytes`; what was not used goes first."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = self.hits = self.evicted = 0
        self._messages: dict[bytes, Message] = {}
        #: The message of a key, whether its time is over or not, or None; `known` is empty where there are none.
        self.get, self.known = self._messages.get, self._messages.keys()

    def __len__(self) -> int:
        return len(self._messages)

    def put(
        self, key: bytes, reply: bytes, question_end: int, now_s: float, *, foreign: int = -1, chained: bool = False
    ) -> None:
        """Keep a whole reply without an OPT record; one whose TTLs are over at once is not kept."""
        offsets = ttl_offsets(reply, question_end)
        if not offsets:
            return
        made = Message(reply, question_end, offsets, now_s)
        if made.until_s <= now_s:
            return
        made.foreign, made.chained = foreign, chained
        made.cost = _ENTRY_BYTES + len(key) + 2 * len(made.body) + _OFFSET_BYTES * len(offsets)
        self._remove(key)
        self._messages[key] = made
        self.bytes += made.cost
        while self.bytes > self.most_bytes:
            self._evict()

    def doubt(self) -> None:
        """Makes every message prove again that its names are not ours: the policy has changed."""
        for message in self._messages.values():
            message.foreign = -1

    def clearing(self) -> Iterator[bool]:
        """Forget everything in steps of one message, for whoever pauses in between."""
        while self._messages:
            _, gone = self._messages.popitem()
            self.bytes -= gone.cost
            yield True

    def _remove(self, key: bytes) -> None:
        gone = self._messages.pop(key, None)
        if gone is not None:
            self.bytes -= gone.cost

    def _evict(self) -> None:
        """Remove the oldest; one that was used since it was looked at last gets another round."""
        key = next(iter(self._messages))
        oldest = self._messages.pop(key)
        if oldest.used:
            oldest.used = False
            self._messages[key] = oldest
        else:
            self.bytes -= oldest.cost
            self.evicted += 1


def ttl_offsets(reply: bytes, question_end: int) -> tuple[int, ...]:
    """Where the TTLs stand, counted from the end of the question."""
    counts = sum(int.from_bytes(reply[at : at + 2], "big") for at in (6, 8, 10))
    offsets = []
    at = question_end
    for _ in range(counts):
        at = skip_name(reply, at)
        offsets.append(at + 4 - question_end)
        at += 10 + (reply[at + 8] << 8 | reply[at + 9])
    return tuple(offsets)


def key_of(packet: bytes, question_end: int, do: bool) -> bytes:
    """The key of a query. Types whose octets are letters may share one with another: `Message.question` tells."""
    key = packet[HEADER_SIZE : question_end - 2].lower()
    return key + b"\1" if do else key
