"""Tells whether anything may stand below a name while a transaction runs: a zone with no names yet claims none."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from streamdns.view.keys import subtree
from streamdns.view.store import Table, Transaction


class Below:
    """Knows the keys that a transaction changes: `listed`, in their order; `is_whole` says that there are no others."""

    def __init__(self, txn: Transaction, table: Table) -> None:
        self._txn, self._table = txn, table
        self.listed: Sequence[bytes] = ()
        self.is_whole = True

    def may_have(self, apex: bytes, is_there: Callable[[bytes], bool]) -> bool:
        """Return whether there are names below an apex; True, too, where that is not known.

        What is stored is looked up. Of the keys that are listed `is_there` tells whether there is something by now.
        """
        if not self.is_whole:
            return True
        within = subtree(apex)
        with self._txn.cursor(self._table) as cursor:
            found = cursor.set_range(apex)
            if found and cursor.key() == apex:
                found = cursor.next()
            if found and cursor.key().startswith(within):
                return True
        listed = self.listed
        for at in range(bisect_right(listed, apex), len(listed)):
            if not listed[at].startswith(within):
                break
            if is_there(listed[at]):
                return True
        return False
