# What ZoneAnswers has, for Cython; outcome.py is the source.

cdef class ZoneAnswers:
    cdef public object policy, listed, view
    cdef public tuple _listed_depths, _depths
    cdef public object _node, _cut, _after
    cdef public Py_ssize_t rotation

    cpdef object configure(self, object policy)
    cpdef object bind(self, object snapshot)
    cpdef object unbind(self)
    cpdef Py_ssize_t deepest_listed(self, bytes key)
    cpdef object find_zone(self, object question)
    cpdef object answer_delegation(self, object question, object zone, object reply)
    cpdef object flatten_elsewhere(self, object question, object target, object ttl_s, object zone, object reply)
