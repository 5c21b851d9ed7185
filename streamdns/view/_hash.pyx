# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, binding=False
"""Hashes RRsets for the digest, compiled: with each event one, and with one that replaces another two.

It gives what view/digest.py gives, which says what is hashed, and goes there for RRsets of several records. Half of what
the standard library takes for a hash of so few octets is the object that it makes for it; here there is none.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from streamdns.view.digest import rrset_hash as _hash_of_any


cdef extern from *:
    object _PyLong_FromByteArray(const unsigned char *octets, size_t count, int little_endian, int is_signed)


cdef enum:
    BLOCK = 128
    DIGEST = 32
    RECORD_HEAD = 12  # Of a record in the form of a node: pointer (2), type (2), class (2), TTL (4), length (2)


# RFC 7693: the initial values (section 2.6), the order of words in each round (2.7), and what mixes them (3.1, 3.2).
cdef uint64_t[8] INITIAL = [
    0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
    0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
]
cdef uint8_t[12][16] ORDER = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
]


cdef inline uint64_t _turned(uint64_t word, unsigned int bits) noexcept nogil:
    return (word >> bits) | (word << (64 - bits))


cdef inline void _mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y) noexcept nogil:
    v[a] = v[a] + v[b] + x
    v[d] = _turned(v[d] ^ v[a], 32)
    v[c] = v[c] + v[d]
    v[b] = _turned(v[b] ^ v[c], 24)
    v[a] = v[a] + v[b] + y
    v[d] = _turned(v[d] ^ v[a], 16)
    v[c] = v[c] + v[d]
    v[b] = _turned(v[b] ^ v[c], 63)


cdef void _compress(uint64_t *h, const uint64_t *m, uint64_t counted, bint is_last) noexcept nogil:
    cdef uint64_t[16] v
    cdef const uint8_t *s
    cdef int number
    memcpy(v, h, 64)
    memcpy(&v[8], INITIAL, 64)
    v[12] ^= counted
    if is_last:
        v[14] = ~v[14]
    for number in range(12):
        s = ORDER[number]
        _mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]])
        _mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]])
        _mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]])
        _mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]])
        _mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]])
        _mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]])
        _mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]])
        _mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]])
    for number in range(8):
        h[number] ^= v[number] ^ v[number + 8]


cdef uint64_t[1] ONE = [1]
#: Whether words are as RFC 7693 has them: the lowest octet first.
cdef bint IS_LITTLE = (<uint8_t *>ONE)[0] == 1


cdef bint words_of(bytes owner, bytes records, uint64_t *h) noexcept:
    """Write the hash of an RRset of one record as four words, in which the octets of the digest stand in their order.

    False, with nothing written, for several records, long ones, and on machines of the other order of octets.
    """
    cdef const uint8_t *from_records = <const uint8_t *>PyBytes_AS_STRING(records)
    cdef size_t octets = PyBytes_GET_SIZE(records), of_owner = PyBytes_GET_SIZE(owner)
    cdef uint64_t[32] words
    cdef uint64_t[8] state
    cdef uint8_t *hashed = <uint8_t *>words
    cdef size_t whole
    # One record, behind an owner with which it is no longer than two blocks, is what nearly every RRset is.
    if octets < RECORD_HEAD or octets != RECORD_HEAD + <size_t>(from_records[10] << 8 | from_records[11]) or (
        of_owner + octets - 4 > 2 * BLOCK or not IS_LITTLE
    ):
        return False
    whole = of_owner + octets - 4
    memset(words, 0, sizeof(words))
    memcpy(hashed, PyBytes_AS_STRING(owner), of_owner)
    memcpy(hashed + of_owner, from_records + 2, 2)
    memcpy(hashed + of_owner + 2, from_records + 6, octets - 6)
    memcpy(state, INITIAL, 64)
    state[0] ^= 0x01010000 | DIGEST
    if whole > BLOCK:
        _compress(state, words, BLOCK, False)
        _compress(state, &words[16], whole, True)
    else:
        _compress(state, words, whole, True)
    memcpy(h, state, DIGEST)
    return True


def rrset_hash(bytes owner not None, bytes records not None):
    """Hash one RRset, as digest.rrset_hash does."""
    cdef uint64_t[4] h
    if not words_of(owner, records, h):
        return _hash_of_any(owner, records)
    return _PyLong_FromByteArray(<const unsigned char *>h, DIGEST, False, False)
