"""Why an event is rejected: the whole sentence and its kind, which metrics and the quarantine go by."""

from __future__ import annotations

import json

import pytest

from streamdns.errors import BadEvent
from streamdns.events.event import MAX_NESTING, MAX_VALUE_BYTES, decode
from streamdns.events.rrset import MAX_RECORDS

KEY = b"www.example.org.|A"
RECORD = {"name": "www.example.org.", "type": "A", "ttl": 60, "content": "192.0.2.1"}


def value(*records: object) -> bytes:
    return json.dumps(list(records)).encode()


@pytest.mark.parametrize(("key", "given", "kind", "sentence"), [
    (None, b"[]", "key", "the event has no key"),
    (b"\xff|A", b"[]", "key", "the key is not UTF-8"),
    (b"www.example.org.", b"[]", "key", "the key has no '|' between owner and type"),
    (b"|A", b"[]", "key", "the key has no owner before the '|'"),
    (b"www.example.org.|OPT", b"[]", "key", "the key is not valid: OPT is not a type of stored records"),
    (KEY, b" " * (MAX_VALUE_BYTES + 1), "size",
     f"the value has {MAX_VALUE_BYTES + 1} bytes, more than {MAX_VALUE_BYTES}"),
    (KEY, value(*[RECORD] * (MAX_RECORDS + 1)), "size",
     f"the value has {MAX_RECORDS + 1} records, more than {MAX_RECORDS}"),
    (KEY, b"[" * 2000 + b"]" * 2000, "json", f"the value is nested deeper than {MAX_NESTING} levels"),
    (KEY, b'["\xff"]', "json", "the value is not UTF-8"),
    (KEY, b"{}", "json", "the value is not a JSON array of records"),
    (KEY, b"[1]", "json", "a record is not a JSON object"),
    (KEY, value(RECORD | {"name": "other."}), "field",
     "a record has the name 'other.', which is not the owner of the key"),
    (KEY, value(RECORD | {"type": "MX"}), "field", "a record has the type 'MX', which is not the type of the key"),
    (b"www.example.org.|MX", value(RECORD | {"type": "MX", "priority": 65536, "content": "a."}), "field",
     "a record has a priority that is not an integer from 0 to 65535: '65536'"),
])
def test_each_reason_and_its_kind(key: bytes | None, given: bytes, kind: str, sentence: str) -> None:
    with pytest.raises(BadEvent) as caught:
        decode(key, given, default_ttl=60)
    assert (caught.value.kind, caught.value.reason) == (kind, sentence)


@pytest.mark.parametrize(("given", "kind", "part"), [
    (b"[", "json", "the value is not valid JSON: "), (b"nul", "json", "the value is not valid JSON: "),
    (value(RECORD | {"content": "192.0.2"}), "content", ""),
    (value(RECORD | {"ttl": "x"}), "field", "a record has a ttl that is not "),
    (value({"name": "www.example.org.", "type": "A"}), "field", "a record has no content, which must be "),
])
def test_reasons_that_go_on_with_what_was_found(given: bytes, kind: str, part: str) -> None:
    with pytest.raises(BadEvent) as caught:
        decode(KEY, given, default_ttl=60)
    assert caught.value.kind == kind
    assert caught.value.reason.startswith(part)
    assert len(caught.value.reason) > len(part) + 3
