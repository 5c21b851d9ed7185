from libc.stdint cimport uint64_t


cdef bint words_of(bytes owner, bytes records, uint64_t *h) noexcept
