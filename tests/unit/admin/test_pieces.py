"""Documents in pieces are what the encoder would have made of them in one go."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streamdns.admin.http.pieces import pieces
from streamdns.admin.schema.data import ConflictPage, FirstMetadatas, FirstRecord, JournalPage
from streamdns.admin.schema.edge import Flushed, Ready

FIRST = FirstRecord(name="a.", type="A", content="\0é\"", ttl=1, priority=0,
                    metadatas=FirstMetadatas(created_at=1, producer="x"))
RAW: Any = msgspec.Raw(msgspec.json.encode(FIRST))


class Empty(msgspec.Struct):
    """A document without a field."""


@pytest.mark.parametrize("document", [
    FIRST, [[RAW], [FIRST], []], [], {"a": [1], "b": {"c": [2]}}, {}, "text", None, Empty(), Flushed(3),
    Ready(True, ["a", "b"]), Ready(True, [], "a view is held"),
    JournalPage(changes=[RAW] * 3, first=None, end=7, next="x"), ConflictPage(conflicts=[], total=1, next=None),
])
def test_the_same_text(document: object) -> None:
    assert b"".join(pieces(document)) == msgspec.json.encode(document) + b"\n"


def test_no_piece_is_large() -> None:
    page = JournalPage(changes=[RAW] * 20_000, first=0, end=1, next=None)
    made = pieces(page)
    assert b"".join(made) == msgspec.json.encode(page) + b"\n"
    assert max(map(len, made)) < (1 << 16) + len(RAW) + 100
