# What a responder of responder.py, which is the source, has for Cython.
from streamdns.dns.answer cimport Answerer

cdef class Responder:
    cdef public Answerer answerer
    cdef object _take_snapshot, _statistics
