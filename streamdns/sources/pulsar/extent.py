"""Counts the entries of a partition behind a position, by the list of its ledgers from the admin API. Pure."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import Any, NamedTuple, Self

from streamdns.events.message_id import resume_at


class Extent(NamedTuple):
    """The ledgers of a partition in their order, how many entries each has, and how many are there up to its end."""

    ledgers: tuple[int, ...]
    entries: tuple[int, ...]
    up_to: tuple[int, ...]

    @classmethod
    def of(cls, stats: Any) -> Self:
        """Take them from the document internalStats; raises KeyError, TypeError, ValueError or AttributeError.

        The ledger that is written to is the last one, and has its count apart.
        """
        found = [(int(each["ledgerId"]), int(each.get("entries", 0))) for each in stats["ledgers"]]
        if found:
            found[-1] = found[-1][0], int(stats.get("currentLedgerEntries", 0))
        entries = tuple(count for _, count in found)
        return cls(tuple(ledger for ledger, _ in found), entries, tuple(accumulate(entries)))

    @property
    def total(self) -> int:
        """Count all entries."""
        return self.up_to[-1] if self.up_to else 0

    def behind(self, position: int) -> int:
        """Count the entries behind a position, which are batches."""
        if not position:
            return self.total
        last = resume_at(position)
        at = bisect_left(self.ledgers, last.ledger)
        read = self.up_to[at - 1] if at else 0
        if at < len(self.ledgers) and self.ledgers[at] == last.ledger:
            read += min(last.entry + 1, self.entries[at])
        return self.total - read
