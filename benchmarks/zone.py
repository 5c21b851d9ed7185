"""Makes the zone that every measurement uses (an A record per name, a wildcard) as events, zone file and queries."""

from __future__ import annotations

import pathlib
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import dns.message

ORIGIN = "bench.example."
TTL = 300
_SOA = f"ns1.{ORIGIN} hostmaster.{ORIGIN} 1 3600 600 604800 300"
_RECORDS = (
    ("", "SOA", (_SOA,)),
    ("", "NS", (f"ns1.{ORIGIN}", f"ns2.{ORIGIN}")),
    ("ns1.", "A", ("192.0.2.1",)),
    ("ns2.", "A", ("192.0.2.2",)),
    ("*.wild.", "A", ("192.0.2.3",)),
)
WORKLOADS = ("hit", "mix")


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone of `names` hosts; everything follows from the number and the seed."""

    names: int
    seed: int = 1

    def host(self, number: int) -> str:
        """The owner of host `number`."""
        return f"h{number:07d}.{ORIGIN}"

    def address(self, number: int) -> str:
        """The address that host `number` begins with."""
        return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

    def order(self) -> list[int]:
        """The hosts in the order of the log, which is not that of the names."""
        numbers = list(range(self.names))
        random.Random(self.seed).shuffle(numbers)
        return numbers

    def write_log(self, path: pathlib.Path) -> int:
        """Write the file log and return how many events it has."""
        with path.open("w", encoding="ascii") as file:
            for owner, rdtype, contents in _RECORDS:
                file.write(event(owner + ORIGIN, rdtype, contents))
            for number in self.order():
                file.write(event(self.host(number), "A", (self.address(number),)))
        return len(_RECORDS) + self.names

    def write_zone_file(self, path: pathlib.Path) -> None:
        """Write the same records in the same order as a zone file."""
        with path.open("w", encoding="ascii") as file:
            for owner, rdtype, contents in _RECORDS:
                file.writelines(f"{owner + ORIGIN} {TTL} IN {rdtype} {content}\n" for content in contents)
            file.writelines(f"{self.host(n)} {TTL} IN A {self.address(n)}\n" for n in self.order())

    def write_queries(self, path: pathlib.Path, *, workload: str, count: int) -> list[bool]:
        """Write a file for dnsperf; the result says of each query whether it asks for a name that is not there.

        hit asks for hosts. mix has 10 % names that do not exist and 10 % that only the wildcard answers.
        """
        rng = random.Random(f"{self.seed} {workload}")
        absent = []
        with path.open("w", encoding="ascii") as file:
            for _ in range(count):
                kind = rng.random() if workload == "mix" else 1.0
                if kind < 0.1:
                    name = f"x{rng.randrange(10**9)}.{ORIGIN}"
                elif kind < 0.2:
                    name = f"y{rng.randrange(10**9)}.wild.{ORIGIN}"
                else:
                    name = self.host(rng.randrange(self.names))
                absent.append(kind < 0.1)
                file.write(f"{name} A\n")
        return absent

    def probes(self, count: int) -> Iterator[tuple[str, str]]:
        """Some (owner, address) to see whether a server has the zone; the last host of the log comes first."""
        rng = random.Random(self.seed)
        for number in [self.order()[-1], *(rng.randrange(self.names) for _ in range(count - 1))]:
            yield self.host(number), self.address(number)


@dataclass(frozen=True, slots=True)
class Hosting:
    """The zones of a hoster, each of ten RRsets, one after the other in an order that is not that of their names."""

    zones: int
    seed: int = 1

    def order(self) -> list[int]:
        """The zones in the order of the log."""
        numbers = list(range(self.zones))
        random.Random(self.seed).shuffle(numbers)
        return numbers

    def address(self, number: int) -> str:
        """The address of the apex of zone `number`."""
        return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

    def write_log(self, path: pathlib.Path) -> int:
        """Write the file log and return how many events it has."""
        with path.open("w", encoding="ascii") as file:
            for number in self.order():
                apex, address = f"customer{number:06d}.example.", self.address(number)
                for owner, rdtype, contents in (
                    ("", "SOA", (f"ns1.{ORIGIN} hostmaster.{ORIGIN} 1 3600 600 604800 300",)),
                    ("", "NS", (f"ns1.{ORIGIN}", f"ns2.{ORIGIN}")),
                    ("", "A", (address,)),
                    ("", "MX", (f"10 mail.{apex}",)),
                    ("", "TXT", (r"\"v=spf1 mx -all\"",)),
                    ("www.", "CNAME", (apex,)),
                    ("mail.", "A", (address,)),
                    ("smtp.", "CNAME", (f"mail.{apex}",)),
                    ("ftp.", "A", (address,)),
                    ("_dmarc.", "TXT", (r"\"v=DMARC1; p=none\"",)),
                ):
                    file.write(event(owner + apex, rdtype, contents))
        return 10 * self.zones

    def probes(self, count: int) -> Iterator[tuple[str, str]]:
        """Some (owner, address), as of a Zone; the last zone of the log comes first."""
        rng = random.Random(self.seed)
        for number in [self.order()[-1], *(rng.randrange(self.zones) for _ in range(count - 1))]:
            yield f"customer{number:06d}.example.", self.address(number)


def event(owner: str, rdtype: str, contents: tuple[str, ...]) -> str:
    records = ",".join(f'{{"name":"{owner}","type":"{rdtype}","content":"{c}","ttl":{TTL}}}' for c in contents)
    return f'{{"key":"{owner}|{rdtype}","value":[{records}],"timestamp":1}}\n'


def question(owner: str) -> bytes:
    """The wire form of a query for an address."""
    return dns.message.make_query(owner, "A").to_wire()


def evidence(address: str) -> bytes:
    """What a reply that shows `address` holds: TTL, length and data of the record."""
    return TTL.to_bytes(4, "big") + b"\0\4" + socket.inet_aton(address)
