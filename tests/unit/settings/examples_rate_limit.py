"""Examples of the settings of response rate limiting: what is taken, and as what; what is refused."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

GOOD: dict[str, tuple[str, Any]] = {
    "DNS_NO_COOKIE_SIZE": ("512", 512),
    "DNS_RRL_RATE": ("0", 0),
    "DNS_RRL_SLIP": ("1", 1),
    "DNS_RRL_LOG_ONLY": ("yes", True),
    "DNS_RRL_EXEMPT": (
        "Loopback 10.0.0.0/30 !10.0.0.0/31, !::1", (ip_network("127.0.0.0/8"), ip_network("10.0.0.2/31")),
    ),
}

BAD: dict[str, list[str]] = {
    "DNS_NO_COOKIE_SIZE": ["511", "4097"],
    "DNS_RRL_RATE": ["-1", "1000001", "2.5"],
    "DNS_RRL_SLIP": ["101"],
    "DNS_RRL_LOG_ONLY": ["x"],
    "DNS_RRL_EXEMPT": ["public", "!192.0.2.1", "192.0.2.1 !x", "loopback !::1/0"],
}
