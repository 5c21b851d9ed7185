"""Divides limits of a node among its workers, so that all of them together allow what the settings say."""

from __future__ import annotations

from dataclasses import replace

from streamdns.settings import Settings


def share_of(settings: Settings) -> Settings:
    """Return the settings of one worker of several.

    The kernel spreads clients over the workers by address and port, so each worker meets about the same part of all.
    """
    workers = max(1, settings.workers)

    def part(most: int) -> int:
        return -(-most // workers)  # Rounded up: 0 stays what it means, and nothing else becomes 0.

    return replace(
        settings,
        workers=0,
        rrl_rate=part(settings.rrl_rate),
        tcp_connections=part(settings.tcp_connections),
        tcp_client_connections=part(settings.tcp_client_connections),
        cache_bytes=part(settings.cache_bytes),
        recursion_limit=part(settings.recursion_limit),
        recursion_client_limit=part(settings.recursion_client_limit),
        resolver_zone_limit=part(settings.resolver_zone_limit),
        resolver_server_limit=part(settings.resolver_server_limit),
    )
