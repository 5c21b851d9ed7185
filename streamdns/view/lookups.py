"""Looks keys up in a table of a snapshot: straight in LMDB's map where that is compiled, else by py-lmdb."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import lmdb


class Lookups(Protocol):
    """One table as a transaction sees it; to be closed before that ends. Raises lmdb.Error."""

    @property
    def get(self) -> Callable[[bytes], bytes | None]:
        """Return the value of a key."""

    def after(self, key: bytes, /) -> bytes | None:
        """Return the first key that is equal to a key or behind it."""

    def before(self, key: bytes, /) -> bytes | None:
        """Return the last key before a key."""

    def close(self) -> None:
        """Look nothing up any more."""


class PlainLookups:
    """The lookups of py-lmdb, which gives up the interpreter's lock in each of them."""

    def __init__(self, txn: lmdb.Transaction[bytes], table: lmdb._Database) -> None:
        self._cursor = cursor = txn.cursor(table)
        self.get: Callable[[bytes], bytes | None] = cursor.get

    def after(self, key: bytes, /) -> bytes | None:
        """Return the first key that is equal to a key or behind it."""
        cursor = self._cursor
        return cursor.key() if cursor.set_range(key) else None

    def before(self, key: bytes, /) -> bytes | None:
        """Return the last key before a key."""
        cursor = self._cursor
        found = cursor.prev() if cursor.set_range(key) else cursor.last()
        return cursor.key() if found else None

    def close(self) -> None:
        """Look nothing up any more, which the end of the transaction sees to by itself."""


_why_not = ""
try:
    from streamdns.view._tree import Tree
except ImportError as error:
    _why_not = str(error)

#: Why the compiled module is not used; "" where it is.
NOT_COMPILED: Final = _why_not


def reads_map(txn: lmdb.Transaction[memoryview[int]], name: bytes) -> bool:
    """Return whether a table of an environment can be looked up straight in the map."""
    record = None if NOT_COMPILED else txn.get(name)
    if record is None:
        return False
    try:
        Tree(record)
    except ValueError:
        return False
    return True


def in_map(txn: lmdb.Transaction[memoryview[int]], name: bytes) -> Lookups:
    """Look a table up straight in the map; raises ValueError."""
    return Tree(txn.get(name, b""))
