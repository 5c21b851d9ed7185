# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Receives and sends many datagrams per system call: recvmmsg(2) and sendmmsg(2) of Linux, compiled.

serving/datagrams.py says what each method is for; where this is not compiled, serving/datagrams_plain.py does the same.

A reply goes out with the address and the control data (IP_PKTINFO) that its query came in with, and straight from the
octets of its object: what is made for a datagram is the object of its octets, and nothing else.
"""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport (
    EACCES, EAGAIN, ECONNREFUSED, EHOSTUNREACH, EINTR, ENETUNREACH, ENOBUFS, ENOMEM, ENOSYS, EPERM, errno,
)
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy


cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len


cdef extern from "<netinet/in.h>" nogil:
    enum: AF_INET6
    struct in_pktinfo:
        pass
    struct in6_pktinfo:
        pass
    struct sockaddr_in:
        pass
    struct sockaddr_in6:
        pass


# The kernel's calls do not block here, so the interpreter's lock is kept: to give it up would let a busy thread take it.
cdef extern from "<sys/socket.h>" nogil:
    enum: MSG_DONTWAIT
    struct msghdr:
        void *msg_name
        unsigned int msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    size_t CMSG_SPACE(size_t octets)
    int recvmmsg(int fd, mmsghdr *headers, unsigned int count, int flags, void *timeout)
    int sendmmsg(int fd, mmsghdr *headers, unsigned int count, int flags)
    ssize_t recvmsg(int fd, msghdr *header, int flags)
    ssize_t sendmsg(int fd, msghdr *header, int flags)


cdef enum:
    RECEIVE = 4096
    ADDRESS = 32  # struct sockaddr_in6 has 28
    CONTROL = 64  # CMSG_SPACE of struct in6_pktinfo is 40


cdef struct Way:
    # Where a datagram came from and which of our addresses it asked, as the kernel tells both and takes them.
    char address[ADDRESS]
    char control[CONTROL]


RECEIVE_OCTETS = RECEIVE


cdef bint passing(int number) noexcept:
    # What a datagram that was sent before may leave behind on the socket, or nothing at all.
    return number in (EAGAIN, EINTR, ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ENOBUFS, ENOMEM)


cdef bint unknown(int number) noexcept:
    # What a kernel or a profile says that does not let recvmmsg(2) and sendmmsg(2) through.
    return number in (ENOSYS, EPERM, EACCES)


cdef class Peer:
    """The sender of a datagram, for a reply that is sent after the buffers were used again."""

    cdef object sock
    cdef Way way
    cdef msghdr header
    cdef iovec octets

    def send(self, bytes reply not None) -> bool:
        """Send a reply from the address that was asked; False where the kernel does not take it."""
        # A socket that was closed has no number any more.
        cdef int fd = self.sock.fileno()
        self.octets.iov_base = PyBytes_AS_STRING(reply)
        self.octets.iov_len = PyBytes_GET_SIZE(reply)
        return sendmsg(fd, &self.header, MSG_DONTWAIT) >= 0


cdef class Datagrams:
    """Buffers for up to `most` datagrams of a non-blocking socket; see serving/datagrams.py."""

    cdef object sock
    cdef int fd
    cdef unsigned int most, wanted, received
    cdef bint many, inet6
    cdef unsigned int address_octets
    cdef size_t control_octets
    cdef char *data
    cdef Way *ways
    cdef iovec *octets_in
    cdef iovec *octets_out
    cdef mmsghdr *headers_in
    cdef mmsghdr *headers_out

    def __cinit__(self, sock, unsigned int most, *, bint packet_info) -> None:
        cdef unsigned int slot
        if most == 0:
            raise ValueError("a batch has at least one datagram")
        self.sock, self.fd, self.most, self.many = sock, sock.fileno(), most, True
        self.inet6 = sock.family == AF_INET6
        self.address_octets = sizeof(sockaddr_in6) if self.inet6 else sizeof(sockaddr_in)
        if packet_info:
            self.control_octets = CMSG_SPACE(sizeof(in6_pktinfo) if self.inet6 else sizeof(in_pktinfo))
        self.data = <char *>calloc(most, RECEIVE)
        self.ways = <Way *>calloc(most, sizeof(Way))
        self.octets_in = <iovec *>calloc(most, sizeof(iovec))
        self.octets_out = <iovec *>calloc(most, sizeof(iovec))
        self.headers_in = <mmsghdr *>calloc(most, sizeof(mmsghdr))
        self.headers_out = <mmsghdr *>calloc(most, sizeof(mmsghdr))
        if not (self.data and self.ways and self.octets_in and self.octets_out and self.headers_in
                and self.headers_out):
            raise MemoryError
        for slot in range(most):
            self.octets_in[slot].iov_base = self.data + <size_t>slot * RECEIVE
            self.octets_in[slot].iov_len = RECEIVE
            self.headers_in[slot].msg_hdr.msg_name = self.ways[slot].address
            self.headers_in[slot].msg_hdr.msg_iov = &self.octets_in[slot]
            self.headers_in[slot].msg_hdr.msg_iovlen = 1
            if packet_info:
                self.headers_in[slot].msg_hdr.msg_control = self.ways[slot].control
            self.headers_out[slot].msg_hdr.msg_iov = &self.octets_out[slot]
            self.headers_out[slot].msg_hdr.msg_iovlen = 1
        self.received = most

    def __dealloc__(self) -> None:
        free(self.data)
        free(self.ways)
        free(self.octets_in)
        free(self.octets_out)
        free(self.headers_in)
        free(self.headers_out)

    def receive(self, unsigned int at_most=0) -> list:
        """Receive the waiting datagrams, each cut to RECEIVE_OCTETS; empty where there are none. Raises OSError."""
        cdef unsigned int slot
        self.wanted = at_most if 0 < at_most < self.most else self.most
        # The kernel wrote the lengths of what it filled over those of the buffers, of the last batch alone.
        for slot in range(self.received):
            self.headers_in[slot].msg_hdr.msg_namelen = self.address_octets
            self.headers_in[slot].msg_hdr.msg_controllen = self.control_octets
        self.received = 0
        cdef int count = self._receive_many() if self.many else self._receive_each()
        self.received = count
        cdef list packets = []
        for slot in range(self.received):
            packets.append(PyBytes_FromStringAndSize(self.data + <size_t>slot * RECEIVE, self.headers_in[slot].msg_len))
        return packets

    cdef int _receive_many(self) except -1:
        cdef int count = recvmmsg(self.fd, self.headers_in, self.wanted, MSG_DONTWAIT, NULL)
        cdef int number = errno
        if count >= 0:
            return count
        if passing(number):
            return 0
        if not unknown(number):
            raise OSError(number, os.strerror(number))
        # A profile of system calls that does not know recvmmsg(2), or an old kernel: one at a time then.
        self.many = False
        return self._receive_each()

    cdef int _receive_each(self) except -1:
        cdef unsigned int slot
        cdef ssize_t length
        cdef int number
        for slot in range(self.wanted):
            length = recvmsg(self.fd, &self.headers_in[slot].msg_hdr, MSG_DONTWAIT)
            if length < 0:
                number = errno
                if slot or passing(number):
                    return slot
                raise OSError(number, os.strerror(number))
            self.headers_in[slot].msg_len = <unsigned int>length
        return self.wanted

    cdef int _check(self, Py_ssize_t slot) except -1:
        if not 0 <= slot < self.received:
            raise IndexError(f"the last batch has no datagram {slot}")
        return 0

    def client(self, Py_ssize_t slot) -> bytes:
        """Return the octets of the address that datagram `slot` came from."""
        self._check(slot)
        if self.inet6:
            return PyBytes_FromStringAndSize(self.ways[slot].address + 8, 16)
        return PyBytes_FromStringAndSize(self.ways[slot].address + 4, 4)

    def networks(self, Py_ssize_t count) -> list:
        """Return the networks of the first `count` datagrams as `network_of` gives them."""
        cdef Py_ssize_t slot
        cdef uint32_t prefix24
        cdef uint64_t prefix56
        cdef list found = []
        if count:
            self._check(count - 1)
        for slot in range(count):
            if self.inet6:
                memcpy(&prefix56, self.ways[slot].address + 8, 8)
                (<char *>&prefix56)[7] = 1
                found.append(prefix56)
            else:
                memcpy(&prefix24, self.ways[slot].address + 4, 4)
                (<char *>&prefix24)[3] = 0
                found.append(prefix24)
        return found

    def peer(self, Py_ssize_t slot) -> Peer:
        """Copy the sender of datagram `slot`."""
        self._check(slot)
        cdef Peer made = Peer.__new__(Peer)
        made.sock = self.sock
        made.way = self.ways[slot]
        made.header.msg_name = made.way.address
        made.header.msg_namelen = self.headers_in[slot].msg_hdr.msg_namelen
        made.header.msg_iov = &made.octets
        made.header.msg_iovlen = 1
        made.header.msg_controllen = self.headers_in[slot].msg_hdr.msg_controllen
        if made.header.msg_controllen:
            made.header.msg_control = made.way.control
        return made

    def send(self, list replies not None) -> int:
        """Send replies[i] to the sender of datagram i, None to nobody; return how many the kernel refused."""
        cdef Py_ssize_t slot, count = len(replies)
        cdef unsigned int filled = 0
        cdef msghdr *header
        cdef msghdr *query
        cdef bytes reply
        if count:
            self._check(count - 1)
        for slot in range(count):
            reply = replies[slot]
            if reply is None:
                continue
            self.octets_out[filled].iov_base = PyBytes_AS_STRING(reply)
            self.octets_out[filled].iov_len = PyBytes_GET_SIZE(reply)
            query, header = &self.headers_in[slot].msg_hdr, &self.headers_out[filled].msg_hdr
            header.msg_name, header.msg_namelen = query.msg_name, query.msg_namelen
            header.msg_controllen = query.msg_controllen
            header.msg_control = query.msg_control if query.msg_controllen else NULL
            filled += 1
        # The list keeps its replies until the kernel has copied them; no other Python code runs before that.
        return self._flush(filled)

    cdef int _flush(self, unsigned int end) noexcept:
        # What cannot be sent is passed over and counted, as UDP allows; the others go out all the same.
        cdef unsigned int first = 0
        cdef int refused = 0
        cdef int sent
        while first < end:
            sent = sendmmsg(self.fd, self.headers_out + first, end - first, MSG_DONTWAIT) if self.many else -1
            if sent <= 0 and (not self.many or unknown(errno)):
                sent = sendmsg(self.fd, &self.headers_out[first].msg_hdr, MSG_DONTWAIT) >= 0
            if sent <= 0:
                refused += 1
                sent = 1
            first += sent
        return refused
