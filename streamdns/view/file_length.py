"""Checks that an LMDB file is as long as the pages it uses: reading past its end would kill the process (SIGBUS)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from streamdns.errors import ViewCorrupt

# The file format of LMDB 0.9, as lmdb.c has it: MDB_meta, MDB_db, MDB_page, MDB_node.
_HEADER_BYTES = 16
_META = struct.Struct("<II8xQ I2xH32xQ 48x QQ")
_PAGE_HEAD = struct.Struct("<Q2xHHH")
_NODE = struct.Struct("<HHHH")
_NUMBER = struct.Struct("<Q")
_MAGIC = 0xBEEFC0DE
_NOTHING = 2**64 - 1
_BRANCH, _LEAF = 1, 2
_BIG_DATA = 1
_PAGE_BYTES = range(512, 65537)
_TRIES = 3


class _Meta(NamedTuple):
    """The newest meta page: `free` is the root of the tree of free pages, which has `depth` levels."""

    transaction: int
    page_bytes: int
    last_page: int
    free: int
    depth: int


def check_whole(path: str) -> None:
    """Check that all pages in use lie within the file; raises ViewCorrupt, and OSError where it cannot be read.

    Pages at the end that were free again before they were ever written are missing in sound environments, too. Does
    nothing where there is no file, or where LMDB itself finds it unreadable.
    """
    try:
        with open(os.path.join(path, "data.mdb"), "rb") as file:
            for _ in range(_TRIES):  # A writer in another process may change it meanwhile.
                meta = _newest(file)
                lacking = "" if meta is None else _lacking(file, meta)
                if not lacking or _newest(file) == meta:
                    break
    except FileNotFoundError:
        return
    if lacking:
        raise ViewCorrupt(f"{path} is not a readable LMDB environment: {lacking}")


def _lacking(file: BinaryIO, meta: _Meta) -> str:
    """Return a phrase that says how much is missing, "" when nothing is."""
    size = os.fstat(file.fileno()).st_size
    whole = size // meta.page_bytes
    missing = set(range(whole, meta.last_page + 1))
    if not missing or missing <= _free(file, meta, whole):
        return ""
    return f"its file has {size} of {(meta.last_page + 1) * meta.page_bytes} bytes"


def _newest(file: BinaryIO) -> _Meta | None:
    """Read the meta page of the last commit; None where there is none."""
    file.seek(0)
    head = file.read(2 * _PAGE_BYTES[-1])
    found: list[_Meta] = []
    offset = 0
    while len(found) < 2 and len(head) >= offset + _HEADER_BYTES + _META.size:
        magic, _, _, page_bytes, depth, free, last, transaction = _META.unpack_from(head, offset + _HEADER_BYTES)
        if magic != _MAGIC or page_bytes not in _PAGE_BYTES:
            break
        found.append(_Meta(transaction, page_bytes, last, free, depth))
        offset = page_bytes
    return max(found, default=None)


def _free(file: BinaryIO, meta: _Meta, whole: int) -> set[int]:
    """Read the numbers of the free pages; an empty set where they cannot be read. The file has `whole` pages."""
    found: set[int] = set()
    if meta.free == _NOTHING:
        return found
    pages, depth = [meta.free], meta.depth
    try:
        while pages and depth:
            below: list[int] = []
            for number in pages:
                below += _read(file, number, meta.page_bytes, whole, found)
            pages, depth = below, depth - 1
    except (struct.error, ValueError):
        return set()
    return found


def _read(file: BinaryIO, number: int, page_bytes: int, whole: int, found: set[int]) -> list[int]:
    """Read one page of the tree: return the pages below a branch, add the free pages that a leaf lists to `found`."""
    page = _page(file, number, page_bytes, whole)
    _, flags, lower, _ = _PAGE_HEAD.unpack_from(page)
    below = []
    for (offset,) in struct.iter_unpack("<H", page[_HEADER_BYTES:lower]):
        low, high, more, key_bytes = _NODE.unpack_from(page, offset)
        if flags & _BRANCH:
            below.append(low | high << 16 | more << 32)
        elif flags & _LEAF:
            start = offset + _NODE.size + key_bytes
            data = page[start : start + (low | high << 16)]
            if more & _BIG_DATA:
                first = _NUMBER.unpack(page[start : start + 8])[0]
                count = -(-(_HEADER_BYTES + (low | high << 16)) // page_bytes)
                data = _page(file, first, page_bytes, whole, count)[_HEADER_BYTES:]
            found.update(_numbers(data))
        else:
            raise ValueError("neither branch nor leaf")
    return below


def _numbers(data: bytes) -> Iterator[int]:
    """Unpack a list of page numbers, which begins with their count."""
    (count,) = _NUMBER.unpack_from(data)
    for number in range(1, count + 1):
        yield _NUMBER.unpack_from(data, 8 * number)[0]


def _page(file: BinaryIO, number: int, page_bytes: int, whole: int, count: int = 1) -> bytes:
    if number + count > whole:
        raise ValueError("past the end")
    file.seek(number * page_bytes)
    return file.read(count * page_bytes)
