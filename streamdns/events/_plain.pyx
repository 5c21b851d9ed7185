# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, binding=False
"""Decodes events in the plainest spelling, compiled: nearly every event is one.

Plain are up to sixteen records, keys and strings of visible ASCII without escapes but for quotes in contents, owners of
letters, digits, "_", "-" and "*" in lower case with their trailing dot, and members spelt as the contract has them, each
once. For everything else the result is None, be it valid or not: events/event.py and sources/filelog.py, which need
nothing of this, say what it is. So whatever is accepted here they must accept, too, with the same result.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcmp, memcpy


cdef extern from "Python.h":
    ctypedef struct PyTypeObject
    object PyType_GenericAlloc(PyTypeObject *kind, Py_ssize_t items)
    void PyObject_GC_UnTrack(object made)

cdef extern from "arpa/inet.h" nogil:
    int inet_pton(int family, const char *text, void *address)

cdef extern from "sys/socket.h":
    int AF_INET, AF_INET6


cdef enum:
    MOST_OCTETS = 1 << 16  # Of a line or a value: what is longer is looked at by others, with pauses.
    MOST_OF_NAME = 255
    MOST_OF_LABEL = 63
    MOST_OF_METADATAS = 255
    MOST_RECORDS = 16
    MOST_OF_RRSET = 65000  # As in events/rrset.py, as is what a record has beside its RDATA.
    OF_RECORD = 12
    MAX_TTL_S = 0x7FFFFFFF
    A = 1
    CNAME = 5
    SOA = 6
    AAAA = 28
    DNAME = 39


#: By octet: whether it stands in a label of a canonical name, and in an address.
cdef uint8_t[256] _IN_LABEL
cdef uint8_t[256] _IN_IPV6
for _octet in range(256):
    _IN_LABEL[_octet] = _octet in b"abcdefghijklmnopqrstuvwxyz0123456789_*-"
    _IN_IPV6[_octet] = _octet in b"0123456789abcdefABCDEF:"


cdef const char *_content(const char *p, const char *end, Fields *fields) noexcept nogil:
    """A string in which there may be quotes."""
    if p >= end or p[0] != b'"':
        return NULL
    p += 1
    fields.content.at = p
    while p < end:
        if _stands(p[0]):
            p += 1
        elif p[0] == b"\\" and end - p > 1 and p[1] == b'"':
            fields.has_quotes = True
            p += 2
        else:
            break
    if p >= end or p[0] != b'"':
        return NULL
    fields.content.size = p - fields.content.at
    return p + 1


cdef const char *_metadatas(const char *p, const char *end, Fields *fields) noexcept nogil:
    """The members createdAt and producer, of which each may be absent, in this order."""
    cdef Text member
    cdef int64_t number
    p = _sign(p, end, b"{")
    fields.has_metadatas = True
    if p != NULL and p < end and p[0] == b"}":
        return p + 1
    p = _string(p, end, &member) if p != NULL else NULL
    if p != NULL and _is(&member, b"createdAt", 9):
        p = _sign(p, end, b":")
        p = _digits(p, end, 18, &fields.created, &number) if p != NULL else NULL
        p = _spaces(p, end) if p != NULL else NULL
        if p != NULL and p < end and p[0] == b"}":
            return p + 1
        p = _sign(p, end, b",") if p != NULL else NULL
        p = _string(p, end, &member) if p != NULL else NULL
    if p == NULL or not _is(&member, b"producer", 8):
        return NULL
    p = _sign(p, end, b":")
    p = _string(p, end, &fields.producer) if p != NULL else NULL
    p = _spaces(p, end) if p != NULL else NULL
    return p + 1 if p != NULL and p < end and p[0] == b"}" else NULL


cdef const char *_record(const char *p, const char *end, Fields *fields) noexcept nogil:
    """One record; NULL for what is not plain, else where it ends."""
    cdef Text member, digits
    fields.name.at = fields.type.at = fields.content.at = fields.created.at = fields.producer.at = NULL
    fields.ttl = -1
    fields.has_metadatas = fields.has_quotes = False
    p = _sign(p, end, b"{")
    while p != NULL:
        p = _string(p, end, &member)
        p = _sign(p, end, b":") if p != NULL else NULL
        if p == NULL:
            return NULL
        if _is(&member, b"name", 4) and fields.name.at == NULL:
            p = _string(p, end, &fields.name)
        elif _is(&member, b"type", 4) and fields.type.at == NULL:
            p = _string(p, end, &fields.type)
        elif _is(&member, b"content", 7) and fields.content.at == NULL:
            p = _content(p, end, fields)
        elif _is(&member, b"ttl", 3) and fields.ttl < 0:
            p = _digits(p, end, 10, &digits, &fields.ttl)
        elif _is(&member, b"metadatas", 9) and not fields.has_metadatas:
            p = _metadatas(p, end, fields)
        else:
            return NULL
        p = _spaces(p, end) if p != NULL else NULL
        if p == NULL or p >= end:
            return NULL
        if p[0] == b",":
            p = _spaces(p + 1, end)
            continue
        if fields.name.at == NULL or fields.type.at == NULL or fields.content.at == NULL:
            return NULL
        return _sign(p, end, b"}")
    return NULL


cdef const char *_value(const char *p, const char *end, Fields *fields, int *count) noexcept nogil:
    """An array of records, up to MOST_RECORDS; NULL for what is not plain, else where it ends."""
    count[0] = 0
    p = p + 1 if p < end and p[0] == b"[" else NULL
    while p != NULL and count[0] < MOST_RECORDS:
        p = _record(p, end, &fields[count[0]])
        count[0] += 1
        if p == NULL or p >= end:
            return NULL
        if p[0] == b"]":
            return p + 1
        p = p + 1 if p[0] == b"," else NULL
    return NULL


cdef object _event_class = None
cdef dict _kinds = {}


def event_decoder(kind, kinds):
    """Make what decodes events to `kind`, which is RRsetEvent; `kinds` has type and RDATA's decoder by the type's text."""
    global _event_class, _kinds
    _event_class, _kinds = kind, {text.encode(): each for text, each in kinds.items()}
    return decode_event


cdef Py_ssize_t _owner(const char *p, Py_ssize_t size, uint8_t *wire) noexcept nogil:
    """Write the wire form of the canonical name that ends at the first "|", where it has that; gives its size, or 0."""
    cdef Py_ssize_t at, label = 0, octets = 1
    cdef uint8_t octet
    for at in range(size):
        octet = <uint8_t>p[at]
        if octets >= MOST_OF_NAME and octet != b"|":
            return 0
        if _IN_LABEL[octet]:
            wire[octets] = octet
        elif octet == b".":
            if not 0 < octets - label - 1 <= MOST_OF_LABEL:
                return 0
            wire[label] = <uint8_t>(octets - label - 1)
            label = octets
        else:
            if octet != b"|" or not label or label != octets - 1:
                return 0
            wire[label] = 0
            return octets
        octets += 1
    return 0


cdef bytes _lookup_key(const uint8_t *wire, Py_ssize_t size):
    cdef bytes made = PyBytes_FromStringAndSize(NULL, size - 1)
    cdef char *end = PyBytes_AS_STRING(made) + size - 1
    cdef uint8_t length = wire[0]
    while length:
        end -= length + 1
        memcpy(end, wire + 1, length)
        end[length] = 0
        wire += length + 1
        length = wire[0]
    return made


cdef bytes _stored_metadatas(Fields *fields):
    """As msgspec writes them; None where they are too long."""
    cdef Py_ssize_t size = 2
    cdef bytes made
    cdef char *out
    if fields.created.at != NULL:
        size += 12 + fields.created.size
    if fields.producer.at != NULL:
        size += 13 + fields.producer.size
        if fields.created.at != NULL:
            size += 1
    if size > MOST_OF_METADATAS:
        return None
    made = PyBytes_FromStringAndSize(NULL, size)
    out = PyBytes_AS_STRING(made)
    out[0] = b"{"
    out[size - 1] = b"}"
    out += 1
    if fields.created.at != NULL:
        memcpy(out, b'"createdAt":', 12)
        memcpy(out + 12, fields.created.at, fields.created.size)
        out += 12 + fields.created.size
    if fields.producer.at != NULL:
        if fields.created.at != NULL:
            out[0] = b","
            out += 1
        memcpy(out, b'"producer":"', 12)
        memcpy(out + 12, fields.producer.at, fields.producer.size)
        out[12 + fields.producer.size] = b'"'
    return made


cdef bytes _address(Text *content, bint is_new):
    """The RDATA of an A record, or with `is_new` of an AAAA record; None for what is not plain, or wrong."""
    cdef char[64] text
    cdef uint8_t[16] address
    cdef Py_ssize_t at
    if content.size > 39:
        return None
    if is_new:
        for at in range(content.size):
            if not _IN_IPV6[<uint8_t>content.at[at]]:
                return None
    memcpy(text, content.at, content.size)
    text[content.size] = 0
    if inet_pton(AF_INET6 if is_new else AF_INET, text, address) != 1:
        return None
    return PyBytes_FromStringAndSize(<char *>address, 16 if is_new else 4)


cdef bytes _rdata(unsigned int rdtype, plain, Fields *fields):
    """The RDATA of a record; None for what is not plain, or wrong."""
    if rdtype == A or rdtype == AAAA:
        return _address(&fields.content, rdtype == AAAA)
    if not fields.has_quotes:
        return plain(PyUnicode_DecodeASCII(fields.content.at, fields.content.size, NULL))
    return plain(PyBytes_FromStringAndSize(fields.content.at, fields.content.size).replace(b'\\"', b'"').decode("ascii"))


cdef bint _alike(bytes one, bytes other) noexcept:
    """Whether two RDATAs may be the same but for the case of names."""
    cdef Py_ssize_t at, size = PyBytes_GET_SIZE(one)
    cdef const char *a = PyBytes_AS_STRING(one)
    cdef const char *b = PyBytes_AS_STRING(other)
    if size != PyBytes_GET_SIZE(other):
        return False
    for at in range(size):
        if (a[at] ^ b[at]) & ~0x20:
            return False
    return True


cdef tuple _rdatas(unsigned int rdtype, plain, Fields *fields, int count):
    """Those of all records, where they are different ones and no more than may be; else None."""
    cdef int at, before
    cdef Py_ssize_t octets = 0
    cdef bytes one
    cdef list found = []
    if count > 1 and (rdtype == CNAME or rdtype == SOA or rdtype == DNAME):
        return None
    for at in range(count):
        one = _rdata(rdtype, plain, &fields[at])
        if one is None:
            return None
        for before in range(at):
            if _alike(one, <bytes>found[before]):
                return None
        octets += OF_RECORD + PyBytes_GET_SIZE(one)
        found.append(one)
    return tuple(found) if octets <= MOST_OF_RRSET else None


cdef inline void _set(object made, Py_ssize_t at, object item):
    Py_INCREF(item)
    PyTuple_SET_ITEM(made, at, item)


def decode_event(key, value, default_ttl):
    """As event.decode for an event that is plain; None for all others."""
    cdef const char *text
    cdef const char *of_type
    cdef Py_ssize_t size, owner_size, octets, type_size
    cdef int64_t least
    cdef uint8_t[MOST_OF_NAME + 1] wire
    cdef Fields[MOST_RECORDS] fields
    cdef int count, number
    cdef object ttl, found, rdtype
    cdef bytes metadatas, owner
    cdef tuple rdatas
    if type(key) is not bytes or type(value) is not bytes:
        return None
    size, octets = PyBytes_GET_SIZE(value), PyBytes_GET_SIZE(key)
    if size > MOST_OCTETS:
        return None
    text = PyBytes_AS_STRING(value)
    if _value(text, text + size, fields, &count) != text + size:
        return None
    text = PyBytes_AS_STRING(key)
    owner_size = _owner(text, octets, wire)
    # The text of a name in wire form ends with its last dot, one octet before the root label.
    type_size = octets - owner_size
    if not owner_size:
        return None
    of_type = text + owner_size
    least = MAX_TTL_S
    for number in range(count):
        if fields[number].name.size != owner_size - 1 or memcmp(fields[number].name.at, text, owner_size - 1) or (
            fields[number].type.size != type_size or memcmp(fields[number].type.at, of_type, type_size)
        ):
            return None
        if count > 1 and fields[number].has_metadatas:
            return None
        if fields[number].ttl < 0:
            if not 0 <= default_ttl <= MAX_TTL_S:
                return None
            fields[number].ttl = default_ttl
        if fields[number].ttl > MAX_TTL_S:
            return None
        if fields[number].ttl < least:
            least = fields[number].ttl
    ttl = least
    if type_size == 1 and of_type[0] == b"A":
        rdtype, rdatas = A, _rdatas(A, None, fields, count)
    else:
        found = _kinds.get(PyBytes_FromStringAndSize(of_type, type_size))
        if found is None:
            return None
        rdtype = found[0]
        rdatas = _rdatas(rdtype, found[1], fields, count)
    if rdatas is None:
        return None
    metadatas = _stored_metadatas(fields) if fields[0].has_metadatas else b""
    if metadatas is None:
        return None
    owner = PyBytes_FromStringAndSize(<char *>wire, owner_size)
    lookup_key = _lookup_key(wire, owner_size)
    made = PyType_GenericAlloc(<PyTypeObject *>_event_class, 8)
    _set(made, 0, owner)
    _set(made, 1, rdtype)
    _set(made, 2, ttl)
    _set(made, 3, rdatas)
    _set(made, 4, metadatas)
    _set(made, 5, True)
    _set(made, 6, lookup_key)
    _set(made, 7, "")
    # Nothing in it can lead back to it: the collector of cycles need not look at tens of thousands of these.
    PyObject_GC_UnTrack(rdatas)
    PyObject_GC_UnTrack(made)
    return made


cdef object _record_class = None
cdef object _topic = None


def line_decoder(kind, topic):
    """Make what decodes lines of a file log to `kind`, which is Record, of this topic."""
    global _record_class, _topic
    _record_class, _topic = kind, topic
    return decode_line


def decode_line(bytes line not None, partition, position):
    """As filelog.decode_line for a line whose key and value are plain, with a timestamp; None for all others."""
    cdef const char *p = PyBytes_AS_STRING(line)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(line)
    cdef const char *end = p + size
    cdef const char *value
    cdef Text key, digits
    cdef Fields[MOST_RECORDS] fields
    cdef int count
    cdef int64_t number
    if size > MOST_OCTETS or size < 8 or memcmp(p, b'{"key":', 7):
        return None
    p = _string(_spaces(p + 7, end), end, &key)
    p = _sign(p, end, b",") if p != NULL else NULL
    if p == NULL or end - p < 8 or memcmp(p, b'"value":', 8):
        return None
    value = _spaces(p + 8, end)
    p = _value(value, end, fields, &count)
    if p == NULL:
        return None
    size = p - value
    p = _sign(p, end, b",")
    if p == NULL or end - p < 12 or memcmp(p, b'"timestamp":', 12):
        return None
    p = _digits(_spaces(p + 12, end), end, 18, &digits, &number)
    p = _spaces(p, end) if p != NULL else NULL
    if p == NULL or p + 1 != end or p[0] != b"}":
        return None
    timestamp = number
    name = PyBytes_FromStringAndSize(key.at, key.size)
    payload = PyBytes_FromStringAndSize(value, size)
    made = PyType_GenericAlloc(<PyTypeObject *>_record_class, 8)
    _set(made, 0, _topic)
    _set(made, 1, partition)
    _set(made, 2, position)
    _set(made, 3, timestamp)
    _set(made, 4, name)
    _set(made, 5, payload)
    _set(made, 6, None)
    _set(made, 7, "entry")
    PyObject_GC_UnTrack(made)
    return made
