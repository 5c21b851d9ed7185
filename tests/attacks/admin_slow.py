"""Heads of requests that come an octet at a time."""

from tests.attacks.requests import hold
from tests.attacks.target import Target

WHAT = "500 connections to the admin API that send an octet of a head at a time"


def run(target: Target) -> None:
    """Never to the end."""
    hold(target, lambda number: b"GET /metrics HTTP/1.1\r\n", number=500, more=b"X-Header: value\r\n")
