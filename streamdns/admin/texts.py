"""Converts records to text and back without holding the event loop: long ones in a native thread of low priority."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from streamdns.dns import rdata
from streamdns.runtime.native import LowPriorityThread
from streamdns.runtime.turns import Stint

#: Octets that take half a millisecond where every one of them has to be escaped, and characters that take as long.
_LONG_BYTES: Final = 256
_LONG_CHARACTERS: Final = 512
#: NXT, NSEC, NSEC3, CSYNC, whose text has a word for each bit that is set.
_BITMAPS: Final = (30, 47, 50, 62)
_LONG_BITS: Final = 100
_thread = LowPriorityThread()


def texts_of(rdtype: int, wires: Iterable[bytes], stint: Stint) -> list[str]:
    """Return RDATA in presentation format; gives way in between."""
    made = []
    for wire in wires:
        made.append(_thread.run(rdata.to_text, rdtype, wire) if _is_long(rdtype, wire) else rdata.to_text(rdtype, wire))
        stint()
    return made


def wire_of(rdtype: int, text: str) -> bytes:
    """Parse RDATA in presentation format; raises ValueError."""
    if len(text) > _LONG_CHARACTERS:
        return _thread.run(rdata.from_text, rdtype, text)
    return rdata.from_text(rdtype, text)


def close() -> None:
    """End the native thread; the next long record makes another one."""
    _thread.close()


def _is_long(rdtype: int, wire: bytes) -> bool:
    return len(wire) > _LONG_BYTES or (rdtype in _BITMAPS and int.from_bytes(wire).bit_count() > _LONG_BITS)
