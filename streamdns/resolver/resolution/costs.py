"""Keeps account of the CPU time that replies of name servers cost, and says who has had too much of it. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, NamedTuple

from streamdns.resolver.resolution.servers import Address

#: What one question may cost in all. Ordinary ones cost 0.3 to 2 ms, on the slowest machines ten times that.
MOST_US: Final = 25_000
#: What reading a reply costs is charged only as far as it is more than that of ordinary ones, which is 0.01 to 0.2 ms.
_FREE_US: Final = 2_000
#: What servers and zones may cost beyond that, at once, and in the long run (a hundredth and a fiftieth of the time).
_ZONE_US, _ZONE_US_PER_S = 50_000, 10_000
_SERVER_US, _SERVER_US_PER_S = 100_000, 20_000
_KEPT: Final = 4_096


class _Debt(NamedTuple):
    us: float
    at_s: float


class Costs:
    """Accounts of servers (IPv4 addresses, IPv6 /64) and zones: what is over what is free is a debt that fades."""

    def __init__(self) -> None:
        self._debts: OrderedDict[bytes, _Debt] = OrderedDict()

    def __len__(self) -> int:
        return len(self._debts)

    @property
    def are_none(self) -> bool:
        """Whether nobody has cost too much of anything lately."""
        return not self._debts

    def charge(self, address: Address, zone: bytes, us: int, now_s: float) -> None:
        """Reading a reply of this server, as one of that zone's, took so long."""
        over_us = us - _FREE_US
        if over_us > 0:
            self._add(_network(address), over_us, _SERVER_US_PER_S, now_s)
            self._add(zone, over_us, _ZONE_US_PER_S, now_s)

    def is_too_much(self, address: Address, zone: bytes, now_s: float) -> bool:
        """Whether a server or a zone has cost so much lately that it is left alone."""
        return (self._left_us(zone, _ZONE_US_PER_S, now_s) > _ZONE_US
                or self._left_us(_network(address), _SERVER_US_PER_S, now_s) > _SERVER_US)

    def owed_us(self, address: Address, now_s: float) -> float:
        """What the replies of a server (or of its IPv6 /64) have cost beyond what is free, and is not forgiven yet."""
        return max(0.0, self._left_us(_network(address), _SERVER_US_PER_S, now_s))

    def left_alone_s(self, address: Address, now_s: float) -> float:
        """For how long a server is left alone for what it has cost, whatever zone is asked for."""
        return max(0.0, (self.owed_us(address, now_s) - _SERVER_US) / _SERVER_US_PER_S)

    def _left_us(self, whose: bytes, us_per_s: int, now_s: float) -> float:
        debt = self._debts.get(whose)
        return 0.0 if debt is None else debt.us - us_per_s * (now_s - debt.at_s)

    def _add(self, whose: bytes, us: int, us_per_s: int, now_s: float) -> None:
        self._debts[whose] = _Debt(max(0.0, self._left_us(whose, us_per_s, now_s)) + us, now_s)
        self._debts.move_to_end(whose)
        if len(self._debts) > _KEPT:
            self._debts.popitem(last=False)


def _network(address: Address) -> bytes:
    """An IPv4 address as it is, the /64 of an IPv6 address: a host has as many of those as it likes."""
    return _slash_64(address.host) if address.is_ipv6 else address.host.encode()


@lru_cache(1024)
def _slash_64(host: str) -> bytes:
    return ip_address(host).packed[:8]
