"""Streams and waits that nobody reads or needs."""

from tests.attacks.requests import hold
from tests.attacks.target import Target

WHAT = "100 streams of the journal and 100 waits, not read"


def run(target: Target) -> None:
    """Every other is a wait for a position that will not come."""
    paths = (b"/v1/journal/stream", b"/v1/wait?topic=file&partition=0&offset=999999999&timeout=60")
    hold(target, lambda number: b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % paths[number % 2], number=200)
