"""Events at their limits: what just passes, what just does not, and under which kind that is counted."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest

from streamdns.errors import BadEvent
from streamdns.events import event
from streamdns.events.batch import Batch, Record
from streamdns.events.event import MAX_VALUE_BYTES, RRsetEvent, decode, encode
from streamdns.events.order import Ordering
from streamdns.events.rrset import MAX_RECORDS, MAX_RRSET_OCTETS, Gathered, octets_sent

MOST = 0x7FFFFFFF
OWNER = b"\1a\0"


def decoded(*records: dict[str, Any], key: str = "a.|A") -> RRsetEvent:
    owner, _, rdtype = key.partition("|")
    filled = [{"name": owner, "type": rdtype, "content": "192.0.2.1"} | record for record in records]
    return decode(key.encode(), json.dumps(filled).encode(), default_ttl=77)


def refused(*records: dict[str, Any], key: str = "a.|A") -> tuple[str, str]:
    with pytest.raises(BadEvent) as caught:
        decoded(*records, key=key)
    return caught.value.kind, caught.value.reason


# With a field that nobody knows an event is read in another way, which has to say the same.
@pytest.mark.parametrize("more", [{}, {"x": 1}, {"CONTENT": "192.0.2.1"}])
@pytest.mark.parametrize(("ttl", "taken"), [(0, 0), (1, 1), (MOST, MOST), (None, 77)])
def test_ttls_at_their_limits(more: dict[str, Any], ttl: int | None, taken: int) -> None:
    record = {"ttl": ttl} | more
    if "CONTENT" in more:
        record = {"name": "a.", "type": "A", "ttl": ttl} | more
        assert decode(b"a.|A", json.dumps([record]).encode(), default_ttl=77).ttl == taken
    else:
        assert decoded(record).ttl == taken
        assert decoded(record, record | {"content": "192.0.2.2"}).ttl == taken
        assert decoded(record, {"ttl": MOST, "content": "192.0.2.2"}).ttl == taken


@pytest.mark.parametrize("more", [{}, {"x": 1}])
@pytest.mark.parametrize("ttl", [-1, MOST + 1, 1 << 40])
def test_ttls_beyond_their_limits(more: dict[str, Any], ttl: int) -> None:
    said = ("field", f"a record has a ttl that is not an integer from 0 to {MOST}: '{ttl}'")
    assert refused({"ttl": ttl} | more) == said
    assert refused({}, {"ttl": ttl, "content": "192.0.2.2"} | more) == said


@pytest.mark.parametrize("more", [{}, {"x": 1}])
@pytest.mark.parametrize(
    ("priority", "wire"),
    [({}, b"\0\0"), ({"priority": None}, b"\0\0"), ({"priority": 0}, b"\0\0"), ({"priority": 258}, b"\1\2"),
     ({"priority": 65535}, b"\xff\xff")],
)
def test_priorities_at_their_limits(more: dict[str, Any], priority: dict[str, Any], wire: bytes) -> None:
    """Of MX and SRV, where the content has none of its own; of others it is nothing."""
    assert decoded({"content": "b."} | priority | more, key="a.|MX").rdatas == (wire + b"\1b\0",)
    assert decoded({"content": "1 2 b."} | priority | more, key="a.|SRV").rdatas == (wire + b"\0\1\0\2\1b\0",)
    assert decoded({"content": "7 b."} | priority | more, key="a.|MX").rdatas == (b"\0\7\1b\0",)
    assert decoded(priority | more).rdatas == (b"\xc0\0\2\1",)


@pytest.mark.parametrize("priority", [-1, 65536])
def test_priorities_beyond_their_limits(priority: int) -> None:
    said = f"a record has a priority that is not an integer from 0 to 65535: '{priority}'"
    assert refused({"content": "b.", "priority": priority}, key="a.|MX") == ("field", said)


@pytest.mark.parametrize(
    ("records", "key", "kind", "reason"),
    [
        ([{"content": "x"}], "a.|A", "content", "A content 'x' is not valid: an IPv4 address is expected"),
        ([{"content": "b."}, {"content": "c."}], "a.|CNAME", "content", "2 CNAME records where only one may be"),
        ([{}], "a..|A", "key", "the key is not valid: "),
        ([{"name": "b."}], "a.|A", "field", "a record has the name 'b.', which is not the owner of the key"),
        ([{"type": "AAAA"}], "a.|A", "field", "a record has the type 'AAAA', which is not the type of the key"),
        ([{"name": 1}], "a.|A", "field", "a record has a name that is not a string: '1'"),
        ([{"ttl": "5"}], "a.|A", "field", f"a record has a ttl that is not an integer from 0 to {MOST}: '5'"),
        ([{"ttl": True}], "a.|A", "field", f"a record has a ttl that is not an integer from 0 to {MOST}: 'True'"),
        ([{"priority": "5"}], "a.|A", "field", "a record has a priority that is not an integer from 0 to 65535: '5'"),
        ([{"content": None}], "a.|A", "field", "a record has no content, which must be a string"),
        ([{"metadatas": {"createdAt": "now"}}], "a.|A", "field",
         "a record has a metadatas.createdAt that is not an integer, UNIX seconds: 'now'"),
    ],
)
def test_kinds_and_reasons(records: Sequence[dict[str, Any]], key: str, kind: str, reason: str) -> None:
    got_kind, got = refused(*records, key=key)
    assert got_kind == kind
    assert got == reason or (reason.endswith(": ") and got.startswith(reason))


def test_as_many_records_as_there_may_be() -> None:
    gathered = Gathered(OWNER, 65280)
    for number in range(MAX_RECORDS):
        gathered.add(5, number.to_bytes(2, "big"))
    assert len(gathered.rrset()) == MAX_RECORDS
    gathered.add(5, b"\xff\xff")
    with pytest.raises(BadEvent) as caught:
        gathered.rrset()
    assert (caught.value.kind, caught.value.reason) == (
        "size", f"the RRset has {MAX_RECORDS + 1} records, more than {MAX_RECORDS}",
    )


@pytest.mark.parametrize("rdtype", [65280, 16])
def test_as_many_octets_as_there_may_be(rdtype: int) -> None:
    """Twelve of each record are its owner as a pointer, type, class, TTL and length."""
    sizes = [60_000, MAX_RRSET_OCTETS - 60_000 - 2 * 12]
    for more, fits in ((0, True), (1, False)):
        gathered = Gathered(OWNER, rdtype)
        for number, size in enumerate(sizes):
            gathered.add(5, bytes((number,)) * (size + more * number))
        if fits:
            assert sum(map(len, gathered.rrset())) == sum(sizes)
            continue
        with pytest.raises(BadEvent) as caught:
            gathered.rrset()
        assert (caught.value.kind, caught.value.reason) == (
            "size", f"the RRset is longer than {MAX_RRSET_OCTETS} octets in wire form",
        )


def test_the_size_of_compressed_names_is_what_is_sent() -> None:
    """Behind a question of the owner; what fits no message counts as more than may be."""
    one = (b"\0\1\4mail\1a\0",)
    assert octets_sent(OWNER, 15, one) == 12 + 2 + 5 + 2
    assert octets_sent(OWNER, 15, (*one, b"\0\2\4mail\1a\0")) == 2 * 12 + 2 + 5 + 2 + 2 + 2
    assert octets_sent(OWNER, 65280, (bytes(9),)) == 12 + 9
    many = tuple(b"\0\1\x3f" + b"%063d" % number + b"\0" for number in range(1000))
    assert octets_sent(OWNER, 15, many) > MAX_RRSET_OCTETS


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_as_many_octets_with_their_names_compressed_as_there_may_be(more: int, fits: bool) -> None:
    def mail(label: bytes) -> bytes:
        return b"\0\1" + bytes((len(label),)) + label + b"\x0bexample-org\1a\0"

    gathered = Gathered(OWNER, 15)
    # Each but the first takes 17 octets beside its label: its head, the preference, and a pointer to the rest.
    left = MAX_RRSET_OCTETS - octets_sent(OWNER, 15, (mail(b"first"),))
    many, rest = divmod(left - 18, 47)
    wires = [mail(b"first"), *(mail(b"%030d" % number) for number in range(many)), mail(b"x" * (rest + 1 + more))]
    assert octets_sent(OWNER, 15, tuple(wires)) == MAX_RRSET_OCTETS + more
    for each in wires:
        gathered.add(5, each)
    if fits:
        assert len(gathered.rrset()) == len(wires)
        return
    with pytest.raises(BadEvent, match="longer than 65000 octets"):
        gathered.rrset()


def test_a_value_of_the_largest_size() -> None:
    value = json.dumps([{"name": "a.", "type": "TXT", "content": "x", "pad": ""}]).encode()
    whole = value.replace(b'"pad": ""', b'"pad": "%s"' % (b"p" * (MAX_VALUE_BYTES - len(value))))
    assert len(whole) == MAX_VALUE_BYTES
    assert decode(b"a.|TXT", whole, default_ttl=1).rdatas == (b"\1x",)
    with pytest.raises(BadEvent) as caught:
        decode(b"a.|TXT", whole + b" ", default_ttl=1)
    assert (caught.value.kind, caught.value.reason) == (
        "size", f"the value has {MAX_VALUE_BYTES + 1} bytes, more than {MAX_VALUE_BYTES}",
    )


@pytest.mark.parametrize(("rdtype", "said"), [("ANY", "ANY"), ("OPT", "OPT"), ("TYPE0", "TYPE0")])
def test_events_of_types_that_are_not_stored_are_not_made(rdtype: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said} is not a type of stored records$"):
        encode("a.", rdtype, [])


def test_what_was_passed_by_counts_as_read() -> None:
    """An event that waits for what was in another partition when it came goes on when that was applied elsewhere."""
    ends = {("t", 0): 1, ("t", 1): 5}
    ordering = Ordering({}, lambda: ends)
    delete = Record("t", 0, 0, 1, b"a.|A", None)
    (waits,) = ordering.feed(Batch([delete], {("t", 0): 1}, True, 0.0), now_s=0.0, most=9)
    assert (waits.records, ordering.held, waits.caught_up) == ([], 1, False)
    ordering.pass_by(Batch([], {("t", 1): 5}, True, 0.0))
    (goes,) = ordering.feed(Batch([], {}, True, 7.5), now_s=0.1, most=9)
    assert (goes.records, ordering.held, goes.caught_up, goes.whole_s) == ([delete], 0, True, 7.5)
    assert goes.positions == {("t", 0): 1}


def test_all_that_waits_comes_at_once_at_the_end() -> None:
    """In the order of time, then what points elsewhere, deletes, SOAs; nobody is caught up then."""
    ordering = Ordering({}, lambda: {("t", number): 9 for number in range(4)})
    records = [
        Record("t", 0, 0, 5, b"a.|SOA", b"[1]"), Record("t", 1, 0, 5, b"a.|A", None),
        Record("t", 2, 0, 5, b"a.|CNAME", b"[1]"), Record("t", 3, 0, 4, b"b.|SOA", b"[1]"),
    ]
    fed = [
        record.key
        for number, each in enumerate(records)
        for batch in ordering.feed(Batch([each], {("t", number): 1}, False, None), now_s=0.0, most=9)
        for record in batch.records
    ]
    # Once each partition waits for the others the first of them goes.
    assert (fed, ordering.held) == ([b"b.|SOA"], 3)
    drained = ordering.drain()
    assert [record.key for record in drained.records] == [b"a.|CNAME", b"a.|A", b"a.|SOA"]
    assert drained.positions == {("t", number): 1 for number in range(3)}
    assert (drained.caught_up, drained.whole_s, ordering.held, ordering.drain().records) == (False, None, 0, [])
    assert ordering.drain().caught_up is False


def test_the_fast_way_and_the_other_one_are_both_taken() -> None:
    """The tests above would say nothing of it otherwise."""
    assert event._PLAIN.keys() >= {1, 28, 5, 16}


@pytest.mark.parametrize("records", [
    [{"x": 1}], [{"NAME": "a.", "name": None}], [], [{"x": [[["deep"]]]}, {"TTL": 3, "ttl": None}], [{"name": "b."}],
    [{"Ttl": MOST + 1}], [{"x": 1}] * 70, [*[{"x": 1}] * 70, {"content": 7}], [{"x": 1}, {"content": 7}],
])
def test_a_large_value_is_judged_as_a_small_one(records: list[dict[str, Any]]) -> None:
    """Its first records are looked at before all of it is; what that says, and about which record, is the same."""
    filled = [{"name": "a.", "type": "A", "content": f"192.0.2.{number}"} | each for number, each in enumerate(records)]
    small = json.dumps(filled).encode()
    large = small + b" " * 70_000
    said = []
    for value in (small, large):
        try:
            said.append(repr(decode(b"a.|A", value, default_ttl=77)))
        except BadEvent as error:
            said.append(f"{error.kind}: {error.reason}")
    assert said[0] == said[1]


@pytest.mark.parametrize("value", [
    b"[" + b"{}," * 300_000 + b"{}]", b"[" + b"[]," * 300_000 + b"[]]", b"[" + b"null," * 150_000 + b"1]",
    b'[{"name":"a.","type":"A","content":"192.0.2.1","x":1},' + b"{}," * 300_000 + b"{}]",
])
def test_no_objects_are_made_of_what_is_refused_for_its_first_records(value: bytes) -> None:
    """300,000 of them would keep all threads waiting for 13 ms and more, and take 20 MB."""
    tracemalloc.start()
    try:
        with pytest.raises(BadEvent):
            decode(b"a.|A", value, default_ttl=77)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("value", [
    b'[{"name":"a.","type":"A","content":"192.0.2.1","x":"\xff"}]', b'[{"x":1e400}]', b'[{"x":"\\q"}]', b"[{]", b"{}",
    b'[{"x":1},', b"null", b"1", b'["x"] y',
])
def test_a_large_value_that_is_no_json_is_refused_as_a_small_one(value: bytes) -> None:
    kinds = []
    for each in (value, value + b" " * 70_000):
        try:
            kinds.append(repr(decode(b"a.|A", each, default_ttl=77)))
        except BadEvent as error:
            kinds.append(error.kind)
    assert kinds[0] == kinds[1]
