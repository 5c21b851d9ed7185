"""Finds the client of a request that came through proxies, from X-Forwarded-For, as far as its proxies are trusted."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from streamdns.settings.admin import Proxies

_SCHEMES = ("http", "https")


def client_of(peer: str, forwarded: str, trusted: Proxies) -> str:
    """Return the address of the client; `peer` is that of the connection, "" on a unix socket.

    Each proxy appends the address that it was asked from, so the list is read from its end for as long as the one who
    wrote the entry is trusted: what stands before is what a client may have made up.
    """
    client = peer
    for word in reversed(forwarded.split(",")):
        if not _is_trusted(client, trusted):
            break
        found = _address(word.strip())
        if found is None:
            break
        client = found
    return client


def scheme_of(peer: str, headers: Mapping[str, str], own: str, trusted: Proxies) -> str:
    """Return the scheme that the client uses: where a trusted proxy ends TLS, X-Forwarded-Proto says https."""
    said = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
    return said if said in _SCHEMES and _is_trusted(peer, trusted) else own


def _is_trusted(address: str, trusted: Proxies) -> bool:
    if not address:
        return trusted.unix
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in trusted.networks)


def _address(text: str) -> str | None:
    """Parse an entry, with or without a port; None for what is no address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)
