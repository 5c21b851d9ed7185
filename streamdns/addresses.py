"""Addresses in settings: IP address and port to listen on, networks of clients, and URLs of metrics outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

#: Scheme of a URL -> module below metrics/outputs/, which is imported when it is used.
OUTPUTS: Final[Mapping[str, str]] = {
    "stdout": "stdout",
    "statsd": "statsd",
    "influx": "influx",
    "influx+udp": "influx",
    "influxs": "influx",
    "warp10": "warp10",
    "warp10s": "warp10",
}


#: Names, IPv4 and IPv6 addresses (whose brackets are gone here).
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*)|[0-9a-f:.]+", re.IGNORECASE)
_PLAIN_PARAMETERS: Final = ("db", "bucket", "org", "rp", "precision")
_WITHOUT_PATH: Final = ("statsd", "influx+udp")


_CLIENTS_KEPT: Final = 16_384


class Within(dict[bytes, bool]):
    """Tells whether a client, by the octets of its address, is in one of some networks; remembers what it found."""

    def __init__(self, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        super().__init__()
        # As numbers, for a flood may have each datagram come from another address.
        self._networks: dict[int, list[tuple[int, int]]] = {4: [], 16: []}
        for network in networks:
            octets = network.network_address.packed
            self._networks[len(octets)].append((int(network.netmask), int.from_bytes(octets, "big")))

    def __missing__(self, client: bytes) -> bool:
        if len(self) >= _CLIENTS_KEPT:
            self.clear()
        address = int.from_bytes(client, "big")
        for mask, network in self._networks.get(len(client), ()):
            if address & mask == network:
                self[client] = True
                return True
        self[client] = False
        return False


class Address(NamedTuple):
    """An IP address and a port to listen on; port 0 lets the kernel choose a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_ipv6(self) -> bool:
        """True for an IPv6 address, False for an IPv4 address."""
        return ":" in self.host

    @property
    def asked(self) -> bool:
        """Whether somebody wrote this very address."""
        return True


class Unasked(Address):
    """An address that comes from a default or from ":53": it is left out where its family does not exist."""

    __slots__ = ()

    @property
    def asked(self) -> bool:
        return False


class UnixAddress(NamedTuple):
    """The path of a unix socket to listen on."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


def parse_output(text: str) -> SplitResult:
    """Parse the URL of an output, such as stdout or influx://127.0.0.1:8086/write?db=dns; raises ValueError."""
    scheme, separator, _ = text.partition("://")
    if scheme not in OUTPUTS:
        raise ValueError(f"has {masked_output(text)}, which is none of {', '.join(OUTPUTS)}")
    if not separator and scheme != "stdout":
        raise ValueError(f"has {masked_output(text)}, which names no host")
    url = urlsplit(text if separator else f"{text}://")
    if "@" in url.netloc:
        raise ValueError("has a password in it; DNS_METRICS_TOKENS is the place for that")
    try:
        url.port  # noqa: B018 - it is looked at here, so that it is never wrong later
    except ValueError:
        raise ValueError(f"has {masked_output(text)}, whose port is not a number from 0 to 65535") from None
    if scheme != "stdout" and (not url.hostname or not _HOST.fullmatch(url.hostname)):
        raise ValueError(f"has {masked_output(text)}, which names no host")
    return url


def masked_output(text: str) -> str:
    """Return the URL of an output without what may be a secret: a user and a password, and all values of its query.

    InfluxDB takes names and passwords as parameters of the query; what only says where to write is left.
    """
    head, separator, rest = text.partition("://")
    if not separator:
        return text
    before, question, query = rest.partition("?")
    host, slash, path = before.partition("/")
    host = "***@" + host.rpartition("@")[2] if "@" in host else host
    pairs = [_masked_pair(pair) for pair in query.split("&")]
    return f"{head}://{host}{slash}{path}{question}{'&'.join(pairs)}"


def _masked_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return pair if name.lower() in _PLAIN_PARAMETERS or not equals else f"{name}=***"


def unused_part(url: SplitResult) -> str:
    """What of an output's URL its output has no use for; "" where it uses all of it."""
    if url.scheme == "stdout":
        return "".join((url.netloc, url.path, url.query, url.fragment))
    path = "" if url.path == "/" else url.path
    return "".join((path, url.query, url.fragment)) if url.scheme in _WITHOUT_PATH else ""
