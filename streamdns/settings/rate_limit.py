"""Settings of what UDP answers a forged query may cause: response rate limiting, and sizes; rows of the table."""

from __future__ import annotations

from typing import Final

from streamdns.settings.resolver import NETWORKS, parse_networks
from streamdns.settings.row import Setting, bool_row, integer_row

RATE_LIMIT: Final[tuple[Setting, ...]] = (
    integer_row(
        "DNS_NO_COOKIE_SIZE", "no_cookie_size_bytes", (512, 4096), "1232",
        "The largest UDP answer in bytes to a client without a good DNS cookie, where it is less than DNS_EDNS_SIZE: "
        "what does not fit is asked for again over TCP, and forged queries get no more than this.", reload=True,
    ),
    integer_row(
        "DNS_RRL_RATE", "rrl_rate", (0, 1_000_000), "200",
        "The most equal answers a second over UDP to one network of clients (/24, /56): of one name and type, of one "
        "wildcard, of what a zone does not have, of one delegation, of one error. Beyond it they are dropped or "
        "truncated (docs/hardening.md). 0: no limit.", reload=True,
    ),
    integer_row(
        "DNS_RRL_SLIP", "rrl_slip", (0, 100), "2",
        "Of answers beyond DNS_RRL_RATE one in so many is sent truncated, so that a real client asks over TCP; the "
        "others are dropped. 1: all are truncated, 0: all are dropped.", reload=True,
    ),
    Setting(
        name="DNS_RRL_EXEMPT", attribute="rrl_exempt", parse=parse_networks, default="private", reload=True,
        description="Clients whose answers are not limited by DNS_RRL_RATE; by default those of this host and of "
                    "private networks, to which nobody on the Internet can have answers sent, and behind whose "
                    "addresses a NAT may hide all clients.",
        allowed=NETWORKS,
    ),
    bool_row("DNS_RRL_LOG_ONLY", "rrl_log_only", "false",
             "Count and log what DNS_RRL_RATE would hold back, and send it all the same.", reload=True),
)
