# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What answers do most with octets, compiled; dns/octets.py says what each function is for and does the same.

Offsets are looked at before anything is read or written there: what is wrong raises IndexError.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy


cdef enum:
    HEADER = 12
    TYPE_AND_CLASS = 4


cdef int beyond() except -1:
    raise IndexError("index out of range")


cdef inline bint add_label(unsigned char *key, const unsigned char *label, unsigned int length) noexcept:
    """Write a label in lower case with what ends it; whether it has octets that keys escape."""
    cdef unsigned int each
    cdef unsigned char octet
    cdef bint escaped = False
    for each in range(length):
        octet = label[each]
        if 65 <= octet <= 90:
            octet += 32
        escaped |= octet < 2
        key[each] = octet
    key[length] = 0
    return escaped


cdef inline bytes key_of(const unsigned char *octets, Py_ssize_t total, bint *escaped):
    """The key of the labels that take so many octets from here on, the lowest of which stands last."""
    cdef bytes key = PyBytes_FromStringAndSize(NULL, total)
    cdef unsigned char *place = <unsigned char *>PyBytes_AS_STRING(key) + total
    cdef const unsigned char *end = octets + total
    cdef unsigned int length
    escaped[0] = False
    while octets < end:
        length = octets[0]
        place -= length + 1
        escaped[0] |= add_label(place, octets + 1, length)
        octets += length + 1
    return key


cpdef bytes question_key(bytes packet, list starts):
    """As octets.question_key."""
    cdef const unsigned char *octets = <const unsigned char *>PyBytes_AS_STRING(packet)
    cdef Py_ssize_t last = PyBytes_GET_SIZE(packet) - TYPE_AND_CLASS - 1, at = HEADER
    cdef unsigned int length
    cdef bint escaped
    if PyBytes_GET_SIZE(packet) <= HEADER:
        beyond()
    length = octets[at]
    while length:
        starts.append(at)
        at += length + 1
        if length > 63 or at > last:
            return None
        length = octets[at]
    cdef bytes key = key_of(octets + HEADER, at - HEADER, &escaped)
    return b"" if escaped else key


cpdef bytes labels_key(bytes octets, Py_ssize_t at, list starts):
    """As octets.labels_key."""
    cdef const unsigned char *place = <const unsigned char *>PyBytes_AS_STRING(octets)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(octets), start = at
    cdef unsigned int length
    cdef bint escaped
    if not 0 <= at < size:
        beyond()
    length = place[at]
    while 0 < length < 64:
        starts.append(at)
        at += length + 1
        if at >= size:
            beyond()
        length = place[at]
    cdef bytes key = key_of(place + start, at - start, &escaped)
    return None if escaped else key


cpdef bytes below(bytes key, Py_ssize_t end, bytes octets, Py_ssize_t at):
    """As octets.below."""
    cdef const unsigned char *place = <const unsigned char *>PyBytes_AS_STRING(octets)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(octets)
    if not (0 <= at < size and 0 <= end <= PyBytes_GET_SIZE(key)) or at + place[at] >= size:
        beyond()
    cdef unsigned int length = place[at]
    cdef bytes made = PyBytes_FromStringAndSize(NULL, end + length + 1)
    cdef unsigned char *to = <unsigned char *>PyBytes_AS_STRING(made)
    memcpy(to, PyBytes_AS_STRING(key), end)
    return None if add_label(to + end, place + at + 1, length) else made


cpdef bytes pointing(bytes octets, Py_ssize_t first, Py_ssize_t second, Py_ssize_t third, bytes pointer):
    """As octets.pointing."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(octets) - first
    if PyBytes_GET_SIZE(pointer) != 2 or not (
        0 <= first and first + 2 <= second and second + 2 <= third and third + 2 <= PyBytes_GET_SIZE(octets)
    ):
        beyond()
    cdef const char *pair = PyBytes_AS_STRING(pointer)
    cdef bytes made = PyBytes_FromStringAndSize(PyBytes_AS_STRING(octets) + first, size)
    cdef char *to = PyBytes_AS_STRING(made)
    memcpy(to, pair, 2)
    memcpy(to + second - first, pair, 2)
    memcpy(to + third - first, pair, 2)
    return made


cdef inline void put(unsigned char *at, unsigned int value) noexcept:
    at[0] = value >> 8 & 255
    at[1] = value & 255


cpdef bytes message(
    bytes packet, Py_ssize_t end, unsigned int flags, unsigned int answers, unsigned int authorities,
    unsigned int additionals, bytes body, bytes opt,
):
    """As octets.message."""
    cdef Py_ssize_t of_body = PyBytes_GET_SIZE(body), of_opt = PyBytes_GET_SIZE(opt)
    if not HEADER <= end <= PyBytes_GET_SIZE(packet):
        beyond()
    cdef bytes made = PyBytes_FromStringAndSize(NULL, end + of_body + of_opt)
    cdef unsigned char *octets = <unsigned char *>PyBytes_AS_STRING(made)
    memcpy(octets, PyBytes_AS_STRING(packet), end)
    put(octets + 2, flags)
    put(octets + 4, 1)
    put(octets + 6, answers)
    put(octets + 8, authorities)
    put(octets + 10, additionals + 1 if of_opt else additionals)
    memcpy(octets + end, PyBytes_AS_STRING(body), of_body)
    memcpy(octets + end + of_body, PyBytes_AS_STRING(opt), of_opt)
    return made


cpdef bytes headed(bytes packet, Py_ssize_t end, bytes head, bytes body, bytes opt):
    """As octets.headed."""
    cdef Py_ssize_t of_body = PyBytes_GET_SIZE(body), of_opt = PyBytes_GET_SIZE(opt)
    if not HEADER <= end <= PyBytes_GET_SIZE(packet) or PyBytes_GET_SIZE(head) != HEADER - 2:
        beyond()
    cdef bytes made = PyBytes_FromStringAndSize(NULL, end + of_body + of_opt)
    cdef char *octets = PyBytes_AS_STRING(made)
    memcpy(octets, PyBytes_AS_STRING(packet), end)
    memcpy(octets + 2, PyBytes_AS_STRING(head), HEADER - 2)
    memcpy(octets + end, PyBytes_AS_STRING(body), of_body)
    memcpy(octets + end + of_body, PyBytes_AS_STRING(opt), of_opt)
    return made


cpdef bytes piece(bytes octets, Py_ssize_t begin, Py_ssize_t length):
    """As octets.piece."""
    if begin < 0 or length < 0 or begin + length > PyBytes_GET_SIZE(octets):
        beyond()
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(octets) + begin, length)


cpdef Py_ssize_t number(bytes octets, Py_ssize_t at) except -1:
    """As octets.number."""
    cdef const unsigned char *place = <const unsigned char *>PyBytes_AS_STRING(octets) + at
    if at < 0 or at + 4 > PyBytes_GET_SIZE(octets):
        beyond()
    return <Py_ssize_t>place[0] << 24 | place[1] << 16 | place[2] << 8 | place[3]
