"""Reads from the settings where zones begin beside the SOAs of the log, and which names the log may be about."""

from __future__ import annotations

from streamdns.dns import name
from streamdns.dns.served import Apexes
from streamdns.errors import ConfigError
from streamdns.events.fence import Fence
from streamdns.settings import Settings
from streamdns.view.keys import node_key


def zone_keys(zones: tuple[str, ...]) -> frozenset[bytes] | None:
    """Lookup keys of listed zones, None where none are; raises ConfigError."""
    problems: list[str] = []
    keys = [node_key(zone) for zone in _names("DNS_ZONES", zones, problems)]
    if problems:
        raise ConfigError(problems)
    return frozenset(keys) or None


def fence_of(settings: Settings) -> Fence:
    """Which names the log may be about, as the settings say; raises ConfigError."""
    problems: list[str] = []
    allowed = _names("DNS_ZONES_ALLOW", settings.zones_allow, problems)
    by_topic = {each.topic: _names("DNS_TOPIC_ZONES", each.zones, problems) for each in settings.topic_zones}
    if problems:
        raise ConfigError(problems)
    return Fence(allowed=allowed, by_topic=by_topic, root="." in settings.zones)


def _names(setting: str, names: tuple[str, ...], problems: list[str]) -> list[bytes]:
    found = []
    for each in names:
        try:
            found.append(name.from_text(each).lower())
        except ValueError as err:
            problems.append(f"{setting}: {err}")
    return found


def apexes_of(settings: Settings) -> Apexes:
    """What the settings say of apexes; raises ConfigError."""
    return Apexes(zone_keys(settings.zones) or frozenset(), settings.apex_cname == "flatten")
