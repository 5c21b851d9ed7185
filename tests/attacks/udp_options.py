"""As many EDNS options as a datagram may have."""

import struct

from tests.attacks.target import Target, shoot
from tests.attacks.zone import query, with_options

WHAT = "1,000 queries a second with 128 EDNS options each"


def run(target: Target) -> None:
    """From 50 addresses."""
    target.rate = target.rate or 1_000.0
    packet = with_options(query("www.example.org"), struct.pack(">HH", 65001, 0) * 128)
    shoot(target, lambda: packet, sources=50)
