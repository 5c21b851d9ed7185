# Types in C for statistics.py, which is the source.
cimport cython

from streamdns.dns.answer cimport Answerer

cdef class _Transport:
    cdef public object registry, transport, bytes_in, bytes_out, truncated, latency
    cdef public dict queries

    @cython.locals(octets_in=cython.Py_ssize_t, octets_out=cython.Py_ssize_t, answered=cython.Py_ssize_t, packet=bytes,
                   reply=bytes)
    cpdef Py_ssize_t add(self, list packets, list replies, Answerer answerer, double elapsed_s) except? -1
