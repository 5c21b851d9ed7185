# What a message of ready_answers.py, which is the source, has for Cython.

cdef class Message:
    cdef public bytes body, made, question, start, start_opt
    cdef public tuple offsets
    cdef public object foreign
    cdef public long age_s, cost, kind
    cdef public double made_s, refresh_s, until_s
    cdef public bint chained, used

    cpdef object age(self, long age_s)
