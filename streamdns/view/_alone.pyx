# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, binding=False
"""Puts events that bring the only RRset of their name, or the next one of it from the same partition, compiled.

It does what view/writer.py and WriteTransaction.set_only_rrset do with such an event, and stops at the first one that
is another. What it adds to zones and to the digest is summed up in words of the machine, and told once for each run of
events below one name.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from streamdns.view._hash cimport words_of

from streamdns.dns.compression import COMPRESSIBLE, compressed
from streamdns.events.event import RRsetEvent
from streamdns.runtime.interpreter import let_others
from streamdns.view.digest import rrset_hash as _hash_of_any


cdef extern from *:
    object _PyLong_FromByteArray(const unsigned char *octets, size_t count, int little_endian, int is_signed)


cdef enum:
    DIGEST = 32
    OTHERS_AFTER = 16
    RECORD_HEAD = 12
    SINGLE_START = 20  # Of the records of a node with one RRset, dns/node.py.
    ORIGIN = 26
    MOST_LABELS = 128
    MOST_METADATAS_OCTETS = 128  # More stands beside the node, view/aside.py.
    MOST_RECORDS_OCTETS = 4096  # Of what is kept in the journal, view/journal.py.
    # Types that begin or end zones, and one that does away with its siblings' answers.
    NS = 2
    SOA = 6
    DNAME = 39
    CNAME = 5
    HAS_CNAME = 1


cdef extern from "Python.h":
    void PyObject_GC_UnTrack(object made)


cdef object _MODULUS = 1 << 256


cdef struct Sum:
    uint64_t[4] words  # the lowest first
    Py_ssize_t rrsets
    Py_ssize_t records
    bint changed


cdef inline uint32_t _read32(const uint8_t *octets) noexcept nogil:
    return <uint32_t>octets[0] << 24 | <uint32_t>octets[1] << 16 | <uint32_t>octets[2] << 8 | octets[3]


cdef inline void _add(uint64_t *total, const uint64_t *h, bint negative) noexcept nogil:
    """Add a hash, or take it away, modulo 2**256."""
    cdef const uint8_t *octets = <const uint8_t *>h
    cdef uint64_t word, before, carry = 1 if negative else 0
    cdef int at
    for at in range(4):
        word = <uint64_t>_read32(octets + 24 - 8 * at) << 32 | _read32(octets + 28 - 8 * at)
        if negative:
            word = ~word
        before = total[at]
        total[at] = before + word + carry
        carry = 1 if total[at] < before or (carry and total[at] == before) else 0


cdef inline object _number(const uint64_t *h):
    return _PyLong_FromByteArray(<const unsigned char *>h, DIGEST, False, False)


cdef int _hash(bytes owner, bytes records, uint64_t *h) except -1:
    if not words_of(owner, records, h):
        octets = _hash_of_any(owner, records).to_bytes(DIGEST, "big")
        memcpy(h, PyBytes_AS_STRING(octets), DIGEST)
    return 0


cdef inline uint8_t *_put16(uint8_t *out, unsigned int number) noexcept nogil:
    out[0] = <uint8_t>(number >> 8)
    out[1] = <uint8_t>number
    return out + 2


cdef inline uint8_t *_put32(uint8_t *out, uint32_t number) noexcept nogil:
    return _put16(_put16(out, number >> 16), number & 0xFFFF)


cdef inline uint8_t *_put64(uint8_t *out, uint64_t number) noexcept nogil:
    return _put32(_put32(out, <uint32_t>(number >> 32)), <uint32_t>number)


cdef object _total(Sum *part):
    cdef uint8_t[DIGEST] octets
    cdef uint8_t *out = octets
    cdef int at
    for at in range(4):
        out = _put64(out, part.words[3 - at])
    return _PyLong_FromByteArray(octets, DIGEST, False, False)


cdef bytes _packed(unsigned int rdtype, uint32_t ttl, tuple rdatas):
    """As node.pack_records."""
    cdef Py_ssize_t size = 0, length
    cdef bytes rdata, made
    cdef uint8_t *out
    for rdata in rdatas:
        size += RECORD_HEAD + PyBytes_GET_SIZE(rdata)
    made = PyBytes_FromStringAndSize(NULL, size)
    out = <uint8_t *>PyBytes_AS_STRING(made)
    for rdata in rdatas:
        length = PyBytes_GET_SIZE(rdata)
        out = _put16(_put32(_put16(_put16(_put16(out, 0xC00C), rdtype), 1), ttl), <unsigned int>length)
        memcpy(out, PyBytes_AS_STRING(rdata), length)
        out += length
    return made


cdef bytes _node(
    unsigned int rdtype, Py_ssize_t count, bytes records, unsigned int topic, uint32_t partition, uint64_t position,
    int64_t timestamp, bytes metadatas
):
    """As node.encode_single, of records as they are stored."""
    cdef Py_ssize_t length = PyBytes_GET_SIZE(records), more = PyBytes_GET_SIZE(metadatas)
    cdef bytes made = PyBytes_FromStringAndSize(NULL, SINGLE_START + length + ORIGIN + more)
    cdef uint8_t *out = <uint8_t *>PyBytes_AS_STRING(made)
    out = _put16(_put16(_put16(out, HAS_CNAME << 8 if rdtype == CNAME else 0), 1), rdtype)
    out = _put32(_put32(_put32(_put16(out, 0), <uint32_t>count), SINGLE_START), <uint32_t>length)
    memcpy(out, PyBytes_AS_STRING(records), length)
    out = _put16(out + length, topic)
    out = _put32(_put64(_put64(_put32(out, partition), position), <uint64_t>timestamp), <uint32_t>more)
    memcpy(out, PyBytes_AS_STRING(metadatas), more)
    return made


cdef bytes _standing(bytes node, unsigned int rdtype, unsigned int topic, uint32_t partition):
    """As node.records_alone, for types without names in their RDATA."""
    cdef const uint8_t *octets = <const uint8_t *>PyBytes_AS_STRING(node)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(node), end
    cdef uint8_t[6] wanted
    if size < SINGLE_START or octets[1] or octets[2] or octets[3] != 1 or octets[6] or (
        octets[4] != rdtype >> 8 or octets[5] != (rdtype & 255)
    ):
        return None
    end = SINGLE_START + <Py_ssize_t>_read32(octets + 16)
    _put32(_put16(wanted, topic), partition)
    if end + 6 > size or memcmp(octets + end, wanted, 6):
        return None
    return PyBytes_FromStringAndSize(<const char *>octets + SINGLE_START, end - SINGLE_START)


cdef inline Py_ssize_t _parent(const char *key, Py_ssize_t size, Py_ssize_t *labels) noexcept nogil:
    """Where the key of the name right above ends, and how many labels a name has."""
    cdef Py_ssize_t at, end = 0
    labels[0] = 1
    for at in range(size - 1):
        if not key[at]:
            end = at + 1
            labels[0] += 1
    return end


cdef object _tell(object zones, bytes key, Sum *part):
    """Add what a run of events below one name changes to their zone."""
    if part.changed:
        # A zone that was changed back to what it was has changed, too.
        zones.changed(key, _total(part) or _MODULUS, part.rrsets, part.records)


def put_alone(txn, list records, list events, Py_ssize_t number, unsigned int topic, list changes):
    """Put events from `number` on in a WriteTransaction, up to one that is left; gives the number of that one.

    `topic` is the number of the first event's topic.
    """
    cdef object state = txn.state, zones = txn.zones, now_ms = txn.now_ms
    # Of each key what is stored (None: nothing), and what will be in its place.
    cdef dict stored = txn._stored, plain = txn._plain
    cdef Sum part, whole
    cdef uint64_t[4] after, before
    cdef bint[MOST_LABELS + 1] may_be_apex
    cdef Py_ssize_t last = len(events), size, above = 0, of_above = -1, labels, count, more
    cdef tuple event, record, rdatas
    cdef bytes owner, key, packed, kept, node, metadatas, was, of_part = None
    cdef unsigned int rdtype
    cdef uint32_t partition
    cdef PyObject *found
    cdef object ttl, hash_before
    cdef bint is_new, is_clear = not state.candidate_rows
    memset(&part, 0, sizeof(Sum))
    memset(&whole, 0, sizeof(Sum))
    memset(may_be_apex, 0, sizeof(may_be_apex))
    if state.pending_zones:
        return number
    topic_name = records[number][0]
    for depth in state.zone_depths:
        may_be_apex[<Py_ssize_t>depth] = True
    while number < last:
        if not number % OTHERS_AFTER:
            let_others()
        item = events[number]
        if type(item) is not RRsetEvent:
            break
        event = <tuple>item
        record = <tuple>records[number]
        rdatas, metadatas, key = <tuple>event[3], <bytes>event[4], <bytes>event[6]
        rdtype = event[1]
        count, size = len(rdatas), PyBytes_GET_SIZE(key)
        if not count or event[5] is not True or event[7] or rdtype == NS or rdtype == SOA or rdtype == DNAME or (
            not size or PyBytes_GET_SIZE(metadatas) > MOST_METADATAS_OCTETS
        ):
            break
        if record[0] is not topic_name and record[0] != topic_name:
            break
        above = _parent(PyBytes_AS_STRING(key), size, &labels)
        if labels > MOST_LABELS or may_be_apex[labels]:
            break
        found = PyDict_GetItem(plain, key)
        if found == NULL:
            found = PyDict_GetItem(stored, key)
            if found == NULL:
                break
        owner, ttl, partition = <bytes>event[0], event[2], record[1]
        packed = kept = _packed(rdtype, ttl, rdatas)
        is_new = <object>found is None
        if rdtype in COMPRESSIBLE:
            if not is_new:
                break
            kept = compressed(owner, rdtype, packed)
        was = b""
        more = count
        if is_new:
            if not is_clear:
                break
        else:
            node = <bytes>found
            was = _standing(node, rdtype, topic, partition)
            if was is None:
                break
            more -= _read32(<const uint8_t *>PyBytes_AS_STRING(node) + 8)
        if PyBytes_GET_SIZE(was) + PyBytes_GET_SIZE(packed) > MOST_RECORDS_OCTETS:
            break
        # It is this one's own: from here on nothing stops it.
        if of_above != above or memcmp(PyBytes_AS_STRING(of_part), PyBytes_AS_STRING(key), above):
            if of_part is not None:
                _tell(zones, of_part, &part)
            memset(&part, 0, sizeof(Sum))
            of_above, of_part = above, key
        _hash(owner, packed, after)
        hash_before = 0
        if is_new:
            part.rrsets += 1
            whole.rrsets += 1
            part.changed = True
        else:
            _hash(owner, was, before)
            hash_before = _number(before)
            _add(part.words, before, True)
            _add(whole.words, before, True)
            if more or memcmp(before, after, DIGEST):
                part.changed = True
        part.records += more
        whole.records += more
        _add(part.words, after, False)
        _add(whole.words, after, False)
        plain[key] = _node(rdtype, count, kept, topic, partition, record[2], record[3], metadatas)
        if is_new or memcmp(before, after, DIGEST):
            change = (
                now_ms, owner, event[1], hash_before, _number(after), topic_name, record[1], record[2], record[3], metadatas,
                was, packed,
            )
            PyObject_GC_UnTrack(change)  # It holds nothing that could lead back to it.
            changes.append(change)
        number += 1
    if of_part is not None:
        _tell(zones, of_part, &part)
    state.rrsets += whole.rrsets
    state.records += whole.records
    txn._digest += _total(&whole)
    return number
