"""Gives what decodes plain events and lines where that is compiled (events/_plain.pyx); else nothing goes before
events/event.py and sources/filelog.py, which decode everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

_compiled: Any = None
_why_not = ""
try:
    from streamdns.events import _plain

    _compiled = _plain
except ImportError as error:
    _why_not = str(error)

#: Why the compiled module is not used; "" where it is.
NOT_COMPILED: Final = _why_not


def event_decoder(
    kind: type[_T], kinds: Mapping[str, tuple[int, Callable[[str], bytes | None]]]
) -> Callable[[bytes | None, bytes | None, int], _T | None] | None:
    """Return what decodes plain events to `kind`, which is RRsetEvent, and gives None for others; None for nothing.

    `kinds` has the number of each type that it knows, and what decodes its RDATA, by the type's text.
    """
    return None if _compiled is None else _compiled.event_decoder(kind, kinds)


def line_decoder(kind: type[_T], topic: str) -> Callable[[bytes, int, int], _T | None] | None:
    """Return what decodes plain lines of a file log to `kind`, which is Record, in the same way; None for nothing."""
    return None if _compiled is None else _compiled.line_decoder(kind, topic)
