"""Events: keys, values, what is refused, and that nothing but BadEvent ever comes out."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdns.dns import name, rdata
from streamdns.errors import BadEvent
from streamdns.events.event import MAX_RECORDS, MAX_VALUE_BYTES, RRsetEvent, decode, decode_key, encode

OWNER = b"\3www\7example\3org\0"
LOOKUP_KEY = name.key(OWNER)


def _record(**fields: Any) -> dict[str, Any]:
    return {"name": "www.example.org.", "type": "A", "content": "192.0.2.7"} | fields


def _decode(*records: Any, key: str = "www.example.org.|A", default_ttl: int = 3600) -> RRsetEvent:
    return decode(key.encode(), json.dumps(records).encode(), default_ttl=default_ttl)


def _of_type(rdtype: str, *contents: str, **fields: Any) -> RRsetEvent:
    records = [_record(type=rdtype, content=content, **fields) for content in contents]
    return _decode(*records, key=f"www.example.org.|{rdtype}")


def test_the_event_of_the_contract() -> None:
    value = b"""[{"name": "www.example.org.", "type": "A", "content": "192.0.2.7", "ttl": 300, "priority": 0,
                  "metadatas": {"createdAt": 1579024540, "producer": "deployd"}}]"""
    assert decode(b"www.example.org.|A", value, default_ttl=3600) == RRsetEvent(
        owner=OWNER,
        rdtype=1,
        ttl=300,
        rdatas=(b"\xc0\0\2\7",),
        metadatas=b'{"createdAt":1579024540,"producer":"deployd"}',
        canonical=True,
        lookup_key=LOOKUP_KEY,
    )


@pytest.mark.parametrize(
    ("key", "owner", "rdtype"),
    [
        ("www.example.org.|A", OWNER, 1),
        ("*.apps.example.org.|CNAME", b"\1*\4apps\7example\3org\0", 5),
        ("_sip._tcp.example.org.|SRV", b"\4_sip\4_tcp\7example\3org\0", 33),
        ("example.org.|TYPE65280", b"\7example\3org\0", 65280),
        (".|NS", b"\0", 2),
        (r"a\.b\032c.|TXT", b"\5a.b c\0", 16),
        (r"\195\169.|NSAP-PTR", b"\2\xc3\xa9\0", 23),
        ("a|b.|A", b"\3a|b\0", 1),
        ("#%&^[]?.org.|A", b"\7#%&^[]?\3org\0", 1),
    ],
)
def test_canonical_keys(key: str, owner: bytes, rdtype: int) -> None:
    assert decode_key(key.encode()) == (owner, rdtype, True)
    assert encode(name.to_text(owner), rdata.type_to_text(rdtype), [])[0] == key.encode()


@pytest.mark.parametrize(
    "key",
    [
        "WWW.Example.org.|A",
        "www.example.org|A",
        "www.example.org.|a",
        "www.example.org.|TYPE1",
        "www.example.org.|type1",
        r"\119ww.example.org.|A",
        r"ww\w.example.org.|A",
        r"\087ww.example.org|A",
    ],
)
def test_other_spellings_of_a_key(key: str) -> None:
    assert decode_key(key.encode()) == (OWNER, 1, False)
    event = _decode(_record(), key=key)
    assert event == _decode(_record())._replace(canonical=False)
    assert _decode(key=key) == RRsetEvent(OWNER, 1, 3600, (), b"", canonical=False, lookup_key=LOOKUP_KEY)


@pytest.mark.parametrize(
    ("key", "part"),
    [
        (None, "no key"),
        (b"", "no '|'"),
        (b"www.example.org.", "no '|'"),
        (b"|A", "no owner"),
        (b"|", "no owner"),
        (b"www.example.org.|", "not a record type"),
        (b"www.example.org.|B", "not a record type"),
        (b"www.example.org.| A", "not a record type"),
        (b"www.example.org.|A|", "not a record type"),
        (b"www.example.org.|TYPE65536", "not a record type"),
        (b"www.example.org.|ANY", "not a type of stored records"),
        (b"www.example.org.|AXFR", "not a type of stored records"),
        (b"www.example.org.|OPT", "not a type of stored records"),
        (b"www.example.org.|TYPE0", "not a type of stored records"),
        (b"www.example.org.|TYPE200", "not a type of stored records"),
        (b"www..org.|A", "empty label"),
        (b"@|A", "absolute"),
        (b" www.org.|A", "space"),
        (b"www.org.\n|A", "space"),
        (b"a" * 64 + b".|A", "longer than 63"),
        (b"a." * 128 + b"|A", "longer than 255"),
        (b"a." * 600_000 + b"|A", "longer than 255"),
        (b"\xff.|A", "not UTF-8"),
    ],
)
def test_bad_keys(key: bytes | None, part: str) -> None:
    value = b"[]"
    with pytest.raises(BadEvent, match=part.replace("|", r"\|")) as caught:
        decode(key, value, default_ttl=1)
    assert caught.value.reason == str(caught.value)
    with pytest.raises(BadEvent):
        decode_key(key)


@pytest.mark.parametrize("value", [None, b"[]", b" [ ] ", b"null", b" null\n"])
def test_deletes(value: bytes | None) -> None:
    assert decode(b"www.example.org.|A", value, default_ttl=60) == RRsetEvent(
        OWNER, 1, 60, (), b"", canonical=True, lookup_key=LOOKUP_KEY
    )


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (b"", "not valid JSON"),
        (b"{}", "not a JSON array"),
        (b'"text"', "not a JSON array"),
        (b"0", "not a JSON array"),
        (b"false", "not a JSON array"),
        (b"[", "not valid JSON"),
        (b"[]]", "not valid JSON"),
        (b"\xef\xbb\xbf[]", "not valid JSON"),
        (b"[NaN]", "not valid JSON"),
        (b'["\xff"]', "not UTF-8"),
        (b'["\\ud800"]', "not valid JSON"),
        (b"[null]", "not a JSON object"),
        (b"[[]]", "not a JSON object"),
        (b'["A"]', "not a JSON object"),
        (b"[" * 1_000_000, "nested deeper|not valid JSON"),
        (b"[" * 500_000 + b"]" * 500_000, "nested deeper"),
        (b" " * MAX_VALUE_BYTES + b"[]", f"more than {MAX_VALUE_BYTES}"),
    ],
)
def test_bad_values(value: bytes, part: str) -> None:
    with pytest.raises(BadEvent, match=part):
        decode(b"www.example.org.|A", value, default_ttl=1)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"name": "example.org."}, "owner of the key"),
        ({"name": "www.example.org.."}, "bad name"),
        ({"name": ""}, "bad name"),
        ({"name": None}, "no name"),
        ({"name": 5}, "name that is not a string"),
        ({"type": "AAAA"}, "type of the key"),
        ({"type": "B"}, "bad type"),
        ({"type": None}, "no type"),
        ({"type": 1}, "type that is not a string"),
        ({"content": "192.0.2"}, "A content"),
        ({"content": "192.0.2.1\n192.0.2.2"}, "one line"),
        ({"content": None}, "no content"),
        ({"content": ["192.0.2.7"]}, "content that is not a string"),
        ({"ttl": -1}, "ttl that is not an integer from 0 to 2147483647: '-1'"),
        ({"ttl": 2147483648}, "ttl that is not an integer"),
        ({"ttl": 10**30}, "ttl that is not an integer"),
        ({"ttl": 300.0}, "ttl that is not an integer.*300.0"),
        ({"ttl": "300"}, "ttl that is not an integer.*: '300'"),
        ({"ttl": True}, "ttl that is not an integer.*True"),
        ({"TTL": []}, "ttl that is not an integer.*list"),
        ({"priority": "10"}, "priority that is not an integer"),
        ({"priority": False}, "priority that is not an integer"),
        ({"priority": 1.5}, "priority that is not an integer"),
        ({"metadatas": []}, "metadatas that is not an object"),
        ({"metadatas": "deployd"}, "metadatas that is not an object"),
        ({"metadatas": {"createdAt": "now"}}, "metadatas.createdAt that is not an integer"),
        ({"metadatas": {"CREATEDAT": True}}, "metadatas.createdAt that is not an integer"),
        ({"metadatas": {"producer": 5}}, "metadatas.producer that is not a string"),
        ({"metadatas": {"producer": "a", "Producer": "b"}}, "metadatas.producer twice"),
        ({"Ttl": 5, "ttl": 6}, "field ttl twice"),
    ],
)
def test_bad_fields_are_named(fields: dict[str, Any], part: str) -> None:
    with pytest.raises(BadEvent, match=part) as caught:
        _decode(_record(content="192.0.2.1"), _record(**fields))
    assert len(caught.value.reason) < 500
    assert "\n" not in caught.value.reason


@pytest.mark.parametrize("field", ["name", "type", "content"])
def test_missing_fields_are_named(field: str) -> None:
    record = _record()
    del record[field]
    with pytest.raises(BadEvent, match=f"no {field}"):
        _decode(record)


def test_name_and_type_are_compared_as_names_and_types() -> None:
    for fields in ({"name": "WWW.example.org"}, {"name": r"\119ww.example.org."}, {"type": "a"}, {"type": "TYPE1"}):
        assert _decode(_record(**fields)) == _decode(_record())


@pytest.mark.parametrize(
    "spell", [str.capitalize, str.upper, str.swapcase, lambda field: field[:-1] + field[-1].upper()]
)
def test_field_names_in_any_case(spell: Any) -> None:
    metadatas = {"createdAt": 5, "producer": "go"}
    record = _record(ttl=7, metadatas=metadatas)
    other = {spell(field): content for field, content in record.items()}
    other[spell("metadatas")] = {spell(member): content for member, content in metadatas.items()}
    assert _decode(other) == _decode(record)
    assert _decode(other).metadatas == b'{"createdAt":5,"producer":"go"}'


def test_unknown_fields_are_ignored() -> None:
    unknown = {"id": 5, "Comment": None, "list": [1, [2, {"a": "b"}]], "name2": True}
    assert _decode(_record(**unknown)) == _decode(_record())


@pytest.mark.parametrize(
    ("ttls", "ttl"),
    [
        ([300], 300),
        ([None], 3600),
        ([], 3600),
        ([0], 0),
        ([2147483647], 2147483647),
        ([300, 60, 900], 60),
        ([7200, None], 3600),
    ],
)
def test_the_lowest_ttl_counts(ttls: list[int | None], ttl: int) -> None:
    records = [_record(content=f"192.0.2.{at}", ttl=each) for at, each in enumerate(ttls)]
    assert _decode(*(records or [_record()])).ttl == ttl


def test_order_is_kept_and_exact_duplicates_are_removed() -> None:
    event = _of_type("A", "192.0.2.9", "192.0.2.1", " 192.0.2.9", "192.0.2.5")
    assert event.rdatas == (b"\xc0\0\2\x09", b"\xc0\0\2\1", b"\xc0\0\2\5")
    assert _of_type("CNAME", "a.", "a").rdatas == (b"\1a\0",)


@pytest.mark.parametrize(
    ("rdtype", "content", "priority", "expected"),
    [
        ("MX", "mail.example.org.", 10, "10 mail.example.org."),
        ("MX", "mail.example.org", 0, "0 mail.example.org."),
        ("MX", "mail.example.org.", None, "0 mail.example.org."),
        ("MX", "5 mail.example.org.", 0, "5 mail.example.org."),
        ("MX", "5 mail.example.org.", 10, "5 mail.example.org."),
        ("MX", " 5\tmail.example.org. ", 70000, "5 mail.example.org."),
        ("MX", ".", 0, "0 ."),
        ("MX", r"a\ b.org.", 7, r"7 a\032b.org."),
        ("MX", "a\u00a0b.org.", 7, r"7 a\194\160b.org."),
        ("MX", "7 a\u00a0b.org.", 0, r"7 a\194\160b.org."),
        ("MX", r"\# 5 0001016100", 9, "1 a."),
        ("SRV", "5 5060 sip.example.org.", 1, "1 5 5060 sip.example.org."),
        ("SRV", "5 5060 sip.example.org.", None, "0 5 5060 sip.example.org."),
        ("SRV", "2 5 5060 sip.example.org.", 1, "2 5 5060 sip.example.org."),
        ("SRV", "5 5060 sip\u2003a.org.", 1, r"1 5 5060 sip\226\128\131a.org."),
        ("SRV", r"\# 9 000100020003016100", 9, "1 2 3 a."),
        ("SRV", r" \# 9 000100020003016100", 9, "1 2 3 a."),
        ("KX", "5 mail.example.org.", 10, "5 mail.example.org."),
        ("A", "192.0.2.7", -5, "192.0.2.7"),
    ],
)
def test_priority(rdtype: str, content: str, priority: int | None, expected: str) -> None:
    wire = rdata.from_text(rdata.type_from_text(rdtype), expected)
    assert _of_type(rdtype, content, priority=priority).rdatas == (wire,)
    if priority is None:
        assert _of_type(rdtype, content).rdatas == (wire,)


@pytest.mark.parametrize(
    ("rdtype", "content", "priority"),
    [
        ("MX", "mail.example.org.", 65536),
        ("MX", "mail.example.org.", -1),
        ("SRV", "1 2 a.", 10**40),
        ("SRV", "2 a.", 1),
    ],
)
def test_bad_priority(rdtype: str, content: str, priority: int) -> None:
    with pytest.raises(BadEvent):
        _of_type(rdtype, content, priority=priority)


@pytest.mark.parametrize("field", ["metadatas", "unknown"])
def test_nesting_has_one_limit_on_every_machine(field: str) -> None:
    def nested(depth: int) -> dict[str, Any]:
        return {"a": json.loads("[" * depth + "]" * depth)}

    assert _decode(_record(**{field: nested(20)})).rdatas
    for depth in (33, 100):
        with pytest.raises(BadEvent, match="nested deeper"):
            _decode(_record(**{field: nested(depth)}))


def test_number_of_records_is_limited() -> None:
    # Duplicates count too; as many different records would be too long.
    assert len(_of_type("A", *["192.0.2.7"] * MAX_RECORDS).rdatas) == 1
    for unknown in ({}, {"Unknown": 1}):
        with pytest.raises(BadEvent, match="4097 records, more than 4096"):
            _of_type("A", *["192.0.2.7"] * (MAX_RECORDS + 1), **unknown)


def test_size_of_an_rrset_is_limited() -> None:
    # 12 octets of each record stand before its RDATA.
    assert len(_of_type("TYPE65280", f"\\# 64988 {'00' * 64988}").rdatas[0]) == 64988
    with pytest.raises(BadEvent, match="longer than 65000 octets"):
        _of_type("TYPE65280", f"\\# 64989 {'00' * 64989}")
    with pytest.raises(BadEvent, match="longer than 65000 octets"):
        _of_type("TXT", *[f"{at:03d}{'x' * 240}" for at in range(256)])
    assert len(_of_type("TXT", *(["x" * 240] * 300)).rdatas) == 1


@pytest.mark.parametrize(
    ("rdtype", "first", "second"),
    [("CNAME", "a.", "b."), ("DNAME", "a.", "b."), ("SOA", "a. b. 1 2 3 4 5", "a. b. 2 2 3 4 5")],
)
def test_types_of_one_record(rdtype: str, first: str, second: str) -> None:
    assert len(_of_type(rdtype, first, first).rdatas) == 1
    with pytest.raises(BadEvent, match=f"2 {rdtype} records"):
        _of_type(rdtype, first, second)


def test_one_bad_record_rejects_the_whole_event() -> None:
    with pytest.raises(BadEvent):
        _of_type("A", "192.0.2.1", "192.0.2.2", "nonsense")


def test_encode_is_what_decode_reads() -> None:
    key, value = encode(
        "WWW.example.org", "a", [{"content": "192.0.2.7", "ttl": 5}, {"content": "192.0.2.8", "ttl": 5}]
    )
    assert key == b"www.example.org.|A"
    assert json.loads(value)[0] == {"name": "www.example.org.", "type": "A", "content": "192.0.2.7", "ttl": 5}
    assert decode(key, value, default_ttl=1) == RRsetEvent(
        OWNER, 1, 5, (b"\xc0\0\2\7", b"\xc0\0\2\x08"), b"", canonical=True, lookup_key=LOOKUP_KEY
    )
    assert encode("www.example.org", "A", []) == (b"www.example.org.|A", b"[]")


@pytest.mark.parametrize(("owner", "rdtype"), [("", "A"), ("a..b", "A"), ("a.", "B"), ("a.", "ANY"), ("a.", "OPT")])
def test_encode_refuses_what_is_no_key(owner: str, rdtype: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode(owner, rdtype, [])


def _decode_or_none(key: bytes | None, value: bytes | None) -> RRsetEvent | None:
    try:
        event = decode(key, value, default_ttl=3600)
    except BadEvent as err:
        reason = err.reason
    else:
        assert decode_key(key) == (event.owner, event.rdtype, event.canonical)
        return event
    assert reason
    assert "\n" not in reason
    assert len(reason) < 900
    return None


KEYS = [b"www.example.org.|A", b"x.|MX", b"x.|TXT", b"x.|TYPE65280", b"x.|SVCB"]


@given(st.none() | st.binary(max_size=80) | st.sampled_from(KEYS), st.none() | st.binary(max_size=200))
def test_any_octets_are_an_event_or_a_bad_event(key: bytes | None, value: bytes | None) -> None:
    _decode_or_none(key, value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
field_names = st.sampled_from(
    ["name", "type", "content", "ttl", "priority", "metadatas", "Name", "TTL", "x", "createdAt"]
)
near_records = st.fixed_dictionaries(
    {"name": st.sampled_from(["x.", "X", "y.", ""]), "type": st.sampled_from(["A", "MX", "TXT", "TYPE65280", "SVCB"])}
    | {"content": st.sampled_from(["192.0.2.1", "a.", "1 a.", r"\# 1 00", "1 . alpn=h2"]) | st.text(max_size=20)},
    optional=dict.fromkeys(("ttl", "priority", "metadatas", "Ttl", "unknown"), json_values),
)


@settings(max_examples=400)
@given(
    st.sampled_from(KEYS), st.lists(near_records | st.dictionaries(field_names, json_values) | json_values, max_size=3)
)
def test_any_json_is_an_event_or_a_bad_event(key: bytes, records: list[Any]) -> None:
    _decode_or_none(key, msgspec.json.encode(records))


@settings(max_examples=300)
@given(st.data())
def test_mutated_events_are_events_or_bad_events(data: st.DataObject) -> None:
    key, value = encode("x", "MX", [{"content": "a.", "priority": 5, "ttl": 9, "metadatas": {"producer": "p"}}] * 2)
    mutated = bytearray(key + value)
    for at, octet in data.draw(st.lists(st.tuples(st.integers(0, len(mutated) - 1), st.integers(0, 255)), max_size=4)):
        mutated[at] = octet
    _decode_or_none(bytes(mutated[: len(key)]), bytes(mutated[len(key) :]))


@given(st.lists(near_records, min_size=1, max_size=3), st.sampled_from([str.upper, str.capitalize]))
def test_both_ways_of_decoding_agree(records: list[dict[str, Any]], spell: Any) -> None:
    """Exact field names are decoded by a compiled schema, others field by field: the result is the same."""
    known = [{field: content for field, content in record.items() if field.islower()} for record in records]
    other = [{spell(field): content for field, content in record.items()} for record in known]
    for key in KEYS[1:]:
        assert _decode_or_none(key, msgspec.json.encode(known)) == _decode_or_none(key, msgspec.json.encode(other))
