"""An HTTP response of the standard library whose head is bounded: a server may say little before its body begins."""

from __future__ import annotations

import http.client
from typing import Any, Final

_HEAD_BYTES: Final = 8192


class _Head:
    """Reads the lines of a head; raises HTTPException beyond so many octets in all, and for bare carriage returns.

    What the standard library takes, 6 MB of them, would keep it parsing for two seconds.
    """

    def __init__(self, source: Any) -> None:
        self._source, self._left = source, _HEAD_BYTES

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._source.readline(min(limit, self._left + 1) if limit >= 0 else self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise http.client.HTTPException(f"its head is longer than {_HEAD_BYTES} octets")
        if b"\r" in line[:-2]:
            raise http.client.HTTPException("its head has a bare carriage return")
        return line

    def close(self) -> None:
        self._source.close()


class BoundedResponse(http.client.HTTPResponse):
    """The response to use as `response_class` of a connection."""

    def begin(self) -> None:
        """Read the status line and the headers."""
        source: Any = self.fp
        self.fp = _Head(source)  # type: ignore[assignment] # lines are all that is read by begin()
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = source
