"""The fields of a line of the file log, as msgspec checks them.

Here are a class and its decoder, no more: msgspec reads the annotations of classes, which compiled modules do
not have.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

MAX_TIMESTAMP_MS: Final = 2**63 - 1


class Line(msgspec.Struct, gc=False):
    key: str | None = None
    value: msgspec.Raw = msgspec.Raw(b"")
    timestamp: Annotated[int, msgspec.Meta(ge=0, le=MAX_TIMESTAMP_MS)] | None = 0


decode_fields = msgspec.json.Decoder(Line).decode
