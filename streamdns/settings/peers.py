"""Settings about other nodes: their rows in the table, and the parser of nodes' URLs."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final
from urllib.parse import urlsplit

from streamdns.settings import parsers, secret_file
from streamdns.settings.row import Setting, seconds_row

_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_plain_address = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}").fullmatch
_MOST_TOKEN: Final = 8192


def parse_node(text: str) -> str:
    """Parse a node's URL to its one spelling: http://HOST:PORT, https://HOST[:PORT] or unix:PATH."""
    if text.startswith("unix:"):
        if not text[5:].startswith("/"):
            raise ValueError("is unix: without an absolute path")
        return parsers.parse_text(text)
    if _plain_address(text):
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("has a host or a port that is not valid") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not text.isprintable():
        raise ValueError("is not http://HOST:PORT, https://HOST:PORT, HOST:PORT or unix:PATH")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("has more than a scheme, a host and a port")
    host = _ANYWHERE.get(parts.hostname, parts.hostname)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port is None else f":{port}")


def parse_nodes(text: str) -> tuple[str, ...]:
    """Parse URLs of nodes, separated by space or comma; each is returned once."""
    return tuple(dict.fromkeys(parse_node(word) for word in text.replace(",", " ").split()))


def parse_token(text: str) -> str:
    """Check a token as it goes into a header."""
    if len(text) > _MOST_TOKEN or not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("is not a token")
    return text


def _stripped_token(text: str) -> str:
    return parse_token(text.strip())


def read_token(path: str) -> str:
    """Read a token from a file; raises ValueError with one phrase."""
    return _stripped_token(secret_file.read(path))


PEERS: Final = (
    Setting(
        name="DNS_PEERS", attribute="peers", parse=parse_nodes, default="", unset=(), unset_means="none",
        description="The admin APIs of the other nodes that read the same log: streamdns compares their data with its "
                    "own, and /v1/wait?nodes=all asks them.",
        allowed="one or several of http://HOST:PORT, https://HOST:PORT, HOST:PORT or unix:PATH, separated by space or "
                "comma",
    ),
    Setting(
        name="DNS_PEERS_TOKEN", attribute="peers_token", parse=parse_token, default="", unset="", secret=True,
        unset_means="none is sent", description="The token to send to DNS_PEERS (the role viewer is enough).",
        allowed="a token as `streamdns token create` prints it",
    ),
    Setting(
        name="DNS_PEERS_TOKEN_FILE", attribute="peers_token_file", parse=parsers.parse_text, default="", unset="",
        unset_means="no file", description="A file that holds the token for DNS_PEERS.",
        allowed="a path of a file; not together with DNS_PEERS_TOKEN",
    ),
    Setting(
        name="DNS_PEERS_CA", attribute="peers_ca", parse=parsers.parse_text, default="", unset="",
        unset_means="those that the system trusts",
        description="A file with the CA certificates (PEM) to verify DNS_PEERS with, for https.",
        allowed="a path of a file",
    ),
    seconds_row("DNS_PEERS_INTERVAL", "peers_interval_s", (0.1, 86400), "60",
                "The time within which streamdns finds that one of DNS_PEERS holds other data, or that this node's "
                "records do not match its digests; each check runs three times as often. Only with DNS_PEERS set."),
)


def _in_clear(url: str) -> bool:
    """Return whether others on the network can read a token that is sent to this URL."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        return False
    try:
        return not ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname != "localhost"


def settle(values: dict[str, Any], *, problems: list[str], warnings: list[str]) -> None:
    """Read the token's file, and warn of tokens sent without TLS and of settings without effect."""
    if values.get("peers") and values.get("admin_address", "") is None:
        warnings.append("DNS_PEERS has no effect where DNS_ADMIN_ADDRESS is off")
    path = values.get("peers_token_file")
    unencrypted = [url for url in values.get("peers") or () if _in_clear(url)]
    if unencrypted and (path or values.get("peers_token")):
        warnings.append(f"DNS_PEERS has {unencrypted[0]}: without https others on the network can read the token")
    secret_file.settle("DNS_PEERS_TOKEN", "peers_token", values, problems, parse=_stripped_token)
