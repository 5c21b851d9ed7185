# Types in C for answer.py, which is the source: where it is compiled, `octets`, `name` and `entries` are the octets
# themselves, and what is indexed there has been looked at before.
cimport cython

from streamdns.dns._octets cimport message, number, piece, question_key
from streamdns.dns.ready cimport ReadyAnswers, follow, owned, to

cdef unsigned int _NAMES, _ABOVE, _BESIDE, _RARE, _BOUNDS
cdef unsigned int HAS_CNAME, HAS_DNAME, HAS_NS, HAS_SOA, HEAD_SIZE, REJECTED
cdef unsigned int ANY, CNAME, DS, NOERROR, NXDOMAIN, REFUSED, OPT, RD, ANSWER, REFUSAL
cdef Py_ssize_t _FIRST_SIZE, _AGAIN_SIZE, MAX_CHAIN, MAX_MESSAGE, MAX_UDP_PLAIN
cdef bytes _CARE, CLIENT_COOKIE_HEAD, COOKIE_HEAD, OPT_HEAD, NO_RECORDS, ONLY_OPT, ROOT


cdef class Answerer(ReadyAnswers):
    cdef public object cookies, client, later, _refusals
    cdef public Py_ssize_t deferred, _edns_size
    cdef public bint stale, _simple
    cdef public bytes opt_plain, opt_do

    @cython.locals(octets=cython.p_uchar, name=cython.p_uchar, entries=cython.p_uchar, counts=bytes, starts=list,
                   places=list, key=bytes, size=cython.Py_ssize_t, depth=cython.Py_ssize_t, at=cython.Py_ssize_t,
                   end=cython.Py_ssize_t, limit=cython.Py_ssize_t, most=cython.Py_ssize_t, opt=bytes,
                   qtype=cython.uint, care=cython.uint, chain=bytes, seen=list, cut=cython.Py_ssize_t,
                   cut_at=cython.Py_ssize_t, node=bytes, has_looked=cython.bint, d=cython.Py_ssize_t,
                   apex_at=cython.Py_ssize_t, found=bytes, bounds=cython.uint, made=bytes, source=bytes,
                   rcode=cython.uint, flags=cython.uint, entry=cython.Py_ssize_t, link=tuple, record=bytes,
                   target=bytes, lowest=cython.Py_ssize_t, apex=bytes, count=cython.Py_ssize_t,
                   begin=cython.Py_ssize_t, length=cython.Py_ssize_t, records=bytes, known=cython.bint)
    cpdef bytes reply(self, bytes packet, bint tcp, Py_ssize_t slot)

    @cython.locals(after=bytes, before=bytes, encloser=bytes, prefix=bytes, source=bytes, found=bytes,
                   start=cython.Py_ssize_t, name=cython.p_uchar)
    cpdef tuple _wildcard(
        self, bytes key, list starts, Py_ssize_t at, Py_ssize_t apex_at, Py_ssize_t below
    )

    @cython.locals(octets=cython.p_uchar, size=cython.Py_ssize_t, head=bytes, opt=bytes)
    cpdef bytes _cookie_alone(self, bytes packet, Py_ssize_t end, Py_ssize_t slot)
    cpdef bint goes_on(self, bytes packet)

    @cython.locals(qtype=cython.uint, explained=bytes, octets=cython.p_uchar)
    cpdef bytes foreign(self, bytes packet, Py_ssize_t end, Py_ssize_t limit, bytes opt, bytes key)
    cpdef object finish(self, bytes packet, object reply, unsigned int qtype, bytes opt)
