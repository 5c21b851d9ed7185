"""Shares places among networks of clients: when all are taken, the oldest of who holds most gives way. No I/O."""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

YOUNG_S: Final = 0.2
_MAPPED: Final = bytes(10) + b"\xff\xff"


def network_of(client: bytes) -> bytes:
    """The network that the octets of an address count for: IPv4 /24, IPv6 /64; IPv4 in IPv6 is IPv4."""
    if len(client) == 16:
        return client[12:15] if client.startswith(_MAPPED) else client[:8]
    return client[:3]


class Places(Generic[Item]):
    """`most` places, taken by items that a network holds; half of them are for items younger than YOUNG_S.

    All that is done takes the same time, however many there are.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._networks: dict[bytes, dict[Item, float]] = {}  # since when each is held, the oldest first
        self._owners: dict[Item, bytes] = {}
        self._ranks: dict[int, dict[bytes, None]] = {}  # the networks that hold so many
        self._top = 0
        self._young: deque[tuple[Item, float]] = deque()
        self._old: dict[Item, None] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._owners)

    @property
    def networks(self) -> int:
        """How many networks hold any."""
        return len(self._networks)

    def held(self, network: bytes) -> int:
        """How many places a network holds."""
        return len(self._networks.get(network, ()))

    def take(self, item: Item, network: bytes, now_s: float) -> None:
        """Give a network one more place."""
        here = self._networks.setdefault(network, {})
        here[item] = now_s
        self._owners[item] = network
        self._rank(network, len(here) - 1, len(here))
        self._age(now_s)
        self._young.append((item, now_s))

    def leave(self, item: Item) -> None:
        """Free the place of an item, if it has one."""
        network = self._owners.pop(item, None)
        if network is None:
            return
        self._old.pop(item, None)
        here = self._networks[network]
        del here[item]
        self._rank(network, len(here) + 1, len(here))
        if not here:
            del self._networks[network]

    def gives_way(self, network: bytes, now_s: float) -> Item | None:
        """The item that has to make room for one more of a network, None where that one has to go without.

        Of the network that holds most the oldest. Where this network holds as much itself, that is its own oldest, if
        it is not young: a flood does not push itself out before anything is done. Else the oldest of all, if more than
        half of the places are held by old ones.
        """
        self._age(now_s)
        mine = self.held(network)
        if mine + 1 < self._top:
            return next(iter(self._networks[next(iter(self._ranks[self._top]))]))
        if mine:
            oldest, since_s = next(iter(self._networks[network].items()))
            if now_s - since_s >= YOUNG_S:
                return oldest
        return next(iter(self._old)) if 2 * len(self._old) > self.most else None

    def _rank(self, network: bytes, before: int, now: int) -> None:
        if before:
            ranked = self._ranks[before]
            del ranked[network]
            if not ranked:
                del self._ranks[before]
                if self._top == before:
                    self._top = now
        if now:
            self._ranks.setdefault(now, {})[network] = None
            self._top = max(self._top, now)

    def _age(self, now_s: float) -> None:
        young = self._young
        while young and now_s - young[0][1] >= YOUNG_S:
            item, since_s = young.popleft()
            network = self._owners.get(item)
            if network is not None and self._networks[network].get(item) == since_s:
                self._old[item] = None
