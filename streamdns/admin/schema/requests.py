"""What every client of the admin API does alike: names in paths, parameters, errors, server-sent events. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from streamdns.admin.schema.edge import ErrorDetail


def part(text: str) -> str:
    """Encode a name as one part of a path."""
    return quote(text, safe="")


def parameters(wanted: Mapping[str, Any]) -> dict[str, str]:
    """Encode the parameters of a request; None and "" are left out."""
    return {
        key: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for key, value in wanted.items() if value not in (None, "")
    }


class _Refusal(msgspec.Struct):
    """What every error has."""

    error: ErrorDetail


def refusal(body: bytes) -> tuple[str, str] | None:
    """Return the code and the sentence of an error's document; None where it is no such document."""
    try:
        said = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return said.code, said.message


class Event(NamedTuple):
    """One server-sent event; one without a kind carries only an id."""

    kind: str
    id: str
    data: bytes


class EventLines:
    """Makes events of the lines of a stream (WHATWG HTML, "Server-sent events", as far as the admin API uses it)."""

    def __init__(self) -> None:
        self._kind = self._id = ""

    def line(self, line: str) -> Event | None:
        """Take one line without its end; return the event that it completes, if it does."""
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._kind = value
        elif field == "id":
            self._id = value
        elif field == "data":
            return self._event(value.encode())
        elif self._id and not field:
            return self._event(b"")
        return None

    def _event(self, data: bytes) -> Event:
        event = Event(self._kind if data else "", self._id, data)
        self._kind = self._id = ""
        return event
