# What the answerers of flattening.py, which is the source, have for Cython.
from streamdns.dns.answer cimport Answerer

cdef class FlatteningAnswerer(Answerer):
    cdef public object recursor, apex
    cdef public bytes asker
    cdef public Py_ssize_t slot

    cpdef object flatten_elsewhere(self, object question, object target, object ttl_s, object zone, object reply)
    cpdef object finish(self, bytes packet, object reply, unsigned int qtype, bytes opt)


cdef class OwnAnswerer(Answerer):
    cpdef object flatten_elsewhere(self, object question, object target, object ttl_s, object zone, object reply)
