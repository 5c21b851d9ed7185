"""Reads the gateways of this machine from the kernel's routes: a NAT in front of a server often is one of them."""

from __future__ import annotations

import ipaddress
import pathlib
import sys

_IP = ipaddress.IPv4Address | ipaddress.IPv6Address
_ROUTED = 2  # RTF_GATEWAY of route(8)


def gateways(folder: pathlib.Path = pathlib.Path("/proc/net")) -> tuple[_IP, ...]:
    """Return the gateways of default routes, without those of the link alone; none where /proc does not tell them."""
    found: dict[_IP, None] = {}
    for line in _lines(folder / "route")[1:]:
        words = line.split()
        if len(words) > 3 and words[1] == "00000000" and int(words[3], 16) & _ROUTED:
            found[ipaddress.IPv4Address(int(words[2], 16).to_bytes(4, sys.byteorder))] = None
    for line in _lines(folder / "ipv6_route"):
        words = line.split()
        if len(words) > 8 and words[1] == "00" and int(words[8], 16) & _ROUTED:
            found[ipaddress.IPv6Address(bytes.fromhex(words[4]))] = None
    return tuple(each for each in found if not each.is_link_local)


def _lines(path: pathlib.Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
