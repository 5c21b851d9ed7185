"""Decides which UDP replies are one too many of their kind for a client's network (response rate limiting). No I/O.

A forged query makes a server send its reply to somebody else. A resolver remembers what it was told, so hundreds of
equal replies a second to one network are not for resolvers: they are held back. Counting each reply would cost more
than a tenth of making it, so while nothing is wrong only one in 64 is looked at (one in 512 of those that leave many
at a time), chosen at random, and counts for all of them. A network with a kind at half of the limit by this estimate is
then watched: each of its replies counts as one, exactly. Nothing is held back by an estimate.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

PASS, DROP, SLIP = "pass", "drop", "slip"

#: The most replies between two that are looked at, on average; and how many times that where a batch is large.
_LONGEST_STRIDE: Final = 64
_MANY: Final = 32
_STRIDES_OF_MANY: Final = 8
#: How long a network is watched after one of its kinds was last at half of the limit.
_WATCHED_S: Final = 10.0
#: A flood that has ended is forgotten after so many seconds less one.
_DEEPEST_S: Final = 3


def network_of(address: bytes) -> int:
    """Return the /24 of an IPv4 address or the /56 of an IPv6 address (4 or 16 octets) as a number of its own."""
    octets = address[:3] + b"\0" if len(address) == 4 else address[:7] + b"\1"
    return int.from_bytes(octets, sys.byteorder)


class ResponseRates:
    """Accounts of the replies of each kind to each network: a reply costs one, and `rate` are paid back a second.

    An account may hold `rate` replies (the burst), beyond that its replies are held back. Those count as well, up to
    three times the rate: so nothing passes while more is asked for than the rate allows, until that has been over for
    up to two seconds. One in `slip` of those held back is cut short instead (SLIP): a real client asks again over TCP;
    0: none is.

    `gap(n)` gives a random whole number from 1 to n. At most `most_accounts` are kept, the longest unused go first;
    at most `most_watched` networks are watched. A network is any int.
    """

    def __init__(
        self, rate: int, slip: int, *, gap: Callable[[int], int], most_accounts: int = 16_384, most_watched: int = 4096
    ) -> None:
        self.rate, self.slip = rate, slip
        self.watched: dict[int, float] = {}
        """Until when each network is watched."""
        self.skip = 0
        """How many replies go by before the next one is looked at; whoever sends them counts it down."""
        self._stride = self._weight = max(1, min(_LONGEST_STRIDE, rate // 3))
        self._gap = gap
        self._most_accounts, self._most_watched = most_accounts, most_watched
        # By the hash of network and kind: the level, as of when, and how many were held back.
        self._accounts: OrderedDict[int, list[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._accounts)

    def chosen(self, count: int) -> list[tuple[int, int]]:
        """Choose which of the last `count` replies, by which `skip` has been counted down, are looked at.

        Each comes with its weight: for how many it stands.
        """
        found = []
        at = self.skip + count
        stride = self._stride * (_STRIDES_OF_MANY if count >= _MANY else 1)
        while at < count:
            found.append((at, self._weight))
            self._weight = stride
            at += self._gap(2 * stride - 1)
        self.skip = at - count
        return found

    def look(self, network: int, kind: Hashable, weight: int, now_s: float) -> None:
        """Count a chosen reply for all that it stands for; its network may be watched from then on."""
        account = self._count(network, kind, weight, now_s)
        # One reply alone, however much it weighs, says nothing of how often it comes.
        if account[0] >= max(0.5 * self.rate, 1.5 * weight):
            account[0] = 0.5 * self.rate
            self._watch(network, now_s)

    def judge(self, network: int, kind: Hashable, now_s: float) -> str:
        """Count one reply to a watched network, and say what becomes of it: PASS, DROP or SLIP."""
        account = self._count(network, kind, 1, now_s)
        if 2 * account[0] >= self.rate:
            self._watch(network, now_s)
        if account[0] <= self.rate:
            return PASS
        account[2] += 1
        return SLIP if self.slip and account[2] % self.slip == 0 else DROP

    def _count(self, network: int, kind: Hashable, weight: int, now_s: float) -> list[float]:
        accounts, rate = self._accounts, self.rate
        key = hash((network, kind))
        account = accounts.get(key)
        if account is None:
            if len(accounts) >= self._most_accounts:
                accounts.popitem(last=False)
            account = accounts[key] = [float(weight), now_s, 0]
        else:
            accounts.move_to_end(key)
            level = max(0.0, account[0] - (now_s - account[1]) * rate) + weight
            account[0], account[1] = min(level, max(_DEEPEST_S * rate, 2.0 * weight)), now_s
        return account

    def _watch(self, network: int, now_s: float) -> None:
        if network not in self.watched and len(self.watched) >= self._most_watched:
            self.forget(now_s)
            if len(self.watched) >= self._most_watched:
                del self.watched[next(iter(self.watched))]
        self.watched[network] = now_s + _WATCHED_S

    def forget(self, now_s: float) -> None:
        """Watch no longer what has been quiet; call it about every second."""
        for network in [network for network, until_s in self.watched.items() if until_s <= now_s]:
            del self.watched[network]
