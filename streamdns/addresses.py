"""Addresses in settings: IP address and port to listen on, and URLs of metrics outputs (metrics parse them, too)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

#: Scheme of a URL -> module below metrics/outputs/, which is imported when it is used.
OUTPUTS: Final[Mapping[str, str]] = {
    "stdout": "stdout",
    "statsd": "statsd",
    "influx": "influx",
    "influx+udp": "influx",
    "influxs": "influx",
    "warp10": "warp10",
    "warp10s": "warp10",
}


class Address(NamedTuple):
    """An IP address and a port to listen on; port 0 lets the kernel choose a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_ipv6(self) -> bool:
        """True for an IPv6 address, False for an IPv4 address."""
        return ":" in self.host


def parse_output(text: str) -> SplitResult:
    """Parse the URL of an output, such as stdout or influx://127.0.0.1:8086/write?db=dns; raises ValueError."""
    scheme, separator, _ = text.partition("://")
    if scheme not in OUTPUTS:
        raise ValueError(f"has {text}, which is none of {', '.join(OUTPUTS)}")
    if not separator and scheme != "stdout":
        raise ValueError(f"has {text}, which names no host")
    url = urlsplit(text if separator else f"{text}://")
    if "@" in url.netloc:
        raise ValueError("has a password in it; DNS_METRICS_TOKENS is the place for that")
    try:
        url.port  # noqa: B018 - it is looked at here, so that it is never wrong later
    except ValueError:
        raise ValueError(f"has {text}, whose port is not a number from 0 to 65535") from None
    if scheme != "stdout" and not url.hostname:
        raise ValueError(f"has {text}, which names no host")
    return url
