# Types in C for answering.py, which is the source: where it is compiled, `octets` are the octets of a query themselves.
cimport cython

from streamdns.dns._octets cimport headed
from streamdns.resolver.resolution.ready_answers cimport Message
from streamdns.resolver.service.flattening cimport FlatteningAnswerer

cdef unsigned int HEADER_SIZE, _LEAST_QUERY, _OPT_OCTETS, RA, RD, _CD
cdef Py_ssize_t MAX_MESSAGE, MAX_UDP_PLAIN
cdef bytes NO_RECORDS, ONLY_OPT, OPT_HEAD


cdef class RecursiveAnswerer(FlatteningAnswerer):
    cdef public object _messages, _allowed, _clock, _message, _known, _version
    cdef public Py_ssize_t _end
    cdef public bint _may, _leaves, _ours
    cdef public double _now_s

    cpdef object configure(self, object policy)
    cpdef object bind(self, object snapshot)
    cpdef object unbind(self)

    @cython.locals(made=bytes, octets=cython.p_uchar, client=bytes)
    cpdef bytes reply(self, bytes packet, bint tcp, Py_ssize_t slot)

    @cython.locals(octets=cython.p_uchar, end=cython.Py_ssize_t, limit=cython.Py_ssize_t, opt=bytes, counts=bytes,
                   size=cython.Py_ssize_t, found=Message)
    cpdef bytes _at_once(self, bytes packet, bint tcp)

    cpdef bint goes_on(self, bytes packet)
    cpdef bytes foreign(self, bytes packet, Py_ssize_t end, Py_ssize_t limit, bytes opt, bytes key)
    cpdef object find_zone(self, object question)
    cpdef object answer_delegation(self, object question, object zone, object reply)
    cpdef object finish(self, bytes packet, object reply, unsigned int qtype, bytes opt)

    @cython.locals(age_s=cython.long)
    cpdef bytes _told(self, Message known, bytes packet, Py_ssize_t end, Py_ssize_t limit, bytes opt)
