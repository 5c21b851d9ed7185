"""Encodes the place where the next page begins as an opaque text, and decodes it."""

from __future__ import annotations

import base64
import binascii

from streamdns.errors import ApiError


def encode(key: bytes | None) -> str | None:
    """Encode a key of the view as a cursor; None where there is no further page."""
    return None if key is None else base64.urlsafe_b64encode(key).decode().rstrip("=")


def decode(cursor: str) -> bytes:
    """Return the key of a cursor, b"" for an empty one; raises ApiError."""
    try:
        padded = (cursor + "=" * (-len(cursor) % 4)).encode("ascii")
        key = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as err:
        raise _refused() from err
    if len(key) > 511:
        raise _refused()
    return key


def number(cursor: str, otherwise: int) -> int:
    """Return the number of a cursor that is a number, `otherwise` for an empty one; raises ApiError."""
    if not cursor:
        return otherwise
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 20):
        raise _refused()
    return int(cursor)


def _refused() -> ApiError:
    return ApiError(400, "bad_cursor", "the cursor is not one that this API gave")
