"""Appends events to the file log at a rate, as another process does."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable

from streamdns.sources.filelog import encode_line
from tests.attacks.target import Target


def produce(target: Target, event: Callable[[int], tuple[bytes, bytes]], *, rate: float, most: int) -> None:
    """Append events (key and value by their number), at most so many; each piece is one locked write."""
    assert target.log is not None, "this attack needs --log"
    rate = target.rate or rate
    with target.log.open("ab", buffering=0) as file:
        target.begin()
        began, number = time.monotonic(), 0
        while not target.over():
            due = min(most, int((time.monotonic() - began) * rate) + 1)
            now_ms = int(time.time() * 1000)
            lines = b"".join(encode_line(*event(each), now_ms) for each in range(number, min(due, number + 500)))
            number = min(due, number + 500)
            if lines:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.write(lines)
                fcntl.flock(file, fcntl.LOCK_UN)
                target.counted["octets_in"] += len(lines)
            target.counted["events"] = number
            time.sleep(0.02)
