"""What the resolver keeps: trust, time, bounds; and what it knows of servers."""

from __future__ import annotations

import gc
import random
import tracemalloc

import pytest

from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution.cache import Cache
from streamdns.resolver.resolution.message import RRset
from streamdns.resolver.resolution.servers import Address, Servers, host_of
from tests.harness.hierarchy import wire

NAME = wire("www.example.org.")
NSEC = RRset(wire("example.org."), 47, 60, (wire("x.example.org.") + b"\0\1\2",), (b"signature",))


def put(cache: Cache, rdata: bytes = b"\1\2\3\4", *, trust: int = store.ANSWER, ttl_s: int = 60, now_s: float = 0.0,
        name: bytes = NAME, rdtype: int = 1) -> None:
    cache.put(name, rdtype, (rdata,), trust=trust, ttl_s=ttl_s, now_s=now_s)


def deny(cache: Cache, kind: int, *, name: bytes = NAME, ttl_s: int = 60, now_s: float = 0.0,
         proof: tuple[RRset, ...] = (), zone: bytes = b"\0") -> None:
    cache.put_negative(name, 1, kind, soa_owner=wire("org."), soa=(bytes(22),), ttl_s=ttl_s, now_s=now_s, proof=proof,
                       zone=zone)


def known(cache: Cache, now_s: float = 1.0, *, stale_s: float = 0.0) -> tuple[int, bytes] | None:
    entry = cache.get(NAME, 1, now_s, stale_s=stale_s)
    return None if entry is None else (entry.kind, entry.records[0] if entry.records else b"")


@pytest.mark.parametrize("old", range(1, 6))
@pytest.mark.parametrize("new", range(1, 6))
def test_what_is_trusted_more_stays(old: int, new: int) -> None:
    """RFC 2181 §5.4.1; until its time is over."""
    cache = Cache(1 << 20)
    put(cache, b"old!", trust=old)
    put(cache, b"new!", trust=new)
    assert known(cache) == (store.POSITIVE, b"new!" if new >= old else b"old!")
    put(cache, b"late", trust=new, now_s=61.0)
    assert known(cache, 62.0) == (store.POSITIVE, b"late")


def test_time_is_counted_down_and_ends() -> None:
    cache = Cache(1 << 20)
    put(cache, ttl_s=60, now_s=1000.0)
    for now_s, left_s in ((1000.0, 60), (1000.5, 60), (1001.5, 59), (1059.5, 1)):
        entry = cache.get(NAME, 1, now_s)
        assert entry is not None
        assert entry.left_s(now_s) == left_s
    assert cache.get(NAME, 1, 1060.0) is None
    put(cache, ttl_s=1 << 31, now_s=0.0)
    assert known(cache, 86_399.0) is not None
    assert known(cache, 86_400.0) is None


def test_ttl_0_is_not_kept_and_takes_away_what_was() -> None:
    cache = Cache(1 << 20)
    put(cache, ttl_s=60)
    put(cache, ttl_s=0)
    assert (known(cache, stale_s=1e9), len(cache), cache.bytes) == (None, 0, 0)
    deny(cache, store.NODATA, ttl_s=0)
    assert len(cache) == 0


def denied(cache: Cache, name: str, now_s: float = 1.0) -> int:
    return sum(1 for _ in cache.denials_above(wire(name), now_s))


def test_a_denial_that_is_signed_denies_all_below() -> None:
    cache = Cache(1 << 20)
    deny(cache, store.NXDOMAIN, proof=(NSEC,))
    assert known(cache) == (store.NXDOMAIN, bytes(22))
    assert cache.get(NAME, 28, 1.0) is not None
    for name in ("a.www.example.org.", "a.b.c.www.example.org."):
        assert denied(cache, name) == 1
    for name in ("www.example.org.", "example.org.", "xwww.example.org.", "a.xwww.example.org.", "org.", "."):
        assert denied(cache, name) == 0
    assert [denied(cache, "a.www.example.org.", now_s) for now_s in (59.9, 60.0)] == [1, 0]
    put(cache)
    assert denied(cache, "a.www.example.org.") == 0, "it is there after all"


def test_a_denial_that_nobody_has_signed_denies_one_name() -> None:
    cache = Cache(1 << 20)
    deny(cache, store.NXDOMAIN)
    assert known(cache) == (store.NXDOMAIN, bytes(22))
    assert denied(cache, "a.www.example.org.") == 0


def test_the_nearest_denial_comes_first() -> None:
    cache = Cache(1 << 20)
    for name in ("www.example.org.", "org.", "example.org."):
        deny(cache, store.NXDOMAIN, name=wire(name), proof=(NSEC,), zone=wire(name))
    assert [entry.zone for entry in cache.denials_above(wire("a.www.example.org."), 1.0)] == [
        NAME, wire("example.org."), wire("org.")
    ]


def test_no_data_denies_one_type_only() -> None:
    cache = Cache(1 << 20)
    deny(cache, store.NODATA, ttl_s=99_999)
    assert known(cache, 3599.0) == (store.NODATA, bytes(22))
    assert known(cache, 3600.0) is None
    assert cache.get(NAME, 28, 1.0) is None


def test_what_is_stale_is_there_for_a_day_when_it_is_asked_for() -> None:
    cache = Cache(1 << 20)
    put(cache, b"old!")
    assert known(cache, 100.0) is None
    assert known(cache, 100.0, stale_s=86_400.0) == (store.POSITIVE, b"old!")
    cache.put_failure(NAME, 1, "nobody answers", 100.0)
    assert known(cache, 101.0) == (store.FAILURE, b"")
    stale = cache.stale(NAME, 1, 101.0)
    assert stale is not None
    assert stale.records == (b"old!",)
    assert known(cache, 106.0) is None
    deny(cache, store.NXDOMAIN, now_s=200.0)
    assert known(cache, 300.0, stale_s=86_400.0) == (store.NXDOMAIN, bytes(22)), "the later of both"
    assert known(cache, 90_000.0, stale_s=86_400.0) is None


def test_the_ends_of_times() -> None:
    """To the moment: what is stale, what a failure has, the least TTL of a delegation."""
    cache = Cache(1 << 20)
    put(cache, ttl_s=60)
    assert cache.stale(NAME, 1, 69.9, stale_s=10.0) is not None
    assert cache.stale(NAME, 1, 70.0, stale_s=10.0) is None
    cache.put_failure(NAME, 28, "nobody answers", 0.0)
    entry = cache.get(NAME, 28, 4.9)
    assert entry is not None
    assert (entry.kind, entry.trust, entry.records, entry.signatures, entry.ttl_s, entry.until_s, entry.detail) == (
        store.FAILURE, 0, (), (), 5, 5.0, "nobody answers"
    )
    assert cache.get(NAME, 28, 5.0) is None
    cache.put_delegation(RRset(NAME, 2, 1, (b"\2ns\0",)), zone=wire("org."), now_s=0.0)
    assert cache.delegation(NAME, 0.9) is not None


def test_a_good_answer_ends_a_failure() -> None:
    cache = Cache(1 << 20)
    cache.put_failure(NAME, 1, "nobody answers", 0.0)
    assert known(cache, 4.9) == (store.FAILURE, b"")
    put(cache, now_s=1.0)
    assert known(cache, 2.0) == (store.POSITIVE, b"\1\2\3\4")
    cache.put_failure(NAME, 1, "nobody answers", 2.0)
    assert known(cache, 3.0) == (store.POSITIVE, b"\1\2\3\4")
    assert cache.get(NAME, 28, 3.0) is None


def test_what_a_zone_says_of_its_own_servers_does_not_change_its_delegation() -> None:
    cache = Cache(1 << 20)
    cache.put_delegation(RRset(NAME, 2, 60, (b"\2ns\0",)), zone=wire("org."), now_s=0.0)
    put(cache, b"\3ns2\0", ttl_s=600, now_s=30.0, rdtype=2)
    found = cache.delegation(wire("a.www.example.org."), 59.0)
    assert found is not None
    assert (found[0], found[1].records, found[1].zone) == (NAME, (b"\2ns\0",), wire("org."))
    assert cache.delegation(NAME, 60.0) is None
    entry = cache.get(NAME, 2, 60.0)
    assert entry is not None
    assert entry.records == (b"\3ns2\0",)
    cache.put_delegation(RRset(NAME, 2, 60, (b"\2ns\0",)), zone=wire("org."), now_s=70.0)
    cache.put_delegation(RRset(NAME, 2, 0, (b"\2ns\0",)), zone=wire("org."), now_s=70.0)
    assert cache.delegation(NAME, 71.0) is None, "nothing with TTL 0"
    cache.put_delegation(RRset(NAME, 2, 1 << 31, (b"\2ns\0",)), zone=wire("org."), now_s=70.0)
    assert cache.delegation(NAME, 70.0 + 86_399.0) is not None
    assert cache.delegation(NAME, 70.0 + 86_400.0) is None
    cache.put_delegation(RRset(NAME, 2, 60, (b"\2ns\0",)), zone=wire("org."), now_s=0.0)
    assert {rdtype for rdtype, _ in cache.entries_of(NAME)} == {2}
    cache.forget_delegation(NAME)
    assert cache.delegation(NAME, 1.0) is None


def test_least_recently_used_goes_first_and_the_bound_holds() -> None:
    cache = Cache(100_000)
    rng = random.Random(1)
    names = [wire(f"n{number}.example.org.") for number in range(2000)]
    for number, name in enumerate(names):
        put(cache, rng.randbytes(rng.randrange(200)), name=name, rdtype=16)
        assert cache.get(names[0], 16, 1.0) is not None, number
        assert cache.bytes <= cache.most_bytes
    assert cache.evicted > 1000
    assert cache.get(names[1], 16, 1.0) is None
    assert cache.get(names[-1], 16, 1.0) is not None
    assert cache.bytes == sum(store.cost((name, rdtype), entry) for name in names
                              for rdtype, entry in cache.entries_of(name))
    put(cache, bytes(200_000))
    assert (len(cache), cache.bytes) == (0, 0), "what alone is too large is not kept"


def test_flush() -> None:
    cache = Cache(1 << 20)
    for name in ("example.org.", "www.example.org.", "a.www.example.org.", "xexample.org."):
        put(cache, name=wire(name))
    cache.put_failure(wire("www.example.org."), 28, "", 0.0)
    assert sorted(rdtype for rdtype, _ in cache.entries_of(NAME)) == [1, 28]
    assert cache.flush(wire("www.example.org.")) == 2
    assert cache.flush(wire("example.org."), below=True) == 2
    assert len(cache) == 1
    assert cache.flush() == 1
    assert cache.bytes == 0
    for name in ("example.org.", "www.example.org.", "xexample.org.", "other.net.", "a.b.c.d.net."):
        put(cache, name=wire(name))
    assert cache.flush(wire("example.org."), below=True) == 2
    assert [cache.get(wire(name), 1, 1.0) is None for name in ("xexample.org.", "other.net.", "a.b.c.d.net.")] == [
        False, False, False
    ]


def test_what_is_forgotten() -> None:
    """An RRset, and that the whole name does not exist; not the other types of the name."""
    cache = Cache(1 << 20)
    put(cache)
    put(cache, bytes(16), rdtype=28)
    cache.forget(NAME, 1)
    assert cache.get(NAME, 1, 1.0) is None
    assert cache.get(NAME, 28, 1.0) is not None
    deny(cache, store.NXDOMAIN)
    cache.forget(NAME, 15)
    assert cache.get(NAME, 15, 1.0) is None


@pytest.mark.parametrize("kind", ["addresses", "texts", "sets", "negative"])
def test_the_estimate_of_memory_is_near_what_is_taken(kind: str) -> None:
    rng = random.Random(1)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        cache = Cache(1 << 30)
        for number in range(5000):
            name = bytes((10,)) + b"%010d" % number + b"\7example\3org\0"
            if kind == "negative":
                cache.put_negative(name, 1, store.NXDOMAIN, soa_owner=b"\7example\3org" + bytes(1),
                                   soa=(rng.randbytes(60),), ttl_s=60 + number, now_s=float(number))
                continue
            size, count = {"addresses": (4, 1), "texts": (200, 1), "sets": (16, 8)}[kind]
            rdatas = tuple(rng.randbytes(size) for _ in range(count))
            cache.put(name, 1, rdatas, trust=store.ANSWER, ttl_s=60 + number, now_s=float(number))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    taken = after - before
    assert len(cache) == 5000
    assert 0.7 < cache.bytes / taken < 1.3, (cache.bytes, taken)


# -- servers

ONE, TWO, SIX = Address("192.0.2.1"), Address("192.0.2.2"), Address("2001:db8::1")


def first(servers: Servers, now_s: float, *addresses: Address, times: int = 200) -> dict[Address, int]:
    counts = dict.fromkeys(addresses, 0)
    for _ in range(times):
        counts[servers.choose(addresses, b"\0", now_s)[0]] += 1
    return counts


def test_the_fast_are_asked_first_and_the_others_now_and_then() -> None:
    servers = Servers(random.Random(1))
    for _ in range(5):
        servers.answered(ONE, 0.02)
        servers.answered(TWO, 0.2)
    counts = first(servers, 0.0, ONE, TWO, times=1000)
    assert counts[ONE] > 900
    assert counts[TWO] > 10


def test_the_dead_are_left_out_longer_and_longer_until_they_answer() -> None:
    servers = Servers(random.Random(1))
    servers.answered(ONE, 0.5)
    for _ in range(2):
        servers.timed_out(TWO, 0.0)
    assert not servers.is_dead(TWO, 0.0)
    servers.timed_out(TWO, 0.0)
    assert servers.is_dead(TWO, 9.0)
    assert first(servers, 9.0, ONE, TWO)[TWO] == 0
    assert not servers.is_dead(TWO, 11.0)
    servers.timed_out(TWO, 11.0)
    assert servers.is_dead(TWO, 30.0)
    for _ in range(20):
        servers.timed_out(TWO, 31.0)
    assert servers.is_dead(TWO, 330.0)
    assert not servers.is_dead(TWO, 332.0)
    servers.answered(TWO, 0.01)
    assert first(servers, 332.0, ONE, TWO)[TWO] > 150, "what it was while it did not answer is forgotten"


def test_the_unreachable_are_dead_at_once() -> None:
    servers = Servers(random.Random(1))
    servers.timed_out(ONE, 0.0, unreachable=True)
    assert servers.is_dead(ONE, 9.0)
    assert servers.choose([ONE], b"\0", 0.0) == [ONE], "but asked when there is no other"


def test_the_lame_are_so_for_one_zone_and_a_while() -> None:
    servers = Servers(random.Random(1))
    servers.lame(ONE, NAME, 0.0)
    assert servers.is_lame(ONE, NAME, 299.0)
    assert not servers.is_lame(ONE, b"\0", 299.0)
    assert not servers.is_lame(ONE, NAME, 301.0)
    assert servers.choose([ONE, TWO], NAME, 1.0) == [TWO]
    assert servers.choose([ONE], NAME, 1.0) == [ONE]


def test_ipv6_that_does_not_work() -> None:
    servers = Servers(random.Random(1))
    for number in range(3):
        assert servers.ipv6_works(0.0)
        servers.timed_out(Address(f"2001:db8::{number + 1}"), 0.0)
    assert not servers.ipv6_works(299.0)
    assert servers.choose([SIX, ONE], b"\0", 1.0) == [ONE]
    assert servers.choose([SIX], b"\0", 1.0) == [SIX]
    assert servers.ipv6_works(301.0)
    for _ in range(10):
        servers.timed_out(SIX, 400.0)
    assert servers.ipv6_works(401.0), "one dead server says nothing of IPv6"


def test_patience_is_bounded() -> None:
    servers = Servers(random.Random(1))
    assert servers.patience_s(ONE) == pytest.approx(0.225)
    servers.slow(ONE, 0.3)
    assert servers.patience_s(ONE) == pytest.approx(0.225), "not known yet"
    servers.timed_out(ONE, 0.0)
    assert servers.patience_s(ONE) == pytest.approx(0.1), "nobody counts on it"
    for _ in range(10):
        servers.answered(ONE, 0.001)
    assert servers.patience_s(ONE) == pytest.approx(0.03)
    for _ in range(50):
        servers.answered(ONE, 3.0)
    assert servers.patience_s(ONE) == pytest.approx(0.4)
    for _ in range(50):
        servers.answered(TWO, 0.1)
    assert 0.15 <= servers.patience_s(TWO) < 0.2


def test_memory_of_servers_is_bounded() -> None:
    servers = Servers(random.Random(1))
    for number in range(21_000):
        address = Address(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        servers.answered(address, 0.1)
        servers.lame(address, NAME, 0.0)
    assert len(servers) == 20_000


def test_addresses_as_text() -> None:
    assert host_of(b"\1\2\3\4") == "1.2.3.4"
    assert host_of(bytes.fromhex("20010db8000000000000000000000001")) == "2001:db8::1"


def test_a_look_at_a_name_takes_a_step_for_each_kind_and_none_for_each_entry() -> None:
    """However many names there are; what comes and goes leaves nothing behind."""
    cache = Cache(1 << 24)
    for number in range(5000):
        cache.put(wire(f"n{number}.example.org."), 1 + number % 3, (b"\1",), trust=store.ANSWER, ttl_s=60, now_s=0)
    assert len(list(cache.kinds_of(wire("n7.example.org.")))) == 3
    assert [rdtype for rdtype, _ in cache.entries_of(wire("n7.example.org."))] == [2]
    assert sum(1 for _ in cache.flushing(wire("n7.example.org."))) == 3
    cache.flush()
    assert list(cache.kinds_of(NAME)) == []
    assert (len(cache), cache.bytes) == (0, 0)


def test_a_cache_that_is_being_flushed_may_be_used() -> None:
    """Everything is gone with the first step; below a name, what stands somewhere else keeps its order."""
    cache = Cache(1 << 24)
    names = [wire(f"n{number}.{zone}.org.") for number in range(50) for zone in ("a", "b")]
    for name in names:
        cache.put(name, 1, (b"\1",), trust=store.ANSWER, ttl_s=60, now_s=0)
    gone = 0
    for number, removed in enumerate(cache.flushing(wire("a.org."), below=True)):
        gone += removed
        if number == 20:
            cache.put(wire("new.a.org."), 1, (b"\1",), trust=store.ANSWER, ttl_s=60, now_s=0)
            cache.forget(names[40], 1)
    assert gone == 49
    assert [owner for owner, _ in cache._entries if owner.endswith(wire("b.org."))] == names[1::2]
    steps = cache.flushing()
    assert next(steps)
    assert cache.get(names[1], 1, 0) is None
    cache.put(NAME, 1, (b"\1",), trust=store.ANSWER, ttl_s=60, now_s=0)
    assert sum(steps) >= 49
    assert cache.get(NAME, 1, 0) is not None
    assert cache.bytes == sum(store.cost(*each) for each in cache._entries.items())
