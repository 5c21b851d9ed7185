"""Decodes events of the log: takes one key and one value, gives one validated RRset or raises BadEvent.

Pure: the same key, value and default TTL give the same result on every node and in every release of Python, whatever
calls it. That is why nesting is limited here and not by the interpreter's recursion limit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from streamdns.dns import name, rdata
from streamdns.dns.rdata_plain import PLAIN
from streamdns.errors import BadEvent
from streamdns.events.plain import event_decoder
from streamdns.events.provenance import MAX_PRODUCER_OCTETS, of_record, of_rrset
from streamdns.events.record_fields import RecordFields, decode_records, first_records
from streamdns.events.rrset import MAX_RECORDS, MAX_RRSET_OCTETS, MAX_TTL_S, RECORD_OCTETS, Gathered

MAX_VALUE_BYTES: Final = 1 << 20
MAX_NESTING: Final = 32

# Number of fields of content that stands without its priority, by type.
_PRIORITY_TYPES: Final = {15: 1, 33: 3}

_FIELDS: Final = frozenset(("name", "type", "content", "ttl", "priority", "metadatas"))
_METADATA_FIELDS: Final = {"createdat": "createdAt", "producer": "producer"}

_tokens: Final = re.compile(r"(?:\\.|[^ \t\\])+", re.DOTALL).findall


class RRsetEvent(NamedTuple):
    """A decoded event: the whole RRset as it is from now on; no RDATA means that the event deletes it.

    owner: lower-case wire name. rdatas: wire form, in the order of the event, duplicates removed. metadatas:
    b"" for none, else compact JSON as provenance.py makes it. canonical: whether the key is in its one canonical
    spelling. lookup_key: name.key of the owner. left_out: what was too much of its metadatas, "" for nothing.
    """

    owner: bytes
    rdtype: int
    ttl: int
    rdatas: tuple[bytes, ...]
    metadatas: bytes
    canonical: bool
    lookup_key: bytes
    left_out: str = ""


# Half the time of the class's own __new__.
_new_event: Final = tuple.__new__
# The fast paths of types whose content never stands without its priority.
_PLAIN: Final = {rdtype: plain for rdtype, plain in PLAIN.items() if rdtype not in _PRIORITY_TYPES}
_MAX_PLAIN_OCTETS: Final = MAX_RRSET_OCTETS - RECORD_OCTETS


def decode_key(key: bytes | None) -> tuple[bytes, int, bool]:
    """Decode a key `<owner>|<TYPE>` to owner (lower-case wire name), type, and whether the spelling is canonical.

    The last "|" separates. Raises BadEvent.
    """
    return _split_key(key)[:3]


def decode(key: bytes | None, value: bytes | None, *, default_ttl: int) -> RRsetEvent:
    """Decode an event to its RRset; a value of None, `null` or `[]` deletes it. Raises BadEvent."""
    if _decode_plain is not None:
        event = _decode_plain(key, value, default_ttl)
        if event is not None:
            return event
    owner, rdtype, canonical, lookup_key, owner_text, type_text = _split_key(key)
    if value is None:
        return RRsetEvent(owner, rdtype, default_ttl, (), b"", canonical, lookup_key)
    records = _parse_value(value)
    if len(records) == 1:
        # Nearly every event: one record, spelt as its key is, of a type that has a fast path.
        (record,) = records
        plain = _PLAIN.get(rdtype)
        if plain is not None and record.name == owner_text and record.type == type_text:
            ttl = default_ttl if record.ttl is None else record.ttl
            wire = plain(record.content)
            if wire is not None and 0 <= ttl <= MAX_TTL_S and len(wire) <= _MAX_PLAIN_OCTETS:
                metadatas, left_out = b"" if record.metadatas is None else _encode_json(record.metadatas), ""
                if len(metadatas) > MAX_PRODUCER_OCTETS:
                    metadatas, left_out = of_record(record.metadatas)
                return _new_event(
                    RRsetEvent, (owner, rdtype, ttl, (wire,), metadatas, canonical, lookup_key, left_out)
                )
    elif not records:
        return RRsetEvent(owner, rdtype, default_ttl, (), b"", canonical, lookup_key)

    gathered = Gathered(owner, rdtype)
    for record in records:
        if record.name != owner_text and not _same_name(record.name, owner):
            raise BadEvent(f"a record has the name {name.shown(record.name)}, which is not the owner of the key")
        if record.type != type_text and not _same_type(record.type, rdtype):
            raise BadEvent(f"a record has the type {name.shown(record.type)}, which is not the type of the key")
        content = record.content
        if rdtype in _PRIORITY_TYPES:
            content = _with_priority(rdtype, content, record.priority or 0)
        try:
            wire = rdata.from_text(rdtype, content)
        except ValueError as err:
            raise BadEvent(str(err), "content") from err
        record_ttl = default_ttl if record.ttl is None else record.ttl
        gathered.add(record_ttl, wire, None if record.metadatas is None else of_record(record.metadatas))

    rdatas = gathered.rrset()
    metadatas, left_out = of_rrset(gathered.metadatas())
    return RRsetEvent(owner, rdtype, gathered.ttl, rdatas, metadatas, canonical, lookup_key, left_out)


def encode(owner_text: str, type_text: str, records: Sequence[dict[str, Any]]) -> tuple[bytes, bytes]:
    """Make the canonical key and the JSON value of an event, for producers; no records make an event that deletes.

    name and type of each record are filled in where absent; its other fields are left as they are, decode() checks
    them. Raises ValueError for an owner or a type that is not valid.
    """
    owner = name.to_text(name.from_text(owner_text).lower())
    rdtype = rdata.type_from_text(type_text)
    if not rdata.is_data_type(rdtype):
        raise ValueError(f"{rdata.type_to_text(rdtype)} is not a type of stored records")
    mnemonic = rdata.type_to_text(rdtype)
    value = [{"name": owner, "type": mnemonic} | record for record in records]
    return f"{owner}|{mnemonic}".encode(), msgspec.json.encode(value)


_TYPES: Final = rdata.DATA_TYPES
#: Decodes events that are plain, where that is compiled.
_decode_plain: Final = event_decoder(
    RRsetEvent, {text: (rdtype, PLAIN[rdtype]) for text, rdtype in _TYPES.items() if rdtype in PLAIN}
)
# Bound here: what comes from a module that is not compiled is looked up at each use.
_decode_records: Final = decode_records
#: To make objects of a longer value takes so long that its first records are looked at before.
_LARGE_VALUE_BYTES: Final = 1 << 16


def _split_key(key: bytes | None) -> tuple[bytes, int, bool, bytes, str, str]:
    """Split a key into owner, type, whether it is canonical, lookup key, and owner and type as the key spells them."""
    if key is None:
        raise BadEvent("the event has no key", "key")
    try:
        owner_text, separator, type_text = key.decode("utf-8").rpartition("|")
    except UnicodeDecodeError as err:
        raise BadEvent("the key is not UTF-8", "key") from err
    rdtype = _TYPES.get(type_text)
    names = name.from_canonical_text(owner_text)
    if rdtype is not None and names is not None:
        return names[0], rdtype, True, names[1], owner_text, type_text

    if not separator:
        raise BadEvent("the key has no '|' between owner and type", "key")
    if not owner_text:
        raise BadEvent("the key has no owner before the '|'", "key")
    try:
        rdtype = rdata.type_from_text(type_text)
        owner = name.from_text(owner_text).lower()
    except ValueError as err:
        raise BadEvent(f"the key is not valid: {err}", "key") from err
    mnemonic = rdata.type_to_text(rdtype)
    if not rdata.is_data_type(rdtype):
        raise BadEvent(f"the key is not valid: {mnemonic} is not a type of stored records", "key")
    canonical = type_text == mnemonic and owner_text == name.to_text(owner)
    return owner, rdtype, canonical, name.key(owner), owner_text, type_text


def _parse_value(value: bytes) -> list[RecordFields]:
    """Decode a value to its records; none for a delete."""
    if len(value) > MAX_VALUE_BYTES:
        raise BadEvent(f"the value has {len(value)} bytes, more than {MAX_VALUE_BYTES}", "size")
    try:
        records = _decode_records(value)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        # Other cases of field names, unknown fields, null, or an error: looked at field by field.
        records = _parse_unusual_value(value)
    if len(records) > MAX_RECORDS:
        raise BadEvent(f"the value has {len(records)} records, more than {MAX_RECORDS}", "size")
    return records


_encode_json: Final = msgspec.json.Encoder().encode


def _parse_unusual_value(value: bytes) -> list[RecordFields]:
    try:
        if len(value) > _LARGE_VALUE_BYTES:
            for record in first_records(value):
                _record(msgspec.json.decode(record))
        records = msgspec.json.decode(value)
    except RecursionError as err:
        raise BadEvent(f"the value is nested deeper than {MAX_NESTING} levels", "json") from err
    except UnicodeDecodeError as err:
        raise BadEvent("the value is not UTF-8", "json") from err
    except msgspec.MsgspecError as err:
        raise BadEvent(f"the value is not valid JSON: {err}", "json") from err
    if records is None:
        return []
    if type(records) is not list:
        raise BadEvent("the value is not a JSON array of records", "json")
    return [_record(record) for record in records]


def _record(record: Any) -> RecordFields:
    """Check a record whose field names are in any case, or that has unknown fields."""
    if type(record) is not dict:
        raise BadEvent("a record is not a JSON object", "json")
    fields: dict[str, Any] = {}
    for field, content in record.items():
        lower = field.lower()
        if lower not in _FIELDS:
            _check_nesting(content)
        elif lower in fields:
            raise BadEvent(f"a record has the field {lower} twice")
        else:
            fields[lower] = content
    for field in ("name", "type", "content"):
        _check_type(field, fields.get(field), str, "a string")
    _check_type("ttl", fields.get("ttl"), int, f"an integer from 0 to {MAX_TTL_S}", null=True)
    _check_type("priority", fields.get("priority"), int, "an integer from 0 to 65535", null=True)
    if fields.get("metadatas") is not None:
        fields["metadatas"] = _metadatas(fields["metadatas"])
    return RecordFields(**fields)


def _metadatas(metadatas: Any) -> dict[str, Any]:
    """Return metadatas with the known members first and canonically spelt, without known ones that are null."""
    _check_type("metadatas", metadatas, dict, "an object")
    known = _METADATA_FIELDS.values()
    members: dict[str, Any] = dict.fromkeys(known)
    for member, content in metadatas.items():
        member = _METADATA_FIELDS.get(member.lower(), member)
        if members.get(member) is not None:
            raise BadEvent(f"a record has the field metadatas.{member} twice")
        _check_nesting(content)
        members[member] = content
    _check_type("metadatas.createdAt", members["createdAt"], int, "an integer, UNIX seconds", null=True)
    _check_type("metadatas.producer", members["producer"], str, "a string", null=True)
    return {member: content for member, content in members.items() if content is not None or member not in known}


def _check_type(field: str, content: Any, wanted: type, allowed: str, *, null: bool = False) -> None:
    # bool is a subclass of int, hence no isinstance().
    if type(content) is wanted or (null and content is None):
        return
    if content is None:
        raise BadEvent(f"a record has no {field}, which must be {allowed}")
    found = type(content).__name__ if type(content) in (dict, list) else name.shown(str(content))
    raise BadEvent(f"a record has a {field} that is not {allowed}: {found}")


def _check_nesting(content: Any) -> None:
    """Refuse JSON nested deeper than MAX_NESTING, level by level instead of by recursion."""
    level = [content]
    for _ in range(MAX_NESTING):
        level = [
            inner
            for outer in level
            if type(outer) is dict or type(outer) is list
            for inner in (outer.values() if type(outer) is dict else outer)
        ]
        if not level:
            return
    raise BadEvent(f"a record is nested deeper than {MAX_NESTING} levels")


def _same_name(text: str, owner: bytes) -> bool:
    try:
        return name.from_text(text).lower() == owner
    except ValueError as err:
        raise BadEvent(f"a record has a bad name: {err}") from err


def _same_type(text: str, rdtype: int) -> bool:
    try:
        return rdata.type_from_text(text) == rdtype
    except ValueError as err:
        raise BadEvent(f"a record has a bad type: {err}") from err


def _with_priority(rdtype: int, content: str, priority: int) -> str:
    """Put the priority before the content of an MX or SRV record, where it does not hold its own."""
    # Beyond ASCII there are spaces that are part of a name.
    count = len(content.split()) if content.isascii() and "\\" not in content else len(_tokens(content))
    if count != _PRIORITY_TYPES[rdtype] or content.lstrip().startswith("\\#"):
        return content
    if not 0 <= priority <= 0xFFFF:
        raise BadEvent(f"a record has a priority that is not an integer from 0 to 65535: {name.shown(str(priority))}")
    return f"{priority} {content}"
