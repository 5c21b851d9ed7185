"""Entries of the resolver's cache: how long they are kept, to the second, and what they are counted for."""

from __future__ import annotations

from typing import Any

import pytest

from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution.cache import Cache, Entry, cost
from streamdns.resolver.resolution.message import RRset
from tests.harness.hierarchy import wire
from tests.unit.resolver.test_cache import NAME, deny, put

SIGNED = RRset(b"\1n\0", 47, 60, (b"12345", b"678"), (b"signed",))


@pytest.mark.parametrize(
    ("owner", "more", "grows_by"),
    [
        (b"\3abc\0", {}, 4),
        (b"\0", {"soa_owner": b"\3org\0"}, 5),
        (b"\0", {"detail": "why it is so"}, 12),
        (b"\0", {"records": (b"1234",)}, 4),
        (b"\0", {"signatures": (b"12345678",)}, 8),
        (b"\0", {"records": (b"1234", b"1"), "signatures": (b"123", b"12")}, 10),
        (b"\0", {"proof": (SIGNED,)}, 3 + 5 + 3 + 6),
        (b"\0", {"proof": (SIGNED, SIGNED)}, 2 * (3 + 5 + 3 + 6)),
    ],
)
def test_every_octet_that_is_kept_is_counted(owner: bytes, more: dict[str, Any], grows_by: int) -> None:
    """Beside what Python takes for each object: as much for a record as for a signature, more for an RRset."""
    fields: dict[str, Any] = {"kind": 1, "trust": 5, "records": (), "signatures": (), "ttl_s": 1, "until_s": 1.0}
    empty = cost((b"\0", 1), Entry(**fields))
    longer = cost((owner, 1), Entry(**fields | more))
    beside = longer - empty - grows_by
    pieces = len(more.get("records", ())) + len(more.get("signatures", ()))
    if "proof" in more:
        one = cost((b"\0", 1), Entry(**fields | {"proof": (SIGNED,)})) - empty - (3 + 5 + 3 + 6)
        assert beside == one * len(more["proof"])
        assert one > 3 * _piece(fields, empty)
    else:
        assert beside == pieces * _piece(fields, empty)
    assert empty > 300


def _piece(fields: dict[str, Any], empty: int) -> int:
    """What one more record takes beside its octets: an object of Python, which is at least 33."""
    piece = cost((b"\0", 1), Entry(**fields | {"records": (b"",)})) - empty
    assert piece > 33
    return piece


@pytest.mark.parametrize("kind", [store.NODATA, store.NXDOMAIN])
@pytest.mark.parametrize("ttl_s", [-1, 0, 1, 2, 3600, 3601])
def test_how_long_a_denial_is_kept(kind: int, ttl_s: int) -> None:
    """RFC 2308 §5, an hour at the most; a TTL of 0 is not kept, and takes away what was there."""
    cache = Cache(1 << 20)
    deny(cache, kind, ttl_s=100)
    deny(cache, kind, ttl_s=ttl_s, now_s=10.0)
    found = cache.get(NAME, 1, 10.0)
    if ttl_s <= 0:
        assert found is None
        assert cache.bytes == 0
        return
    assert found is not None
    kept_s = min(ttl_s, 3600)
    assert (found.kind, found.ttl_s, found.until_s, found.left_s(10.0)) == (kind, kept_s, 10.0 + kept_s, kept_s)
    assert (found.soa_owner, found.trust, found.do) == (wire("org."), store.ANSWER, False)
    assert cache.get(NAME, 1, 10.0 + kept_s) is None


@pytest.mark.parametrize("ttl_s", [-1, 0, 1, 86_400, 86_401])
def test_how_long_records_and_cuts_are_kept(ttl_s: int) -> None:
    """A day at the most; a TTL of 0 is not kept."""
    cache = Cache(1 << 20)
    cut = RRset(wire("example.org."), 2, ttl_s, (wire("ns."),), ())
    cache.put_delegation(cut, zone=wire("org."), now_s=5.0)
    put(cache, ttl_s=ttl_s, now_s=5.0)
    below, entry = cache.delegation(NAME, 5.0), cache.get(NAME, 1, 5.0)
    if ttl_s <= 0:
        assert (below, entry, cache.bytes) == (None, None, 0)
        return
    assert below is not None
    assert entry is not None
    kept_s = min(ttl_s, 86_400)
    assert below[0] == wire("example.org.")
    assert (below[1].ttl_s, below[1].until_s, below[1].trust, below[1].zone) == (
        kept_s, 5.0 + kept_s, store.GLUE_AUTHORITY, wire("org."),
    )
    assert (entry.ttl_s, entry.until_s, entry.do, entry.signatures, entry.zone) == (
        kept_s, 5.0 + kept_s, False, (), b"\0",
    )
    assert cache.delegation(NAME, 5.0 + kept_s) is None
    cache.forget_delegation(wire("example.org."))
    cache.forget(NAME, 1)
    assert (cache.bytes, len(cache)) == (0, 0)


def test_an_answer_ends_the_failure_of_its_type_alone() -> None:
    """And so does a denial; what only glue says does not."""
    for trust, stays in ((store.ANSWER, False), (store.ANSWER_NOT_AUTHORITATIVE, False), (store.ADDITIONAL, True)):
        cache = Cache(1 << 20)
        cache.put_failure(NAME, 1, "silent", 0.0)
        cache.put_failure(NAME, 28, "silent", 0.0)
        put(cache, trust=trust)
        kinds = sorted((rdtype, entry.kind) for rdtype, entry in cache.entries_of(NAME))
        assert kinds == [(1, store.POSITIVE), *([(1, store.FAILURE)] if stays else []), (28, store.FAILURE)]
    cache = Cache(1 << 20)
    cache.put_failure(NAME, 1, "silent", 0.0)
    deny(cache, store.NODATA)
    assert [(rdtype, entry.kind) for rdtype, entry in cache.entries_of(NAME)] == [(1, store.NODATA)]


def test_what_proves_a_denial_is_counted_to_the_octet() -> None:
    """The owners of what is signed, its records and its signatures: each octet more is one more."""
    def of(**more: Any) -> int:
        rrset = SIGNED._replace(**more)
        return cost((b"\0", 1), Entry(kind=2, trust=5, records=(), signatures=(), ttl_s=1, until_s=1.0, proof=(rrset,)))

    usual = of()
    assert of(owner=b"\3abc\0") == usual + 2
    assert of(rdatas=(b"12345", b"678 and 8")) == usual + 6
    assert of(signatures=(b"signed twice",)) == usual + 6
    piece = of(rdatas=(b"12345", b"678", b"")) - usual
    assert piece > 33
    assert of(signatures=(b"signed", b"")) - usual == piece


def test_what_is_put_in_anew_takes_the_place_of_what_was() -> None:
    cache = Cache(1 << 20)
    put(cache)
    before = cache.bytes
    put(cache)
    assert (len(cache), cache.bytes) == (1, before)
    assert [kind for kind, _ in cache.kinds_of(NAME)] == [1]
    cache.put_failure(NAME, 1, "silent", 0.0)
    cache.forget(NAME, 1)
    assert [(kind, entry is None) for kind, entry in cache.kinds_of(NAME)] == [(1, False)], "the failure alone"
    cache.put(wire("other."), 28, (bytes(16),), trust=store.ANSWER, ttl_s=60, now_s=0.0)
    assert [cache.flush(NAME), cache.flush(NAME), cache.flush(wire("other."))] == [1, 0, 1]
    assert (list(cache.kinds_of(NAME)), cache.bytes) == ([], 0)


def test_the_bound_may_be_reached_and_what_had_to_go_is_counted() -> None:
    cache = Cache(1 << 20)
    put(cache)
    one = cache.bytes
    cache = Cache(3 * one)
    for number in range(5):
        cache.put(NAME[:-1] + b"\1%d\0" % number, 1, (b"\1\2\3\4",), trust=store.ANSWER, ttl_s=60, now_s=0.0)
    longer = cache.bytes // len(cache)
    exact = Cache(3 * longer)
    for number in range(5):
        exact.put(NAME[:-1] + b"\1%d\0" % number, 1, (b"\1\2\3\4",), trust=store.ANSWER, ttl_s=60, now_s=0.0)
    assert (len(exact), exact.bytes, exact.evicted) == (3, 3 * longer, 2)


def test_what_ended_is_there_for_a_day_and_not_a_moment_longer() -> None:
    for later_s, kept in ((store.MAX_STALE_S - 1.0, 1), (float(store.MAX_STALE_S), 0)):
        cache = Cache(1 << 20)
        put(cache, ttl_s=60, now_s=0.0)
        assert cache.get(NAME, 1, 60.0 + later_s) is None
        assert len(cache) == kept, later_s
    cache = Cache(1 << 20)
    cache.put_failure(NAME, 1, "silent", 0.0)
    assert cache.get(NAME, 1, store.FAILURE_TTL_S) is None
    assert len(cache) == 0, "a failure that is over is of no use"


def test_how_stale_it_may_be_is_for_the_caller_to_say() -> None:
    cache = Cache(1 << 20)
    put(cache, ttl_s=60, now_s=0.0)
    assert cache.get(NAME, 1, 75.0, stale_s=20.0) is not None
    assert cache.get(NAME, 1, 85.0, stale_s=20.0) is None


def test_what_is_trusted_less_waits_for_the_very_end() -> None:
    cache = Cache(1 << 20)
    put(cache, trust=store.ANSWER, ttl_s=60, now_s=0.0)
    for now_s, trust in ((59.0, store.ANSWER), (60.0, store.ADDITIONAL)):
        put(cache, trust=store.ADDITIONAL, ttl_s=60, now_s=now_s)
        found = cache.get(NAME, 1, 60.0) if now_s == 60.0 else cache.get(NAME, 1, 59.0)
        assert found is not None
        assert found.trust == trust


def test_a_cut_is_a_good_entry() -> None:
    cache = Cache(1 << 20)
    cache.put_delegation(RRset(wire("example.org."), 2, 60, (wire("ns."),), ()), zone=wire("org."), now_s=5.0)
    assert [entry.kind for _, entry in cache.entries_of(wire("example.org."))] == [store.POSITIVE]


def test_a_flush_ends_where_the_cache_was_emptied_meanwhile() -> None:
    cache = Cache(1 << 20)
    for number in range(3):
        cache.put(wire(f"n{number}.example.org."), 1, (b"\1\2\3\4",), trust=store.ANSWER, ttl_s=60, now_s=0.0)
    steps = cache.flushing(wire("org."), below=True)
    assert next(steps)
    cache.flush()
    assert list(steps) == []
