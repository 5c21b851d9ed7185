"""The addresses of the root servers: built in, read from a hints file, or taken from a priming response (RFC 9609)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from streamdns.dns.wire import AAAA, NS, A
from streamdns.errors import ConfigError
from streamdns.named_files import open_named
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.servers import Address, host_of

_LEAST_PRIMED_S: Final = 60
_MOST_PRIMED_S: Final = 518_400  # the TTL that the root zone gives its NS records
_READ_TTL: Final = 3600
_MOST_ROOTS: Final = 20

#: The root servers' names and addresses: https://www.iana.org/domains/root/servers
ROOT_SERVERS: Final[Mapping[str, tuple[str, str]]] = {
    "a.root-servers.net.": ("198.41.0.4", "2001:503:ba3e::2:30"),
    "b.root-servers.net.": ("170.247.170.2", "2801:1b8:10::b"),
    "c.root-servers.net.": ("192.33.4.12", "2001:500:2::c"),
    "d.root-servers.net.": ("199.7.91.13", "2001:500:2d::d"),
    "e.root-servers.net.": ("192.203.230.10", "2001:500:a8::e"),
    "f.root-servers.net.": ("192.5.5.241", "2001:500:2f::f"),
    "g.root-servers.net.": ("192.112.36.4", "2001:500:12::d0d"),
    "h.root-servers.net.": ("198.97.190.53", "2001:500:1::53"),
    "i.root-servers.net.": ("192.36.148.17", "2001:7fe::53"),
    "j.root-servers.net.": ("192.58.128.30", "2001:503:c27::2:30"),
    "k.root-servers.net.": ("193.0.14.129", "2001:7fd::1"),
    "l.root-servers.net.": ("199.7.83.42", "2001:500:9f::42"),
    "m.root-servers.net.": ("202.12.27.33", "2001:dc3::35"),
}


def known_roots(port: int) -> tuple[Address, ...]:
    """The addresses of the Internet's root servers."""
    return tuple(Address(host, port) for hosts in ROOT_SERVERS.values() for host in hosts)


def read_hints(path: str, port: int) -> tuple[Address, ...]:
    """The addresses of the root servers that a file in the format of zone files names; raises ConfigError."""
    from streamdns.dns.master import MasterReader  # Most have no such file: a start does without it.

    reader = MasterReader(b"\0", _octets, default_ttl=_READ_TTL)
    try:
        records = list(reader.read(path))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([f"DNS_ROOT_HINTS={path} cannot be read: {reason}"]) from error
    if reader.problems:
        raise ConfigError([f"DNS_ROOT_HINTS={path} is no zone file: {problem}" for problem in reader.problems])
    names = {record.wire.lower() for record in records if (record.owner, record.rdtype) == (b"\0", NS)}
    found = tuple(
        Address(host_of(record.wire), port) for record in records
        if record.rdtype in (A, AAAA) and record.owner in names
    )
    if not found:
        raise ConfigError([f"DNS_ROOT_HINTS={path} has no NS records of the root whose servers have an address in it"])
    return found


def _octets(path: str) -> bytes:
    with open_named(path) as file:
        return file.read()


class Primed(NamedTuple):
    """What a root server says of the root servers: their names, the addresses that it adds, for how many seconds."""

    names: tuple[bytes, ...]
    addresses: Mapping[bytes, tuple[Address, ...]]
    lasts_s: float


def primed(response: Response, port: int) -> Primed | None:
    """What a response to the question for the root's NS records says; None where that is nothing.

    The addresses may be missing, all or some (RFC 9609 §4.2).
    """
    servers = [rrset for rrset in response.answer if rrset.rdtype == NS and rrset.owner == b"\0"]
    if response.rcode or not response.authoritative or not servers:
        return None
    found = tuple(dict.fromkeys(rdata.lower() for rdata in servers[0].rdatas))
    addresses = {name: addresses_of(name, response.additional, port) for name in found}
    lasts_s = float(min(max(servers[0].ttl_s, _LEAST_PRIMED_S), _MOST_PRIMED_S))
    return Primed(found[:_MOST_ROOTS], {name: here for name, here in addresses.items() if here}, lasts_s)


def addresses_of(name: bytes, rrsets: Iterable[RRset], port: int) -> tuple[Address, ...]:
    """The addresses of a name in a section."""
    return tuple(
        Address(host_of(rdata), port) for rrset in rrsets
        if rrset.rdtype in (A, AAAA) and rrset.owner == name for rdata in rrset.rdatas
    )
