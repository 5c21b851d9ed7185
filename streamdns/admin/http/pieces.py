"""Encodes documents as JSON in pieces of some kilobytes, so that none of them, however large, is made in one go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from streamdns.runtime.turns import Stint

_PIECE_BYTES: Final = 1 << 16
_encode = msgspec.json.encode


def pieces(document: Any) -> list[bytes]:
    """Return the JSON of a document, a line, as pieces; gives way in between.

    Of a list, and of the lists in a Struct or a dict, each element is encoded by itself: only they may be long.
    """
    stint = Stint()
    made: list[bytes] = []
    held: list[bytes] = []
    octets = 0
    for part in _parts(document):
        held.append(part)
        octets += len(part)
        if octets >= _PIECE_BYTES:
            made.append(b"".join(held))
            held, octets = [], 0
        stint()
    made.append(b"".join([*held, b"\n"]))
    return made


def _parts(document: Any) -> Iterator[bytes]:
    if isinstance(document, list):
        yield from _of_list(document)
    elif isinstance(document, msgspec.Struct) and _is_plain(document.__struct_config__):
        before = b"{"
        omits = document.__struct_config__.omit_defaults
        for field in msgspec.structs.fields(document):
            value = getattr(document, field.name)
            if omits and value == field.default:
                continue
            yield before + _encode(field.encode_name) + b":"
            yield from _of_list(value) if isinstance(value, list) else (_encode(value),)
            before = b","
        yield b"{}" if before == b"{" else b"}"
    elif isinstance(document, dict) and document:
        before = b"{"
        for key, value in document.items():
            yield before + _encode(key) + b":"
            yield from _of_list(value) if isinstance(value, list) else (_encode(value),)
            before = b","
        yield b"}"
    else:
        yield _encode(document)


def _is_plain(config: Any) -> bool:
    """Return whether all fields of a Struct are written, and nothing else."""
    return not config.tag and not config.array_like and not config.omit_defaults


def _of_list(values: list[Any]) -> Iterator[bytes]:
    before = b"["
    for value in values:
        yield before
        yield bytes(value) if isinstance(value, msgspec.Raw) else _encode(value)
        before = b","
    yield b"[]" if before == b"[" else b"]"


class Flowing:
    """An answer in pieces, as an iterable that is no list: a list would be joined to one text."""

    def __init__(self, made: list[bytes]) -> None:
        self._made = made

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._made)
