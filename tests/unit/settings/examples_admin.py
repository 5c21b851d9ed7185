"""Examples of the settings for the admin API: what is taken, and as what; what is refused."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

from streamdns.addresses import UnixAddress
from streamdns.settings.admin import KeyFile, Proxies

#: A file of 36 characters and an end of line, on every Linux.
SOME_FILE = "/proc/sys/kernel/random/boot_id"
SOME_TEXT = "a secret of more than thirty-two octets"

GOOD: dict[str, tuple[str, Any]] = {
    "DNS_ADMIN_ADDRESS": ("unix:/run/admin.sock", UnixAddress("/run/admin.sock")),
    "DNS_ADMIN_INSECURE": ("yes", True),
    "DNS_ADMIN_USERS": ("/etc/streamdns/users", "/etc/streamdns/users"),
    "DNS_ADMIN_USERNAME": ("alice@example.org", "alice@example.org"),
    "DNS_ADMIN_PASSWORD": ("pass word", "pass word"),
    "DNS_ADMIN_PASSWORD_FILE": (SOME_FILE, SOME_FILE),
    "DNS_ADMIN_JWTSECRET": (SOME_TEXT, SOME_TEXT),
    "DNS_ADMIN_JWTSECRET_FILE": (SOME_FILE, SOME_FILE),
    "DNS_ADMIN_JWTKEYS": ("new=/etc/k2.pem, old=/etc/k1.pem", (KeyFile("new", "/etc/k2.pem"),
                                                               KeyFile("old", "/etc/k1.pem"))),
    "DNS_ADMIN_REVOKED": ("/srv/revoked.json", "/srv/revoked.json"),
    "DNS_ADMIN_TRUSTED_PROXIES": ("192.0.2.0/24, unix", Proxies((ip_network("192.0.2.0/24"),), unix=True)),
    "DNS_ADMIN_SESSION": ("600", 600.0),
    "DNS_ADMIN_TLS_CERT": ("/etc/cert.pem", "/etc/cert.pem"),
    "DNS_ADMIN_TLS_KEY": ("/etc/key.pem", "/etc/key.pem"),
}

BAD: dict[str, list[str]] = {
    "DNS_ADMIN_ADDRESS": ["0.0.0.0:8054", ":8054", "192.0.2.1:80", "no", "unix:relative", "unix:/" + "x" * 107],
    "DNS_ADMIN_INSECURE": ["perhaps"],
    "DNS_ADMIN_USERS": ["a\x01b"],
    "DNS_ADMIN_USERNAME": ["a:b", "a b", "x" * 129],
    "DNS_ADMIN_PASSWORD": ["xyz\x01zy67", "seven77", "x" * 1025],
    "DNS_ADMIN_PASSWORD_FILE": ["/nowhere/at/all", "/dev", "/dev/null"],
    "DNS_ADMIN_JWTSECRET": ["x" * 31, "xyz\x01zy" * 9],
    "DNS_ADMIN_JWTSECRET_FILE": ["/nowhere/at/all", "/dev/null"],
    "DNS_ADMIN_JWTKEYS": ["/etc/k1.pem", "a=", "a b=/x", "a=/x,a=/y", ","],
    "DNS_ADMIN_REVOKED": ["/a\x01b", "./var/revoked.json", "revoked.json"],
    "DNS_ADMIN_TRUSTED_PROXIES": ["proxy.example.org", ",", "192.0.2.1/24"],
    "DNS_ADMIN_SESSION": ["59", "x"],
    "DNS_ADMIN_TLS_CERT": ["a\x01b"],
    "DNS_ADMIN_TLS_KEY": ["a\x01b"],
}

#: Not beside the others: what a file holds and what is said are two ways of one thing.
CONTRADICTING = ("DNS_ADMIN_PASSWORD_FILE", "DNS_ADMIN_JWTSECRET_FILE")


def content() -> str:
    """What SOME_FILE holds, as a setting takes it over."""
    return Path(SOME_FILE).read_text(encoding="utf-8").rstrip("\n")
