cpdef bytes question_key(bytes packet, list starts)
cpdef bytes labels_key(bytes octets, Py_ssize_t at, list starts)
cpdef bytes below(bytes key, Py_ssize_t end, bytes octets, Py_ssize_t at)
cpdef bytes pointing(bytes octets, Py_ssize_t first, Py_ssize_t second, Py_ssize_t third, bytes pointer)
cpdef bytes message(
    bytes packet, Py_ssize_t end, unsigned int flags, unsigned int answers, unsigned int authorities,
    unsigned int additionals, bytes body, bytes opt,
)
cpdef bytes headed(bytes packet, Py_ssize_t end, bytes head, bytes body, bytes opt)
cpdef bytes piece(bytes octets, Py_ssize_t begin, Py_ssize_t length)
cpdef Py_ssize_t number(bytes octets, Py_ssize_t at) except -1
