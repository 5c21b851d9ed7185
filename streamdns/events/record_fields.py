"""The fields of a record of an event, and the types that they have to have, as msgspec checks them.

Here are classes and their decoder, no more: msgspec reads the annotations of classes, which compiled modules do
not have.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType


class Metadatas(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    createdAt: int | UnsetType = UNSET  # noqa: N815 - the name of the field in the event
    producer: str | UnsetType = UNSET


class RecordFields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A record of an event with the types of its fields checked; ranges, name and RR type are checked later."""

    name: str
    type: str
    content: str
    ttl: int | None = None
    priority: int | None = None
    # A dict where there are unknown members too; the constructor, unlike the decoder, lets it be one.
    metadatas: Metadatas | None = None


#: Decodes the JSON of a value whose field names are spelt as here, without fields beside them.
decode_records = msgspec.json.Decoder(list[RecordFields]).decode
