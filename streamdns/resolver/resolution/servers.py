"""Remembers how fast each name server answers, whether it is dead or lame, and what it cannot handle. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NamedTuple, Protocol

_KEPT = 20_000
#: What is assumed of a server that was never asked: little, so that it is tried soon.
FIRST_RTT_S = 0.1
_LEAST_RTT_S = 0.01
_MOST_RTT_S = 4.0
_IMPATIENCE = 1.5
_MOST_PATIENCE_S = 0.4
_LEAST_PATIENCE_S = 0.03
_SILENT_PATIENCE_S = 0.1  # for one that did not answer lately: it is asked to find out, nobody counts on it
_DEAD_AFTER = 3  # time-outs in a row
_DEAD_FIRST_S, _DEAD_MOST_S = 10.0, 300.0
_DEAD_DOUBLINGS = 10
_SURELY_DEAD_AFTER = 6  # time-outs in a row: no longer lost packets
LAME_S, FAILING_S = 300.0, 10.0
_FORGETS_S = 900.0
_EXPLORE = 0.05
_IPV6_GIVES_UP_AFTER = 3  # servers in a row that do not answer over IPv6, none in between that does
_IPV6_AGAIN_S = 300.0


class Chance(Protocol):
    """The methods of random.Random that are used."""

    def random(self) -> float: ...

    def uniform(self, a: float, b: float) -> float: ...

    def randrange(self, start: int, stop: int) -> int: ...

    def shuffle(self, x: list[Any]) -> None: ...


class Address(NamedTuple):
    """Where a name server is asked."""

    host: str
    port: int = 53

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host


@lru_cache(4096)
def host_of(rdata: bytes) -> str:
    """The address of an A or AAAA record as text, in its canonical form (RFC 5952)."""
    return str(ip_address(rdata))


@lru_cache(4096)
def address_of(rdata: bytes, port: int) -> Address:
    """Where the server of an A or AAAA record is asked."""
    return Address(host_of(rdata), port)


@dataclass(slots=True)
class Server:
    """One address. `rtt_s` is smoothed (RFC 6298), `timeouts` those in a row."""

    rtt_s: float = FIRST_RTT_S
    variation_s: float = FIRST_RTT_S / 2
    asked: bool = False
    timeouts: int = 0
    dead_until_s: float = 0.0
    no_edns_until_s: float = 0.0
    no_case_until_s: float = 0.0


@dataclass(slots=True)
class Silence:
    """How long an address has been silent about one zone, though it may answer for others."""

    timeouts: int = 0
    until_s: float = 0.0
    tried_until_s: float = 0.0


class Servers:
    """The statistics of all servers, and the choice of whom to ask next; `rng` decides where several are as good."""

    def __init__(self, rng: Chance) -> None:
        self._rng = rng
        self._servers: OrderedDict[Address, Server] = OrderedDict()
        self._lame: OrderedDict[tuple[Address, bytes], float] = OrderedDict()
        self._silent: OrderedDict[tuple[Address, bytes], Silence] = OrderedDict()
        self._ipv6_silent: set[str] = set()
        self._ipv6_until_s = 0.0

    def __len__(self) -> int:
        return len(self._servers)

    def of(self, address: Address) -> Server:
        """The statistics of an address, made where there are none."""
        server = self._servers.get(address)
        if server is None:
            server = self._servers[address] = Server()
            if len(self._servers) > _KEPT:
                self._servers.popitem(last=False)
        else:
            self._servers.move_to_end(address)
        return server

    def answered(self, address: Address, rtt_s: float, zone: bytes = b"\0") -> None:
        """A response came after so long, to one who asked it as a server of that zone."""
        server = self.of(address)
        rtt_s = min(max(rtt_s, 0.0), _MOST_RTT_S)
        if server.asked and not server.timeouts:
            server.variation_s += (abs(rtt_s - server.rtt_s) - server.variation_s) / 4
            server.rtt_s += (rtt_s - server.rtt_s) / 8
        else:
            # The first answer, or the first again: what time-outs made of the figure is not how fast it is.
            server.asked, server.rtt_s, server.variation_s = True, rtt_s, rtt_s / 2
        server.timeouts = 0
        server.dead_until_s = 0.0
        if self._silent:
            self._silent.pop((address, zone), None)
        if address.is_ipv6:
            self._ipv6_silent.clear()
            self._ipv6_until_s = 0.0

    def slow(self, address: Address, waited_s: float) -> None:
        """Notes that a server has not answered within this time yet."""
        server = self.of(address)
        server.rtt_s = min(max(server.rtt_s, 1.2 * waited_s), _MOST_RTT_S)

    def timed_out(
        self, address: Address, now_s: float, *, zone: bytes = b"\0", unreachable: bool = False
    ) -> None:
        """No response came; after some in a row the address is left alone for a while, each time longer."""
        server = self.of(address)
        server.asked = True
        server.timeouts += 1
        server.rtt_s = min(server.rtt_s * 2, _MOST_RTT_S)
        if unreachable or server.timeouts >= _DEAD_AFTER:
            server.dead_until_s = now_s + _left_alone_s(server.timeouts)
        silence = self._silent.setdefault((address, zone), Silence())
        silence.timeouts += 1
        silence.tried_until_s = 0.0
        silence.until_s = now_s + _left_alone_s(silence.timeouts)
        self._silent.move_to_end((address, zone))
        if len(self._silent) > _KEPT:
            self._silent.popitem(last=False)
        if address.is_ipv6:
            self._ipv6_silent.add(address.host)
            if len(self._ipv6_silent) >= _IPV6_GIVES_UP_AFTER:
                self._ipv6_until_s = now_s + _IPV6_AGAIN_S
                self._ipv6_silent.clear()

    def ipv6_works(self, now_s: float) -> bool:
        """Whether nothing speaks against IPv6 now."""
        return self._ipv6_until_s <= now_s

    def is_dead(self, address: Address, now_s: float) -> bool:
        """Whether it is left out now because it does not answer."""
        server = self._servers.get(address)
        return server is not None and server.dead_until_s > now_s

    def tried(self, address: Address, zone: bytes, until_s: float) -> None:
        """It is being asked as a server of a zone, until then at the most."""
        silence = self._silent.get((address, zone))
        if silence is not None:
            silence.tried_until_s = until_s

    def is_hopeless(self, address: Address, zone: bytes, now_s: float) -> bool:
        """Whether it has long been silent about a zone, and another question is finding out at this moment whether it
        still is.
        """
        silence = self._silent.get((address, zone))
        return (silence is not None and silence.timeouts >= _SURELY_DEAD_AFTER and silence.until_s > now_s
                and silence.tried_until_s > now_s)

    def shown(self, address: Address, now_s: float) -> dict[str, Any]:
        """What is known of a server, for people; the time that it takes is None where it was never asked."""
        server = self._servers.get(address) or Server()
        return {
            "address": f"[{address.host}]:{address.port}" if address.is_ipv6 else f"{address.host}:{address.port}",
            "rtt_seconds": round(server.rtt_s, 4) if server.asked else None,
            "timeouts_in_a_row": server.timeouts,
            "left_alone_seconds": round(max(0.0, server.dead_until_s - now_s), 3),
        }

    def all(self) -> list[tuple[Address, Server]]:
        """All that are remembered at this moment, asked or not."""
        return list(self._servers.items())

    def lame(self, address: Address, zone: bytes, now_s: float, *, for_s: float = LAME_S) -> None:
        """Marks a server as lame for a zone: it does not serve it."""
        self._lame[address, zone] = now_s + for_s
        self._lame.move_to_end((address, zone))
        if len(self._lame) > _KEPT:
            self._lame.popitem(last=False)

    def is_lame(self, address: Address, zone: bytes, now_s: float) -> bool:
        """Whether it was seen not to serve this zone lately."""
        return self._lame.get((address, zone), 0.0) > now_s

    def patience_s(self, address: Address) -> float:
        """How long to wait for it before another one is asked as well."""
        server = self.of(address)
        if server.timeouts:
            return _SILENT_PATIENCE_S
        # One that was never heard of is not slow yet, only not known.
        rtt_s = server.rtt_s if server.asked else FIRST_RTT_S
        usual_s = _IMPATIENCE * (rtt_s + server.variation_s)
        return min(max(usual_s, _LEAST_PATIENCE_S), _MOST_PATIENCE_S)

    def choose(self, addresses: Iterable[Address], zone: bytes, now_s: float) -> list[Address]:
        """The addresses in the order in which to ask them: the fast first, now and then another, the dead last.

        Lame ones are left out unless there are no others; so is IPv6 while it does not work.
        """
        known = list(addresses)
        useful = [each for each in known if not self.is_lame(each, zone, now_s)] or known
        if not self.ipv6_works(now_s):
            useful = [each for each in useful if not each.is_ipv6] or useful
        rng = self._rng

        def rank(address: Address) -> tuple[bool, float]:
            server = self.of(address)
            if server.dead_until_s > now_s:
                return True, server.dead_until_s
            return False, max(server.rtt_s, _LEAST_RTT_S) * rng.uniform(0.8, 1.2)

        ordered = sorted(useful, key=rank)
        if len(ordered) > 1 and rng.random() < _EXPLORE:
            alive = [each for each in ordered if self.of(each).dead_until_s <= now_s]
            if len(alive) > 1:
                explored = alive[rng.randrange(1, len(alive))]
                ordered.remove(explored)
                ordered.insert(0, explored)
        return ordered

    def without_edns(self, address: Address, now_s: float) -> None:
        """Remembers to ask a server without EDNS."""
        self.of(address).no_edns_until_s = now_s + _FORGETS_S

    def with_edns(self, address: Address) -> None:
        """Takes that back: the server fails without EDNS, too."""
        self.of(address).no_edns_until_s = 0.0

    def without_case(self, address: Address, now_s: float) -> None:
        """Remembers that a server does not keep the case of the question."""
        self.of(address).no_case_until_s = now_s + _FORGETS_S


def _left_alone_s(timeouts: int) -> float:
    """For how long, after so many time-outs in a row."""
    over = min(max(0, timeouts - _DEAD_AFTER), _DEAD_DOUBLINGS)
    return min(_DEAD_FIRST_S * float(2**over), _DEAD_MOST_S)
