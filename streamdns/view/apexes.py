"""Reads from the settings where zones begin beside the SOAs of the log, and what a CNAME does there."""

from __future__ import annotations

from streamdns.dns import name
from streamdns.dns.served import Apexes
from streamdns.errors import ConfigError
from streamdns.settings import Settings
from streamdns.view.keys import node_key


def zone_keys(zones: tuple[str, ...]) -> frozenset[bytes] | None:
    """Lookup keys of listed zones, None where none are; raises ConfigError."""
    keys = []
    problems = []
    for zone in zones:
        try:
            keys.append(node_key(name.from_text(zone).lower()))
        except ValueError as err:
            problems.append(f"DNS_ZONES: {err}")
    if problems:
        raise ConfigError(problems)
    return frozenset(keys) or None


def apexes_of(settings: Settings) -> Apexes:
    """What the settings say of apexes; raises ConfigError."""
    return Apexes(zone_keys(settings.zones) or frozenset(), settings.apex_cname == "flatten")
