"""Parameters of requests, with their limits."""

from __future__ import annotations

from typing import Annotated

import msgspec

_LIMIT = "A page ends with so many entries; RRsets of one name stay together."
Limit = Annotated[int, msgspec.Meta(ge=1, le=500, description=_LIMIT)]
Backwards = Annotated[
    bool, msgspec.Meta(description="From the end of the list, or from before `cursor`, the last entry first.")
]
Cursor = Annotated[str, msgspec.Meta(max_length=2000, description="The field next of the page before.")]
NameText = Annotated[str, msgspec.Meta(max_length=1100)]
TypeText = Annotated[str, msgspec.Meta(max_length=20)]
PartitionNumber = Annotated[int, msgspec.Meta(ge=0, le=0x7FFFFFFF)]
_POSITION = "A position of the log; of Pulsar also a message id, ledger:entry:index (27:1034:5) or ledger:entry."
PositionText = Annotated[str, msgspec.Meta(max_length=64, description=_POSITION)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=0x7FFFFFFFFFFFFFFF)]


class Query(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The base of all queries; it has no parameters."""


class PageQuery(Query, frozen=True):
    """The parameters of every list that comes in pages."""

    limit: Limit = 100
    cursor: Cursor = ""


class EitherWayQuery(PageQuery, frozen=True):
    """The parameters of a list that can be read from its end, too."""

    backwards: Backwards = False


class NamesQuery(EitherWayQuery, frozen=True):
    """A page of names; `below` limits it to one name and those below it."""

    below: NameText = ""


class SearchQuery(EitherWayQuery, frozen=True):
    """What to search: `name` is a substring of the owner's name, `glob` a pattern of all of it with * and ?, `content`
    a substring of a record; all of them without regard to case, and all that are given must hold.
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
    """`type` limits the answer to the RRset of that type."""

    type: TypeText = ""


class JournalQuery(EitherWayQuery, frozen=True):
    """Which changes to list: of a name, of a zone with all below it, by a producer, not before and not after moments
    (ms).
    """

    name: NameText = ""
    zone: NameText = ""
    producer: Annotated[str, msgspec.Meta(max_length=500)] = ""
    since: Moment = 0
    until: Moment = 0x7FFFFFFFFFFFFFFF


class StreamQuery(Query, frozen=True):
    """Which changes to stream, as for the journal; with `after`, the id of the last event, those behind it."""

    name: NameText = ""
    zone: NameText = ""
    producer: Annotated[str, msgspec.Meta(max_length=500)] = ""
    after: Annotated[str, msgspec.Meta(max_length=40)] = ""


class WaitQuery(Query, frozen=True):
    """What to wait for: an event by partition and offset (`topic` where there are several), or its effect: an RRset
    that exists, has the record `content`, or, with `gone`, does not. `nodes` is "self" or "all"; `timeout` in seconds.
    """

    topic: Annotated[str, msgspec.Meta(max_length=249)] = ""
    partition: PartitionNumber = 0
    offset: PositionText | None = None
    name: NameText = ""
    type: TypeText = ""
    content: Annotated[str, msgspec.Meta(max_length=70000)] = ""
    gone: bool = False
    timeout: Annotated[float, msgspec.Meta(ge=0, le=300)] = 30.0
    nodes: Annotated[str, msgspec.Meta(pattern="^(self|all)$")] = "self"
