"""Tells which zones would take a name of the Internet that cannot be anybody's own: a top-level domain or its like.

By the Public Suffix List (publicsuffix.org), in the copy that the package publicsuffixlist comes with: below such a
suffix others register names. It is read when the first zone comes that may be one, which takes a moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from publicsuffixlist import PublicSuffixList

from streamdns.dns import name
from streamdns.view.keys import ROOT, depth_of, owner_of

#: No public suffix has more labels.
_MOST_LABELS = 5


class Claims:
    """Judges apexes by their lookup keys; `expected` are those that the settings name, so somebody wants them."""

    def __init__(self, expected: Iterable[bytes] = ()) -> None:
        self.expected = frozenset(expected)

    def of(self, apex: bytes) -> str:
        """Say what a zone takes that begins at this key, in a few words for people; "" where it is nobody else's."""
        depth = depth_of(apex)
        if depth > _MOST_LABELS or apex in self.expected:
            return ""
        if apex == ROOT:
            return "claims every name of the Internet: a zone at the root"
        if depth == 1:
            return "claims a name of the Internet: a zone at a single label, as top-level domains are"
        text = name.to_text(owner_of(apex))
        if _suffixes().is_public(text.rstrip(".")):
            return "claims a name of the Internet: a zone at a public suffix, below which others register names"
        return ""


@cache
def _suffixes() -> Any:
    # Only what registries are: the list's other part are companies' names, which are theirs.
    return PublicSuffixList(accept_unknown=False, only_icann=True)
