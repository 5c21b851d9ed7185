"""Reads the number of an LMDB environment's last commit from its file, so that a snapshot can be kept until then.

To begin a read transaction costs as much as an answer, and LMDB's own way to ask (`env.info()`) half of that.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from typing import Final

# The file format of LMDB 0.9, as lmdb.c has it: the first two pages are an MDB_page with an MDB_meta, whose last field
# is the number of the commit that wrote it. Commits write them in turn.
_NUMBER_AT: Final = 16 + 128
_NUMBER_BYTES: Final = 8


def last_commit_of(path: str, page_bytes: int) -> Callable[[], int]:
    """Map the meta pages of the environment in a directory; what is returned reads the number. Raises OSError.

    Whoever made a commit wrote its number before he knew that he had made it, in this process or in another one: a
    snapshot whose number this still is lacks nothing that anybody was told of. The other way round a snapshot that is
    taken in the moment of a commit may be the one before, although the number is there: compare that of the snapshot.
    """
    with open(os.path.join(path, "data.mdb"), "rb") as file:
        pages = mmap.mmap(file.fileno(), 2 * page_bytes, prot=mmap.PROT_READ)
    words = memoryview(pages).cast("Q")
    first, second = _NUMBER_AT // _NUMBER_BYTES, (page_bytes + _NUMBER_AT) // _NUMBER_BYTES

    def last_commit() -> int:
        one, other = words[first], words[second]
        return one if one > other else other

    return last_commit
