"""Parameters of requests."""

from __future__ import annotations

from typing import Annotated

import msgspec

_LIMIT = "A page ends with so many entries; RRsets of one name stay together."
Limit = Annotated[int, msgspec.Meta(ge=1, le=500, description=_LIMIT)]
Cursor = Annotated[str, msgspec.Meta(max_length=2000, description="The field next of the page before.")]
NameText = Annotated[str, msgspec.Meta(max_length=1100)]
TypeText = Annotated[str, msgspec.Meta(max_length=20)]
PartitionNumber = Annotated[int, msgspec.Meta(ge=0, le=0x7FFFFFFF)]
Offset = Annotated[int, msgspec.Meta(ge=0, le=0x7FFFFFFFFFFFFFFF)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=0x7FFFFFFFFFFFFFFF)]


class Query(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """No parameters."""


class PageQuery(Query, frozen=True):
    """What every page takes."""

    limit: Limit = 100
    cursor: Cursor = ""


class NamesQuery(PageQuery, frozen=True):
    """A page of names; with `below` only that name and those below it."""

    below: NameText = ""


class SearchQuery(PageQuery, frozen=True):
    """`name` is a substring of the owner's name, `glob` a pattern of all of it with * and ?, `content` a substring of a
    record; all of them without regard to case, and all that are given must hold.
    """

    name: NameText = ""
    glob: NameText = ""
    type: TypeText = ""
    content: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    zone: NameText = ""


class PatternQuery(Query, frozen=True):
    """The search of the first version: `pattern` is a part of the name."""

    pattern: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class RecordsQuery(Query, frozen=True):
    """`type`: only the RRset of it."""

    type: TypeText = ""


class JournalQuery(PageQuery, frozen=True):
    """Changes of a name, of a zone with all below it, by a producer, not before a moment (ms)."""

    name: NameText = ""
    zone: NameText = ""
    producer: Annotated[str, msgspec.Meta(max_length=500)] = ""
    since: Moment = 0


class StreamQuery(Query, frozen=True):
    """As of the journal; `after` is the id of the last event that came: the stream goes on behind it."""

    name: NameText = ""
    zone: NameText = ""
    producer: Annotated[str, msgspec.Meta(max_length=500)] = ""
    after: Annotated[str, msgspec.Meta(max_length=40)] = ""


class WaitQuery(Query, frozen=True):
    """An event by partition and offset (`topic` where there are several), or what it made: an RRset that is there, has
    a record `content`, or, with `gone`, is not there or has it no more. `nodes` is "self" or "all"; seconds to wait.
    """

    topic: Annotated[str, msgspec.Meta(max_length=249)] = ""
    partition: PartitionNumber = 0
    offset: Offset | None = None
    name: NameText = ""
    type: TypeText = ""
    content: Annotated[str, msgspec.Meta(max_length=70000)] = ""
    gone: bool = False
    timeout: Annotated[float, msgspec.Meta(ge=0, le=300)] = 30.0
    nodes: Annotated[str, msgspec.Meta(pattern="^(self|all)$")] = "self"
