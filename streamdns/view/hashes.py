"""Chooses what hashes RRsets: the module that is compiled from Cython, else view/digest.py; both give the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamdns.view import digest

_hash: Callable[[bytes, bytes], int] = digest.rrset_hash
_why_not = ""
try:
    from streamdns.view._hash import rrset_hash as _compiled

    _hash = _compiled
except ImportError as error:
    _why_not = str(error)

#: Hashes one RRset as digest.rrset_hash says.
rrset_hash: Final = _hash
#: Why the compiled module is not used; "" where it is.
NOT_COMPILED: Final = _why_not
