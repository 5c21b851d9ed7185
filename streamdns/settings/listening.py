"""What must hold between the addresses that a node listens on."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator
from typing import Any

from streamdns.addresses import Address, Unasked


def settle(values: dict[str, Any], *, given: Collection[str], problems: list[str]) -> None:
    """Note which addresses nobody asked for, and find those that exclude each other."""
    if "DNS_ADDRESS" not in given and "address" in values:
        values["address"] = tuple(Unasked(*address) for address in values["address"])
    wanted = list(_wanted(values))
    http_alone = values.get("tcp") is False  # DNS has only UDP then, and a port for each
    for index, (setting, address) in enumerate(wanted):
        for other_setting, other in wanted[:index]:
            apart = http_alone and (setting == "DNS_ADDRESS") != (other_setting == "DNS_ADDRESS")
            if not apart and _overlap(address, other):
                problems.append(f"{setting}={address} and {other_setting}={other} are one and the same port; allowed: "
                                "another port")


def _wanted(values: dict[str, Any]) -> Iterator[tuple[str, Address]]:
    for address in values.get("address") or ():
        yield "DNS_ADDRESS", address
    for setting, attribute in (("DNS_ADMIN_ADDRESS", "admin_address"), ("DNS_METRICS_ADDRESS", "metrics_address")):
        address = values.get(attribute)
        if isinstance(address, Address):
            yield setting, address


def _overlap(one: Address, other: Address) -> bool:
    if one.port != other.port or one.port == 0 or one.is_ipv6 != other.is_ipv6:
        return False
    return one.host == other.host or any(ipaddress.ip_address(each.host).is_unspecified for each in (one, other))
