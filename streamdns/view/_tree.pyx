# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, binding=False
"""Looks keys up in a table of an open LMDB environment, straight in its map, compiled: what every answer does most.

py-lmdb opens the environment, begins and ends the transaction, and so keeps the pages of the snapshot as they are; here
they are only read. Nothing is opened or mapped a second time, for LMDB forbids that. py-lmdb's own lookups give up the
interpreter's lock twice each, and make more of it than the lookup itself takes.

The format is that of LMDB 0.9 (data version 1), on machines where the lowest octet comes first: a tree of pages, each
with a head of 16 octets, offsets of its nodes in order of their keys, and the nodes. Where anything else is found
`Tree` raises ValueError when it is made. A page that cannot be right raises lmdb.CorruptedError, as py-lmdb does.
"""

import os
import sys

import lmdb

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcmp, memcpy


cdef extern from "<sys/mman.h>" nogil:
    int mincore(void *address, size_t octets, unsigned char *vector)


cdef enum:
    BRANCH = 1
    LEAF = 2
    OVERFLOW = 4
    KINDS = 0x67  # Of a page's flags: branch, leaf, overflow, pages of duplicates
    BIG = 1  # A node whose value has pages of its own
    MAGIC = 0xBEEFC0DE
    VERSION = 1
    DEEPEST = 32  # CURSOR_STACK of LMDB
    RECORD = 48  # struct MDB_db
    PLAIN = 0x7E  # No flag of these: order of keys reversed or by number, more than one value of a key


#: The size of pages: LMDB takes that of the kernel's where an environment is made. Of another one nothing is read.
cdef uint64_t PAGE = os.sysconf("SC_PAGE_SIZE")


cdef struct Page:
    uint64_t number
    uint16_t pad
    uint16_t flags
    uint16_t lower
    uint16_t upper


cdef struct Overflow:
    uint64_t number
    uint16_t pad
    uint16_t flags
    uint32_t pages


cdef struct Node:
    uint16_t low
    uint16_t high
    uint16_t flags
    uint16_t key_octets


cdef struct Table:
    # How a table is described in the environment's main table.
    uint32_t pad
    uint16_t flags
    uint16_t depth
    uint64_t branches
    uint64_t leaves
    uint64_t overflows
    uint64_t entries
    uint64_t root


cdef struct Meta:
    # Behind the head of either of the first two pages.
    uint32_t magic
    uint32_t version
    uint64_t address
    uint64_t map_octets
    Table free
    Table main
    uint64_t last_page
    uint64_t transaction


cdef inline unsigned int count_of(const Page *page) noexcept:
    return (page.lower - <unsigned int>sizeof(Page)) >> 1


@cython.final
cdef class Tree:
    """One table in one snapshot; `record` is what the environment's main table has for it, a view into the map.

    To be closed before its transaction ends; from then on lookups raise lmdb.BadTxnError.
    """

    cdef const char *start
    cdef uint64_t root, pages
    cdef unsigned int depth
    # Where the key that was looked up last is, or would be: of a name that is not there its neighbours are asked for, too.
    cdef bytes sought
    cdef const Page *leaf
    cdef unsigned int index
    cdef bint is_equal
    cdef uint64_t left, right

    def __cinit__(self, record) -> None:
        cdef Py_buffer view
        if not isinstance(record, memoryview):
            raise ValueError("not a view into a map")
        PyObject_GetBuffer(record, &view, PyBUF_SIMPLE)
        try:
            if sys.byteorder != "little" or view.len != RECORD:
                raise ValueError("not a table of LMDB 0.9")
            self._find(<const char *>view.buf)
        finally:
            PyBuffer_Release(&view)

    cdef int _find(self, const char *record) except -1:
        """Find where the map begins: the record is in a leaf, which has its own number, and pages are in order."""
        cdef const Page *page = <const Page *>(<uintptr_t>record & ~<uintptr_t>(PAGE - 1))
        cdef const Meta *metas[2]
        cdef Table table
        cdef unsigned char present[2]
        cdef int each
        memcpy(&table, record, sizeof(Table))
        if table.flags & PLAIN or page.flags & KINDS != LEAF or page.number < 2 or page.number >= (<uint64_t>1 << 44):
            raise ValueError("not a page of LMDB 0.9")
        self.start = <const char *>page - page.number * PAGE
        if mincore(<void *>self.start, 2 * PAGE, present):
            self.start = NULL  # Its number is not right: no memory is there.
            raise ValueError("not a page of LMDB 0.9")
        for each in range(2):
            metas[each] = <const Meta *>(self.start + each * PAGE + sizeof(Page))
            # The size of pages stands where the main tables' first one keeps what it pads.
            if metas[each].magic != MAGIC or metas[each].version != VERSION or metas[each].free.pad != PAGE:
                self.start = NULL
                raise ValueError("not an environment of LMDB 0.9")
            # Of the newer one: a file only grows, and what is there of older snapshots is below that, too.
            self.pages = max(self.pages, metas[each].last_page + 1)
        self.root, self.depth = table.root, table.depth
        if self.depth > DEEPEST:
            self._damaged()
        return 0

    cdef int _damaged(self) except -1:
        raise lmdb.CorruptedError("a page of the view is not what it should be")

    cdef inline const Page *_page(self, uint64_t number, unsigned int kind) except NULL:
        cdef const Page *page
        if number >= self.pages:
            self._damaged()
        page = <const Page *>(self.start + number * PAGE)
        if page.number != number or page.flags & KINDS != kind or not (
            sizeof(Page) + 2 <= page.lower <= page.upper <= PAGE
        ):
            self._damaged()
        return page

    cdef inline const Node *_node(self, const Page *page, unsigned int index) except NULL:
        cdef unsigned int offset = (<const uint16_t *>(page + 1))[index]
        cdef const Node *node = <const Node *>(<const char *>page + offset)
        if offset < page.upper or offset > PAGE - sizeof(Node) or offset + sizeof(Node) + node.key_octets > PAGE:
            self._damaged()
        return node

    cdef int _first_not_below(
        self, const Page *page, unsigned int low, const char *key, size_t octets, bint *is_equal
    ) except -1:
        """The index of the first node, from `low` on, whose key is not below this one; their number if none is."""
        cdef unsigned int high = count_of(page), middle
        cdef const Node *node
        cdef int order
        is_equal[0] = False
        while low < high:
            middle = (low + high) >> 1
            node = self._node(page, middle)
            order = memcmp(node + 1, key, min(octets, <size_t>node.key_octets))
            if order == 0:
                if node.key_octets == octets:
                    is_equal[0] = True
                    return middle
                order = -1 if node.key_octets < octets else 1
            if order < 0:
                low = middle + 1
            else:
                high = middle
        return low

    cdef uint64_t _child(self, const Page *page, unsigned int index) except? 0:
        cdef const Node *node = self._node(page, index)
        return node.low | <uint64_t>node.high << 16 | <uint64_t>node.flags << 32

    cdef const Page *_leaf(self, const char *key, size_t octets, uint64_t *left, uint64_t *right) except? NULL:
        """The leaf where a key is or would be; NULL in an empty table.

        `left` and `right` become the pages beside the way to it, nearest the leaf, with their levels above the leaves
        in the upper octets; 0 where there is none.
        """
        cdef const Page *page
        cdef unsigned int level, index
        cdef bint is_equal
        if self.start == NULL:
            raise lmdb.BadTxnError("the snapshot was closed")
        left[0] = right[0] = 0
        if self.depth == 0:
            return NULL
        cdef uint64_t number = self.root
        for level in range(self.depth - 1, 0, -1):
            page = self._page(number, BRANCH)
            # The first node of a branch stands for all that is below the second's key.
            index = self._first_not_below(page, 1, key, octets, &is_equal)
            if not is_equal:
                index -= 1
            if index:
                left[0] = self._child(page, index - 1) | <uint64_t>level << 56
            if index + 1 < count_of(page):
                right[0] = self._child(page, index + 1) | <uint64_t>level << 56
            number = self._child(page, index)
        return self._page(number, LEAF)

    cdef const Page *_edge(self, uint64_t place, bint last) except NULL:
        """The first or the last leaf below a page that `_leaf` found."""
        cdef unsigned int level = place >> 56
        cdef uint64_t number = place & ((<uint64_t>1 << 56) - 1)
        cdef const Page *page
        while level > 1:
            page = self._page(number, BRANCH)
            number = self._child(page, count_of(page) - 1 if last else 0)
            level -= 1
        return self._page(number, LEAF)

    cdef bytes _key(self, const Page *page, unsigned int index):
        cdef const Node *node = self._node(page, index)
        return PyBytes_FromStringAndSize(<const char *>(node + 1), node.key_octets)

    cdef const Page *_seek(self, bytes key) except? NULL:
        """The leaf where a key is or would be, and `index`, `is_equal`, `left` and `right` to it; NULL in an empty table."""
        cdef const char *octets = PyBytes_AS_STRING(key)
        if self.start != NULL and self.sought is key:
            return self.leaf
        self.sought = None
        self.leaf = self._leaf(octets, PyBytes_GET_SIZE(key), &self.left, &self.right)
        if self.leaf != NULL:
            self.index = self._first_not_below(self.leaf, 0, octets, PyBytes_GET_SIZE(key), &self.is_equal)
        self.sought = key
        return self.leaf

    def get(self, bytes key not None, /):
        """The value of a key, None where there is none."""
        cdef uint64_t number
        cdef const Page *page = self._seek(key)
        cdef const Overflow *over
        cdef const Node *node
        cdef size_t size
        if page == NULL or not self.is_equal:
            return None
        node = self._node(page, self.index)
        size = node.low | <size_t>node.high << 16
        cdef const char *value = <const char *>(node + 1) + node.key_octets
        if not node.flags & BIG:
            if value + size > <const char *>page + PAGE:
                self._damaged()
            return PyBytes_FromStringAndSize(value, size)
        if value + sizeof(number) > <const char *>page + PAGE:
            self._damaged()
        memcpy(&number, value, sizeof(number))
        if number >= self.pages:
            self._damaged()
        over = <const Overflow *>(self.start + number * PAGE)
        if over.number != number or over.flags & KINDS != OVERFLOW or over.pages > self.pages - number or (
            size + sizeof(Overflow) > <size_t>over.pages * PAGE
        ):
            self._damaged()
        return PyBytes_FromStringAndSize(<const char *>(over + 1), size)

    def after(self, bytes key not None, /):
        """The first key that is equal to a key or behind it, None where there is none."""
        cdef const Page *page = self._seek(key)
        if page == NULL:
            return None
        if self.index < count_of(page):
            return key if self.is_equal else self._key(page, self.index)
        if not self.right:
            return None
        return self._key(self._edge(self.right, False), 0)

    def before(self, bytes key not None, /):
        """The last key before a key, None where there is none."""
        cdef const Page *page = self._seek(key)
        if page == NULL:
            return None
        if self.index:
            return self._key(page, self.index - 1)
        if not self.left:
            return None
        page = self._edge(self.left, True)
        return self._key(page, count_of(page) - 1)

    def close(self) -> None:
        """Read no more: the pages may be used for something else from now on."""
        self.start = NULL
