"""Who made a record and when, as events tell it: bounded, and in the form that the view stores. Pure.

Provenance changes no answer. So what is too much of it is left out, and the records stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

MAX_PRODUCER_OCTETS: Final = 255
#: Of the metadatas of one RRset, in the form in which they are stored.
MAX_METADATAS_OCTETS: Final = 4096

_encode: Final = msgspec.json.Encoder().encode


#: Metadatas as stored, b"" for none, and what was left out of them, in words ("" for nothing). No class of its own:
#: to make one takes longer than all else that is done here for nearly every event.
Provenance = tuple[bytes, str]


def of_record(metadatas: Any) -> Provenance:
    """Encode the metadatas of one record, a msgspec Struct or a dict, without a producer that is too long."""
    encoded = _encode(metadatas)
    if len(encoded) <= MAX_PRODUCER_OCTETS:
        return encoded, ""
    members: dict[str, Any] = msgspec.json.decode(encoded)
    producer, left_out = members.get("producer"), ""
    if isinstance(producer, str) and (octets := len(producer.encode())) > MAX_PRODUCER_OCTETS:
        del members["producer"]
        left_out = f"a producer of {octets} octets, more than {MAX_PRODUCER_OCTETS}"
        encoded = _encode(members) if members else b""
    return _bounded(encoded, left_out)


def of_rrset(found: Sequence[Provenance | None]) -> Provenance:
    """Join the metadatas of an RRset's records: one object where all have the same, else a list.

    The list has an object for each record that has metadatas, and the number of records in a row that have none.
    """
    left_out = next((each[1] for each in found if each is not None and each[1]), "")
    parts = [each[0] if each is not None else b"" for each in found]
    if not any(parts):
        return b"", left_out
    if all(part == parts[0] for part in parts):
        return _bounded(parts[0], left_out)
    pieces: list[bytes] = []
    for part, row in groupby(parts):
        count = len(list(row))
        pieces += [part] * count if part else [b"%d" % count]
    return _bounded(b"[" + b",".join(pieces) + b"]", left_out)


def decoded(raw: bytes) -> Any:
    """Decode stored metadatas: None, one object, or a list with an object or None for each record.

    Gives None where they were cut short.
    """
    try:
        found = msgspec.json.decode(raw) if raw else None
    except msgspec.MsgspecError:
        return None
    if not isinstance(found, list):
        return found
    each: list[Any] = []
    for piece in found:
        each += [None] * piece if isinstance(piece, int) else [piece]
    return each


def producers(metadatas: Any) -> list[str]:
    """List the producers that decoded metadatas name, each once."""
    objects = metadatas if isinstance(metadatas, list) else [metadatas]
    names = (each.get("producer") for each in objects if isinstance(each, Mapping))
    return list(dict.fromkeys(name for name in names if name and isinstance(name, str)))


def _bounded(encoded: bytes, left_out: str) -> Provenance:
    if len(encoded) <= MAX_METADATAS_OCTETS:
        return encoded, left_out
    return b"", left_out or f"metadatas of {len(encoded)} octets, more than {MAX_METADATAS_OCTETS}"
