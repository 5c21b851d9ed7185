"""Counts the queries that are on their way to each zone's servers and to each server, and limits them. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamdns.resolver.resolution.servers import Address


@dataclass(slots=True)
class Load:
    """The queries on their way; `zone_most` and `server_most` are the most of each (0: no limit)."""

    zone_most: int = 0
    server_most: int = 0
    zones: dict[bytes, int] = field(default_factory=dict)
    servers: dict[Address, int] = field(default_factory=dict)

    def begins(self, address: Address, zone: bytes) -> None:
        """One more is on its way to this server, as one of that zone's."""
        self.zones[zone] = self.zones.get(zone, 0) + 1
        self.servers[address] = self.servers.get(address, 0) + 1

    def ends(self, address: Address, zone: bytes) -> None:
        """One of them is not on its way any more."""
        left = self.zones[zone] - 1
        if left:
            self.zones[zone] = left
        else:
            del self.zones[zone]
        left = self.servers[address] - 1
        if left:
            self.servers[address] = left
        else:
            del self.servers[address]

    def zone_is_full(self, zone: bytes) -> bool:
        """Whether no more may be sent to the servers of a zone."""
        return 0 < self.zone_most <= self.zones.get(zone, 0)

    def server_is_full(self, address: Address) -> bool:
        """Whether no more may be sent to a server."""
        return 0 < self.server_most <= self.servers.get(address, 0)
