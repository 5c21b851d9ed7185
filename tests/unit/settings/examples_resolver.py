"""Examples of the settings for what the resolver sends to name servers: what is taken, and as what; what is refused."""

from __future__ import annotations

from typing import Any

GOOD: dict[str, tuple[str, Any]] = {
    "DNS_RESOLVER_ZONE_LIMIT": ("0", 0),
    "DNS_RESOLVER_SERVER_LIMIT": ("7", 7),
    "DNS_QNAME_MINIMISATION": ("Strict", "strict"),
    "DNS_QUERY_CASE": ("keep", "keep"),
}

BAD: dict[str, list[str]] = {
    "DNS_RESOLVER_ZONE_LIMIT": ["-1"],
    "DNS_RESOLVER_SERVER_LIMIT": ["many"],
    "DNS_QNAME_MINIMISATION": ["on"],
    "DNS_QUERY_CASE": ["lower"],
}
