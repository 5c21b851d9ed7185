"""Gives what puts events of names with one RRset where it is compiled (view/_alone.pyx); the writer can do without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from streamdns.events.batch import Record
from streamdns.view.journal import Change
from streamdns.view.transaction import WriteTransaction

#: Puts events of a list from a number on in a transaction, and adds to a list of changes; returns the number of the
#: first event that it leaves. It has the number of the first event's topic, too.
PutAlone = Callable[[WriteTransaction, Sequence[Record], Sequence[Any], int, int, list[Change]], int]

_put: PutAlone | None = None
_why_not = ""
try:
    from streamdns.view._alone import put_alone as _compiled

    _put = _compiled
except ImportError as error:
    _why_not = str(error)

put_alone: Final = _put
#: Why the compiled module is not used; "" where it is.
NOT_COMPILED: Final = _why_not
