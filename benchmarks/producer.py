"""Changes names of the zone at a steady rate until SIGTERM.

`python -m benchmarks.producer file|update|kafka|pulsar TARGET NAMES RATE`, where TARGET is a log file, a port, a
broker's address and a topic with "/" between them, or a URL and a topic with "," between them. Writes "ready", and at
its end how many changes it made in how many seconds. When it is late, as after a slow fsync, it makes all changes that
are due in one append.
"""

from __future__ import annotations

import pathlib
import random
import signal
import sys
import time

from benchmarks.changes import Change, appended, produced, published, updated
from benchmarks.zone import Zone

_AT_MOST = 1000


def _change(kind: str, target: str) -> Change:
    if kind == "kafka":
        address, _, topic = target.partition("/")
        return produced(address, topic)
    if kind == "pulsar":
        return published(*target.split(","))
    return appended(pathlib.Path(target)) if kind == "file" else updated(int(target))


def main() -> None:
    """Read the arguments, run, report."""
    kind, target, names, rate = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    change = _change(kind, target)
    zone = Zone(names)
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    rng = random.Random(2)
    print("ready", flush=True)
    began = time.monotonic()
    count = 0
    while not stopping:
        due = min(int((time.monotonic() - began) * rate) - count, 1 if kind == "update" else _AT_MOST)
        if due <= 0:
            time.sleep(max(began + (count + 1) / rate - time.monotonic(), 0))
            continue
        # Odd hosts are this process's, even ones are those that are measured.
        hosts = [rng.randrange(names // 2) * 2 + 1 for _ in range(due)]
        change([(zone.host(host), f"172.16.{rng.randrange(256)}.{rng.randrange(256)}") for host in hosts])
        count += due
    print(count, time.monotonic() - began, flush=True)


if __name__ == "__main__":
    main()
