"""Gateways as the kernel writes them, in an order of octets of its own."""

from __future__ import annotations

import ipaddress
import pathlib

from streamdns.runtime.gateways import gateways

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010011AC	0003	0	0	0	00000000	0	0	0
eth0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
eth0	0000000A	020011AC	0003	0	0	0	000000FF	0	0	0
tun0	00000000	00000000	0001	0	0	0	00000000	0	0	0
eth1	00000000	0101FEA9	0003	0	0	0	00000000	0	0	0
"""
ZEROS = "0" * 32
ROUTES6 = f"""\
{ZEROS} 00 {ZEROS} 00 fd000000000000000000000000000001 00000400 00000003 00000000 00000003     eth0
{ZEROS} 00 {ZEROS} 00 fe800000000000000000000000000001 00000400 00000003 00000000 00000003     eth0
{ZEROS} 00 {ZEROS} 00 {ZEROS} ffffffff 00000001 00000000 00200200       lo
fd000000000000000000000000000000 40 {ZEROS} 00 {ZEROS} 00000100 00000001 00000000 00000001     eth0
"""


def test_gateways_of_default_routes(tmp_path: pathlib.Path) -> None:
    """Not the way to single networks, nor a link without a gateway, nor an address that counts on the link alone."""
    (tmp_path / "route").write_text(ROUTES)
    (tmp_path / "ipv6_route").write_text(ROUTES6)
    assert gateways(tmp_path) == (ipaddress.ip_address("172.17.0.1"), ipaddress.ip_address("fd00::1"))


def test_where_nothing_is_told(tmp_path: pathlib.Path) -> None:
    assert gateways(tmp_path) == ()


def test_this_machine() -> None:
    """Whatever it has, it can be read."""
    assert all(each.version in (4, 6) for each in gateways())
