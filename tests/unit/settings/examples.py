"""Examples of the settings for metrics, guards and what the log may be about: what is taken, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from streamdns.settings.parsers import Address, TopicZones

#: A file with the tokens of outputs.
TOKENS_FILE = str(Path(__file__).with_name("metrics_tokens"))

GOOD: dict[str, tuple[str, Any]] = {
    "DNS_ZONES_ALLOW": ("Example.ORG, in-addr.arpa.", ("example.org.", "in-addr.arpa.")),
    "DNS_TOPIC_ZONES": ("zones=. lab=Lab.example.org,b", (TopicZones("zones", (".",)),
                                                          TopicZones("lab", ("lab.example.org.", "b.")))),
    "DNS_METRICS_ADDRESS": ("[::1]:9153", Address("::1", 9153)),
    "DNS_METRICS_OUTPUTS": (
        "stdout influx+udp://[::1]:8089 warp10s://w.example/api",
        ("stdout", "influx+udp://[::1]:8089", "warp10s://w.example/api"),
    ),
    "DNS_METRICS_TOKENS": ("warp10s=abc, influx+udp=Basic x y=", (("warp10s", "abc"), ("influx+udp", "Basic x y="))),
    "DNS_METRICS_TOKENS_FILE": (TOKENS_FILE, TOKENS_FILE),
    "DNS_METRICS_FLUSH_INTERVAL": ("100", 100),
    "DNS_METRICS_BUFFER_SIZE": ("1", 1),
    "DNS_STATSD_ADDRESS": ("s.example:8125", "s.example:8125"),
    "DNS_STATSD_PREFIX": ("dns.eu", "dns.eu"),
    "DNS_STATSD_TAGS": ("DogStatsD", "dogstatsd"),
    "DNS_SWAP_GUARD": ("12.5%", 0.125), "DNS_DELETE_GUARD": ("OFF", math.inf),
    "DNS_DELETE_GUARD_WINDOW": ("60", 60.0),
}

BAD: dict[str, list[str]] = {
    "DNS_ZONES_ALLOW": ["a..b", ","],
    "DNS_TOPIC_ZONES": ["zones", "=a.", "zones=", "zones=a..b", "zones=a zones=b", "a/b=a."],
    "DNS_METRICS_ADDRESS": ["9153", ":9153", "localhost:9153"],
    "DNS_METRICS_OUTPUTS": ["statsd://a,b", "graphite://h", "statsd", "influx://", "influx://h:x/", "influx://u:p@h/",
                            "stdout,x"],
    "DNS_METRICS_TOKENS": ["xyzzy", "graphite=x", "warp10s=", "influxs= ", "warp10=a\x01b"],
    "DNS_METRICS_TOKENS_FILE": ["/nowhere/at/all", "/dev", "/dev/null"],
    "DNS_METRICS_FLUSH_INTERVAL": ["99", "1.5", "3600001"],
    "DNS_METRICS_BUFFER_SIZE": ["0", "x"],
    "DNS_STATSD_ADDRESS": ["h:x", "a b", "h/p", "u@h", ":8125"],
    "DNS_STATSD_PREFIX": ["a\x01b"],
    "DNS_STATSD_TAGS": ["x"],
    "DNS_SWAP_GUARD": ["101%", "1.5", "10", "a tenth", "-1%", "%"],
    "DNS_DELETE_GUARD": ["x"], "DNS_DELETE_GUARD_WINDOW": ["59", "86401"],
}
