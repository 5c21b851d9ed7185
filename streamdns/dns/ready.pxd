# Types in C for ready.py, which is the source: where it is compiled, `octets` and what else is declared as a pointer
# here are the octets themselves.
cimport cython

from streamdns.dns._octets cimport below, labels_key, message, number, piece, pointing
from streamdns.dns.outcome cimport ZoneAnswers

cdef unsigned int _FARTHEST, _HEAD, MAX_MESSAGE, MAX_ADDITIONAL_TARGETS, LONG_OCTETS
cdef unsigned int HAS_CNAME, HAS_SOA, REJECTED, HEAD_SIZE, ENTRY_SIZE, HAS_TEMPLATE
cdef unsigned int CNAME, NS, A, AAAA, RD, TC
cdef unsigned int REFERRAL
cdef bytes _ONE_ADDRESS
cdef tuple _POINTERS

@cython.locals(entry=cython.Py_ssize_t, end=cython.Py_ssize_t, shared=cython.Py_ssize_t,
               index=cython.Py_ssize_t, length=cython.uint, record=bytes, target=bytes, own=list, its_places=list,
               each=cython.Py_ssize_t)
cpdef tuple follow(
    bytes node, bytes key, list starts, list places, Py_ssize_t at, Py_ssize_t step, Py_ssize_t where
)

cpdef bytes to(Py_ssize_t offset)

@cython.locals(made=bytearray, length=cython.Py_ssize_t, at=cython.Py_ssize_t, high=cython.uchar, low=cython.uchar)
cpdef bytes owned(bytes records, Py_ssize_t count, bytes owner)

@cython.locals(made=object)
cpdef bytes _evenly_owned(bytes records, Py_ssize_t length, bytes owner)

@cython.locals(labels=list, above=bytes, length=cython.uint, target=cython.Py_ssize_t, below=bytes)
cpdef bytes target_of(bytes records, Py_ssize_t place, Py_ssize_t end, bytes key, Py_ssize_t at)


cdef class ReadyAnswers(ZoneAnswers):
    cdef public object tally
    cdef public Py_ssize_t truncated
    cdef public unsigned int ra

    @cython.locals(where=cython.Py_ssize_t, second=cython.Py_ssize_t, third=cython.Py_ssize_t, octets=cython.p_uchar,
                   record=bytes, flags=cython.uint)
    cpdef bytes negative(
        self, bytes packet, Py_ssize_t end, Py_ssize_t limit, bytes opt, bytes bounds, bytes apex, unsigned int rcode,
        bytes chain, Py_ssize_t links
    )

    @cython.locals(octets=cython.p_uchar)
    cpdef bytes chained(
        self, bytes packet, Py_ssize_t end, Py_ssize_t limit, bytes opt, bytes chain, Py_ssize_t count
    )

    @cython.locals(octets=cython.p_uchar, flags=cython.uint)
    cpdef bytes cut_off(self, bytes packet, Py_ssize_t end, bytes opt)

    @cython.locals(octets=cython.p_uchar, qtype=cython.uint, room=cython.Py_ssize_t, more=bytes, added=cython.Py_ssize_t,
                   flags=cython.uint, found=tuple)
    cpdef bytes with_names(
        self, bytes packet, Py_ssize_t end, Py_ssize_t limit, bytes opt, bytes records, Py_ssize_t count,
        Py_ssize_t step, bytes key, Py_ssize_t at, bytes zone
    )

    @cython.locals(octets=cython.p_uchar, entry=cython.Py_ssize_t, records=bytes, node=bytes,
                   more=bytes, added=cython.Py_ssize_t, flags=cython.uint, found=tuple)
    cpdef bytes referral(
        self, bytes packet, Py_ssize_t end, Py_ssize_t limit, bytes opt, bytes key, Py_ssize_t at, Py_ssize_t cut,
        bytes zone
    )

    @cython.locals(more=bytes, count=cython.Py_ssize_t, seen=list, start=cython.Py_ssize_t,
                   whole=cython.Py_ssize_t, behind=cython.Py_ssize_t, place=cython.Py_ssize_t, length=cython.uint, shared=cython.Py_ssize_t,
                   target=bytes, node=bytes, owner=bytes, index=cython.Py_ssize_t, entry=cython.Py_ssize_t,
                   rdtype=cython.uint, held=cython.Py_ssize_t)
    cpdef tuple addresses(
        self, bytes records, Py_ssize_t offset, Py_ssize_t end, bytes key, Py_ssize_t at, bytes zone, Py_ssize_t most
    )
