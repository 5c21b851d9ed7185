"""Examples of the settings about other nodes: what is taken, and as what; what is refused."""

from __future__ import annotations

from typing import Any

from tests.unit.settings.examples_admin import SOME_FILE

GOOD: dict[str, tuple[str, Any]] = {
    "DNS_PEERS": (
        "ns2.example.org:8054, https://ns3.example.org unix:/run/ns4 http://[2001:db8::1]:8054 0.0.0.0:1 [::]:2",
        ("http://ns2.example.org:8054", "https://ns3.example.org", "unix:/run/ns4", "http://[2001:db8::1]:8054",
         "http://127.0.0.1:1", "http://[::1]:2"),
    ),
    "DNS_PEERS_TOKEN": ("a.b-c_d", "a.b-c_d"),
    "DNS_PEERS_TOKEN_FILE": (SOME_FILE, SOME_FILE),
    "DNS_PEERS_CA": ("/etc/ca.pem", "/etc/ca.pem"),
    "DNS_PEERS_INTERVAL": ("2.5", 2.5),
}

BAD: dict[str, list[str]] = {
    "DNS_PEERS": ["ns2", "ftp://ns2:21", "http://", "http://ns2:0", "http://ns2:x", "http://ns2:99999", "unix:run",
                  "http://user@ns2:1", "http://ns2:1/path", "http://ns2:1?q"],
    "DNS_PEERS_TOKEN": ["two words", "tökén", "x" * 9000],
    "DNS_PEERS_TOKEN_FILE": ["/nowhere/token", "/dev/null"],
    "DNS_PEERS_CA": ["a\x01b"],
    "DNS_PEERS_INTERVAL": ["0", "-1", "x"],
}
