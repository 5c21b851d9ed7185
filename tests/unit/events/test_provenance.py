"""Who made records: kept as far as it is bounded, and shown with the records that had it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streamdns.events import provenance
from streamdns.events.event import RRsetEvent, decode


def _record(content: str = "192.0.2.1", **fields: Any) -> dict[str, Any]:
    return {"name": "www.example.org.", "type": "A", "content": content, **fields}


def _decode(*records: dict[str, Any]) -> RRsetEvent:
    return decode(b"www.example.org.|A", msgspec.json.encode(records), default_ttl=3600)


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        ([None], b""),
        ([None, None], b""),
        ([{"producer": "a"}], b'{"producer":"a"}'),
        ([{}], b"{}"),
        ([{"producer": "a", "createdAt": 1}], b'{"createdAt":1,"producer":"a"}'),
        ([{"producer": "a"}, {"producer": "a"}, None], b'[{"producer":"a"},{"producer":"a"},1]'),
        ([None, None, {"producer": "a"}, None], b'[2,{"producer":"a"},1]'),
        ([{"producer": "a"}, {"Producer": "a"}], b'{"producer":"a"}'),
        ([{"producer": "a"}, None, {"producer": "b"}], b'[{"producer":"a"},1,{"producer":"b"}]'),
        ([{"x": [1, {"y": None}], "Z": None}], b'{"x":[1,{"y":null}],"Z":null}'),
        ([{"x": 1, "Producer": "a", "createdAt": None}], b'{"producer":"a","x":1}'),
        ([{"createdAt": 10**30}], b'{"createdAt":%d}' % 10**30),
    ],
)
def test_metadatas(each: list[Any], expected: bytes) -> None:
    event = _decode(*[_record(content=f"192.0.2.{at}", metadatas=metadatas) for at, metadatas in enumerate(each)])
    assert (event.metadatas, event.left_out) == (expected, "")
    # One object, or a list with one element for each of the records that are kept.
    joined = provenance.decoded(expected)
    assert not isinstance(joined, list) or len(joined) == len(event.rdatas)
    # Nobody is said to have made what he did not say that he made.
    shown = joined if isinstance(joined, list) else [joined] * len(each)
    assert [one is None for one in shown] == [one is None for one in each]


@pytest.mark.parametrize(
    ("each", "expected", "left_out"),
    [
        ([{"producer": "p" * 255}], b'{"producer":"%s"}' % (b"p" * 255), ""),
        ([{"producer": "p" * 256}], b"", "a producer of 256 octets, more than 255"),
        ([{"producer": "ä" * 128, "createdAt": 5, "x": 1}], b'{"createdAt":5,"x":1}',
         "a producer of 256 octets, more than 255"),
        ([{"producer": "p" * 900_000}, None], b"", "a producer of 900000 octets, more than 255"),
        ([{"x": "y" * 4088}], b'{"x":"%s"}' % (b"y" * 4088), ""),
        ([{"x": "y" * 4089}], b"", "metadatas of 4097 octets, more than 4096"),
        ([{"x": "y" * 4088}] * 3, b'{"x":"%s"}' % (b"y" * 4088), ""),
        ([{"x": "y" * 2100}, {"x": "z" * 2100}], b"", "metadatas of 4219 octets, more than 4096"),
        ([{"x": "y" * 5000}, {"producer": "a"}], b'[1,{"producer":"a"}]', "metadatas of 5008 octets, more than 4096"),
    ],
)
def test_too_much_provenance_is_left_out_and_the_records_stand(
    each: list[Any], expected: bytes, left_out: str
) -> None:
    event = _decode(*[_record(content=f"192.0.2.{at}", metadatas=metadatas) for at, metadatas in enumerate(each)])
    assert len(event.rdatas) == len(each)
    assert (event.metadatas, event.left_out) == (expected, left_out)


def test_one_record_of_thousands_has_metadatas() -> None:
    event = _decode(*[_record(content=f"10.0.{at >> 8}.{at & 255}", metadatas={"producer": "a"} if at == 900 else None)
                      for at in range(4000)])
    assert event.metadatas == b'[900,{"producer":"a"},3099]'
    assert provenance.decoded(event.metadatas) == [None] * 900 + [{"producer": "a"}] + [None] * 3099


def test_metadatas_of_duplicates_are_the_first_ones() -> None:
    event = _decode(_record(metadatas={"producer": "a"}), _record(metadatas={"producer": "b"}))
    assert event.metadatas == b'{"producer":"a"}'


@pytest.mark.parametrize(("stored", "metadatas"), [
    (b"", None), (b'{"producer":"a"', None), (b"[1", None), (b"{}", {}), (b"[1,{}]", [None, {}]),
])
def test_metadatas_as_they_are_stored_are_read(stored: bytes, metadatas: Any) -> None:
    """None where there are none, and where an entry of the journal has only their beginning."""
    assert provenance.decoded(stored) == metadatas


@pytest.mark.parametrize(("metadatas", "names"), [
    (None, []), ({}, []), ({"producer": "a"}, ["a"]), ({"producer": ""}, []), ({"producer": 5}, []), ({"x": "a"}, []),
    ([{"producer": "b"}, None, {"producer": "a"}, {"x": 1}, {"producer": "b"}], ["b", "a"]), (["a", 5], []),
])
def test_each_producer_is_named_once(metadatas: Any, names: list[str]) -> None:
    assert provenance.producers(metadatas) == names
