"""`python -m benchmarks.divided`: what a resolver's cache that is divided among workers loses against a shared one.

The caches are streamdns's own, the queries are drawn (names by Zipf's law, TTLs of a minute to an hour), and the clock
is counted on, so the figures are the same on every machine. A shared cache would have each query go to another process
and back; what that takes at the least is measured beside it, in CPU of this machine.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import socket
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.report import Result
from streamdns.dns.wire import A
from streamdns.resolver.resolution.cache import ANSWER, Cache

_TTLS_S = (60, 300, 3600)
_TTL_WEIGHTS = (3, 4, 3)
WORKERS = (1, 2, 4)
_COLUMNS = (
    ("rate", "queries/s"), ("cache_mb", "MB of cache"), ("workers", "workers"), ("hits", "hits, %"),
    ("resolved_per_s", "resolved/s"), ("times", "x one cache"), ("evicted", "evicted"),
)


class Load(NamedTuple):
    """Queries a second for names of which a few are asked much more often than most, and the cache of the node."""

    rate: int
    cache_mb: int
    names: int = 200_000
    exponent: float = 1.0
    seconds: int = 900
    warm_s: int = 600


def divided(load: Load, workers: int) -> tuple[float, float, int]:
    """The share of hits, resolutions a second, and entries evicted, behind the first `warm_s` seconds.

    Stub resolvers ask from another port each time, so the kernel gives each query to any of the workers.
    """
    rng = random.Random(18)
    caches = [Cache(load.cache_mb * 1_000_000 // workers) for _ in range(workers)]
    ttls = rng.choices(_TTLS_S, _TTL_WEIGHTS, k=load.names)
    hits = asked = 0
    for number, name in enumerate(_names(load, rng)):
        now_s = number / load.rate
        cache = caches[rng.randrange(workers)]
        owner = b"\x0a%010d\7example\0" % name
        hit = cache.get(owner, A, now_s) is not None
        if not hit:
            cache.put(owner, A, (b"\xc0\0\2\1",), trust=ANSWER, ttl_s=ttls[name], now_s=now_s)
        if now_s >= load.warm_s:
            hits += hit
            asked += 1
    return hits / asked, (asked - hits) / (load.seconds - load.warm_s), sum(cache.evicted for cache in caches)


def _names(load: Load, rng: random.Random) -> Iterator[int]:
    weights = list(itertools.accumulate((rank + 1) ** -load.exponent for rank in range(load.names)))
    left = load.rate * load.seconds
    while left > 0:
        count = min(left, 100_000)
        yield from rng.choices(range(load.names), cum_weights=weights, k=count)
        left -= count


def hop_us(count: int = 20_000) -> float:
    """CPU of two processes for a message to another one and its answer, in us: one at a time, and nothing else done."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    pid = os.fork()
    if not pid:
        ours.close()
        for _ in range(count):
            theirs.send(theirs.recv(512))
        os._exit(0)
    theirs.close()
    before_s = time.process_time()
    for _ in range(count):
        ours.send(b"x" * 40)
        ours.recv(512)
    own_s = time.process_time() - before_s
    _, _, usage = os.wait4(pid, 0)
    return 1e6 * (own_s + usage.ru_utime + usage.ru_stime) / count


def run(loads: list[Load]) -> Result:
    """Compute every load with one cache and with divided ones."""
    result = Result("the resolver's cache, divided among workers", _COLUMNS)
    for load in loads:
        one = 0.0
        for workers in WORKERS:
            hits, resolved, evicted = divided(load, workers)
            one = one or resolved
            result.rows.append({
                "rate": load.rate, "cache_mb": load.cache_mb, "workers": workers, "hits": 100 * hits,
                "resolved_per_s": resolved, "times": resolved / one, "evicted": evicted,
            })
    return result


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.divided", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds of queries, to see that it works")
    arguments = parser.parse_args()
    loads = [Load(200, 96), Load(2_000, 96), Load(2_000, 16)]
    if arguments.quick:
        loads = [load._replace(seconds=4, warm_s=2, names=1_000) for load in loads]
    print(run(loads).table())
    print(f"\nto another process and back: {hop_us(2_000 if arguments.quick else 20_000):.1f} us of CPU a query")
    return 0


if __name__ == "__main__":
    sys.exit(main())
