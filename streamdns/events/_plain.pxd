# What events/_plain.pyx looks at JSON with.

from libc.stdint cimport int64_t
from libc.string cimport memcmp


cdef struct Text:
    const char *at
    Py_ssize_t size


cdef struct Fields:
    Text name
    Text type
    Text content
    Text created  # digits
    Text producer
    int64_t ttl  # -1: none
    bint has_quotes  # in its content, with a backslash before each
    bint has_metadatas


cdef inline bint _stands(char octet) noexcept nogil:
    """Whether it stands in a plain string as it is."""
    return 0x20 <= octet <= 0x7E and octet != c'"' and octet != c'\\'


cdef inline const char *_spaces(const char *p, const char *end) noexcept nogil:
    while p < end and p[0] == b" ":
        p += 1
    return p


cdef inline const char *_sign(const char *p, const char *end, char sign) noexcept nogil:
    """Behind a sign with spaces around it; NULL where it is not there."""
    p = _spaces(p, end)
    return _spaces(p + 1, end) if p < end and p[0] == sign else NULL


cdef inline const char *_string(const char *p, const char *end, Text *found) noexcept nogil:
    if p >= end or p[0] != b'"':
        return NULL
    p += 1
    found.at = p
    while p < end and _stands(p[0]):
        p += 1
    if p >= end or p[0] != b'"':
        return NULL
    found.size = p - found.at
    return p + 1


cdef inline const char *_digits(const char *p, const char *end, int most, Text *found, int64_t *number) noexcept nogil:
    """A number of up to `most` digits, which has to be followed by something else."""
    found.at = p
    number[0] = 0
    while p < end and c'0' <= p[0] <= c'9':
        if p - found.at >= most:
            return NULL
        number[0] = 10 * number[0] + (p[0] - c'0')
        p += 1
    found.size = p - found.at
    if not found.size or p >= end or (found.size > 1 and found.at[0] == b"0"):
        return NULL
    return p


cdef inline bint _is(Text *text, const char *wanted, Py_ssize_t size) noexcept nogil:
    return text.size == size and not memcmp(text.at, wanted, size)
