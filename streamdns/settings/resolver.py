"""Settings of the resolver: their rows in the table, and their parsers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypeVar

from streamdns.addresses import Address
from streamdns.settings import parsers
from streamdns.settings.row import Setting, bool_row, integer_row

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_N = TypeVar("_N", ipaddress.IPv4Network, ipaddress.IPv6Network)
DNS_PORT: Final = 53
#: Words that stand for networks: this host; and this host, private networks, carriers' shared addresses, and the link:
#: none of them is on the Internet.
WORDS: Final = {
    "loopback": "127.0.0.0/8 ::1/128",
    "private": "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16 ::1/128 fc00::/7 "
               "fe80::/10",
}
#: This host, multicast, the reserved; this link, and the addresses at which clouds tell their machines secrets (those
#: of AWS, Azure, Alibaba and Oracle that are not of the link); documentation.
_DENIED: Final = (
    "0.0.0.0/8 127.0.0.0/8 224.0.0.0/4 240.0.0.0/4 ::/128 ::1/128 ff00::/8 169.254.0.0/16 fe80::/10 fd00:ec2::254 "
    "168.63.129.16 100.100.100.200 192.0.0.192 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20"
)
_PRIVATE: Final = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7"
NETWORKS: Final = (
    "CIDRs or addresses separated by space or comma; loopback (127.0.0.0/8 ::1/128), private (loopback, RFC 1918, "
    "100.64.0.0/10, 169.254.0.0/16, fc00::/7, fe80::/10); one with ! before it is taken out of the others; or none"
)
_SERVERS: Final = "one or several of 192.0.2.1, 192.0.2.1:5353, 2001:db8::1 or [2001:db8::1]:5353"


#: Groups of special-use names, as resolver/resolution/special_names.py has them.
SPECIAL_GROUPS: Final = (
    "localhost", "invalid", "test", "onion", "alt", "local", "home.arpa", "resolver.arpa", "private-reverse",
    "reserved-reverse",
)


class ForwardZone(NamedTuple):
    """The resolvers to ask for names at and below `zone` (lower case, with a trailing dot)."""

    zone: str
    servers: tuple[Address, ...]

    def __str__(self) -> str:
        return f"{self.zone}={','.join(map(str, self.servers))}"


def parse_networks(text: str) -> tuple[Network, ...]:
    """Parse CIDRs, single addresses or WORDS separated by space or comma; those with ! are taken out of the others.

    "none" stands for no network at all.
    """
    if text.lower() == "none":
        return ()
    found: dict[Network, None] = {}
    gone: list[Network] = []
    for word in text.replace(",", " ").split():
        known = WORDS.get(word.lower(), "").split()
        if known:
            found.update(dict.fromkeys(map(ipaddress.ip_network, known)))
        elif word.startswith("!"):
            gone.append(_network(word[1:]))
        else:
            found[_network(word)] = None
    if not found:
        raise ValueError("is an empty list")
    for network in gone:
        found = {rest: None for each in found for rest in _without(each, network)}
    return tuple(found)


def _network(word: str) -> Network:
    try:
        return ipaddress.ip_network(word)
    except ValueError as error:
        reason = "has bits set behind its prefix" if "host bits" in str(error) else "is not a CIDR"
        raise ValueError(f"has {word}, which {reason}") from None


def _without(network: Network, gone: Network) -> Iterable[Network]:
    """What is left of a network without another one."""
    if isinstance(network, ipaddress.IPv4Network) and isinstance(gone, ipaddress.IPv4Network):
        return _rest(network, gone)
    if isinstance(network, ipaddress.IPv6Network) and isinstance(gone, ipaddress.IPv6Network):
        return _rest(network, gone)
    return (network,)


def _rest(network: _N, gone: _N) -> Iterable[_N]:
    if network.subnet_of(gone):
        return ()
    return network.address_exclude(gone) if gone.subnet_of(network) else (network,)


def parse_server(text: str) -> Address:
    """Parse an IP address with or without a port; without one it gets 53."""
    try:
        return Address(str(ipaddress.ip_address(text)), DNS_PORT)
    except ValueError:
        pass
    address = parsers.parse_address(text)
    if not address.port:
        raise ValueError("has no port from 1 to 65535")
    return address


def parse_servers(text: str) -> tuple[Address, ...]:
    """Parse servers separated by space or comma."""
    words = text.replace(",", " ").split()
    if not words:
        raise ValueError("is an empty list")
    return tuple(dict.fromkeys(map(parse_server, words)))


def parse_sources(text: str) -> tuple[str, ...]:
    """Parse local addresses to send from, at most one of IPv4 and one of IPv6."""
    try:
        found = [ipaddress.ip_address(word) for word in text.replace(",", " ").split()]
    except ValueError:
        raise ValueError("has a word that is not an IP address") from None
    if len({each.version for each in found}) != len(found):
        raise ValueError("has more than one address of a family")
    return tuple(map(str, found))


def parse_forward_zones(text: str) -> tuple[ForwardZone, ...]:
    """Parse zones and their servers, `corp.example.=10.0.0.1,10.0.0.2:5353`, separated by space."""
    found: dict[str, ForwardZone] = {}
    for word in text.split():
        zone, equals, servers = word.partition("=")
        if not zone or not equals:
            raise ValueError(f"has {word}, which is not of the form ZONE=ADDRESS,ADDRESS")
        if zone.startswith("*"):
            raise ValueError(f"has {zone}: a zone stands for all names below it, so write {zone.lstrip('*.') or '.'}")
        (name,) = parsers.parse_zones(zone)
        if name in found:
            raise ValueError(f"has {name} twice")
        found[name] = ForwardZone(name, parse_servers(servers))
    return tuple(found.values())


def parse_groups(text: str) -> tuple[str, ...]:
    """Parse groups of special-use names, separated by space or comma."""
    words = tuple(dict.fromkeys(text.lower().replace(",", " ").split()))
    for word in words:
        if word not in SPECIAL_GROUPS:
            raise ValueError(f"has {word}, which is not a group of special-use names")
    if not words:
        raise ValueError("is an empty list")
    return words


def _is_at(server: Address, here: Address) -> bool:
    """Return whether messages to `server` reach this server, which listens at `here` (maybe every address)."""
    if server.port != here.port:
        return False
    host, mine = ipaddress.ip_address(server.host), ipaddress.ip_address(here.host)
    return host == mine or (mine.is_unspecified and host.version == mine.version and host.is_loopback)


RESOLVER: Final[tuple[Setting, ...]] = (
    Setting(
        name="DNS_RECURSION_ALLOW", attribute="recursion_allow", parse=parse_networks,
        default=WORDS["loopback"],
        description="The clients that may have names resolved that are not ours; by default those of this host alone. "
                    "private adds private networks and the link. none turns the resolver off.",
        allowed=NETWORKS,
    ),
    Setting(
        name="DNS_ROOT_HINTS", attribute="root_hints", parse=parsers.parse_text, default="", unset="",
        unset_means="the root servers of the Internet",
        description="The names and addresses of the root servers to ask first.",
        allowed="a path of a file in the format of zone files with NS records of the root and their addresses",
    ),
    Setting(
        name="DNS_CACHE_BYTES", attribute="cache_bytes", parse=parsers.size_bytes(1 << 20, 1 << 40), default="128M",
        description="The most memory for the resolver's cache; the entries unused for the longest time go first.",
        allowed="a size in bytes from 1M to 1T (K, M, G, T: powers of 1024)",
    ),
    integer_row("DNS_RECURSION_LIMIT", "recursion_limit", (1, 100_000), "5000",
                "The most questions that are resolved at a time; twice as many queries may wait for them. More are "
                "answered with SERVFAIL."),
    integer_row("DNS_RECURSION_CLIENT_LIMIT", "recursion_client_limit", (1, 100_000), "500",
                "The most queries of one network of clients (IPv4 /24, IPv6 /64) that may wait for the resolver at a "
                "time. More are answered with SERVFAIL."),
    integer_row("DNS_RESOLVER_ZONE_LIMIT", "resolver_zone_limit", (0, 100_000), "500",
                "The most queries that are on their way to the servers of one zone at a time; 0: no limit. Questions "
                "that need more are answered with SERVFAIL. Forwarders have no such limit."),
    integer_row("DNS_RESOLVER_SERVER_LIMIT", "resolver_server_limit", (0, 100_000), "500",
                "The most queries that are on their way to one address of a name server at a time; 0: no limit. "
                "Others are asked then; where there are none, the answer is SERVFAIL. Forwarders have no such limit."),
    Setting(
        name="DNS_QNAME_MINIMISATION", attribute="qname_minimisation",
        parse=parsers.choice("relaxed", "strict", "off"), default="relaxed",
        description="How much of a name is shown to servers above it (RFC 9156): a label more than they need. relaxed "
                    "asks for the whole name where a part of it is denied, or not answered for; strict does not, so "
                    "that names below empty ones that a broken server denies are not found; off always shows all.",
        allowed="relaxed, strict or off",
    ),
    Setting(
        name="DNS_QUERY_CASE", attribute="query_case", parse=parsers.choice("random", "keep"), default="random",
        description="Whether letters in queries to name servers have random case, which a forger has to guess as well "
                    "(0x20), or lower case.",
        allowed="random or keep",
    ),
    Setting(
        name="DNS_RESOLVER_ADDRESS", attribute="resolver_address", parse=parse_servers, default="", unset=(),
        unset_means="names are resolved from the root down",
        description="Other resolvers to ask for all names that are not ours, in place of the zones' own servers.",
        allowed=_SERVERS + ", separated by space or comma",
    ),
    Setting(
        name="DNS_FORWARD_ZONES", attribute="forward_zones", parse=parse_forward_zones, default="", unset=(),
        unset_means="none",
        description="Zones whose names other resolvers are asked for; where several zones match a name, the longest "
                    "counts.",
        allowed="one or several of corp.example.=10.0.0.1,10.0.0.2:5353, separated by space",
    ),
    Setting(
        name="DNS_SPECIAL_NAMES_OFF", attribute="special_names_off", parse=parse_groups, default="", unset=(),
        unset_means="none",
        description="Groups of special-use names (RFC 6761, 6303 and others) to resolve like all other names; "
                    "streamdns answers the other groups itself. Our own zones and DNS_FORWARD_ZONES come first.",
        allowed="some of " + ", ".join(SPECIAL_GROUPS),
    ),
    bool_row("DNS_SERVE_STALE", "serve_stale", "true",
             "Answer with expired records, up to a day after their TTL, while no name server of a zone answers "
             "(RFC 8767)."),
    Setting(
        name="DNS_PRIVATE_ANSWERS", attribute="private_answers", parse=parsers.choice("allow", "deny"),
        default="allow",
        description="Whether foreign names may have addresses of this host, this link or private networks. deny "
                    "removes such addresses (against DNS rebinding), except below DNS_FORWARD_ZONES and "
                    "DNS_PRIVATE_ANSWERS_ZONES.",
        allowed="allow or deny",
    ),
    Setting(
        name="DNS_PRIVATE_ANSWERS_ZONES", attribute="private_answers_zones", parse=parsers.parse_zones, default="",
        unset=(), unset_means="none",
        description="Zones whose names may have private addresses although DNS_PRIVATE_ANSWERS is deny, such as DNS "
                    "block lists, which answer with addresses of 127/8.",
        allowed="zone names separated by space or comma",
    ),
    Setting(
        name="DNS_RESOLVER_DENY", attribute="resolver_deny", parse=parse_networks, default=_DENIED,
        description="Addresses that the resolver never sends to, even if a delegation names them. Unless it is set, "
                    f"private networks ({_PRIVATE}) are among them, too, where DNS_RECURSION_ALLOW has clients outside "
                    "of these. Servers named in settings are asked all the same.",
        allowed=NETWORKS, empty="none",
    ),
    Setting(
        name="DNS_RESOLVER_SOURCE", attribute="resolver_source", parse=parse_sources, default="", unset=(),
        unset_means="the system's routes choose", description="The local addresses that the resolver sends from.",
        allowed="at most one IPv4 and one IPv6 address",
    ),
    integer_row("DNS_RESOLVER_PORT", "resolver_port", (1, 65535), str(DNS_PORT),
                "The port of name servers; any other than 53 is for tests and private hierarchies."),
)


def _are_near(clients: tuple[Network, ...]) -> bool:
    """Return whether all clients are of this host, this link or private networks."""
    near = parse_networks("private")
    return all(any(each.version == other.version and each.subnet_of(other)  # type: ignore[arg-type]
                   for other in near) for each in clients)


def settle(values: dict[str, Any], *, problems: list[str], warnings: list[str], given: set[str]) -> None:
    """Refuse this server as its own resolver, and warn of settings without effect; `values` lacks unparsed ones."""
    clients = values.get("recursion_allow", ())
    if "resolver_deny" in values and "DNS_RESOLVER_DENY" not in given and not _are_near(clients):
        # What strangers may have asked for must not reach what only this network can.
        values["resolver_deny"] += parse_networks(_PRIVATE)
    listening = values.get("address", ())
    asked = [("DNS_RESOLVER_ADDRESS", server) for server in values.get("resolver_address", ())]
    asked += [("DNS_FORWARD_ZONES", server) for zone in values.get("forward_zones", ()) for server in zone.servers]
    problems += [f"{name}: {server} is where this server itself answers (DNS_ADDRESS)"
                 for name, server in dict.fromkeys(asked) if any(_is_at(server, here) for here in listening)]
    if values.get("recursion_allow") == ():
        names = sorted({row.name for row in RESOLVER} & given - {"DNS_RECURSION_ALLOW"})
        warnings += [f"{name} has no effect while DNS_RECURSION_ALLOW is none" for name in names]
    fences = "zones", "zones_allow", "topic_zones"
    if any(not network.is_loopback for network in clients) and not any(values.get(each, True) for each in fences):
        warnings.append(
            "DNS_RECURSION_ALLOW lets other hosts use the resolver, and whoever writes to the log may answer them for "
            "any name of the Internet: list the names that the log may hold in DNS_ZONES_ALLOW"
        )
