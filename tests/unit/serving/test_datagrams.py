"""Datagrams in batches: both ways, compiled and plain, do the same with real sockets of both families."""

from __future__ import annotations

import errno
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import pytest

from streamdns.dns.response_rates import network_of
from streamdns.serving.datagrams import NOT_COMPILED, Datagrams
from streamdns.serving.datagrams_plain import RECEIVE_OCTETS, PlainDatagrams
from tests.harness import ROOT
from tests.harness.process import refusing

INET, INET6 = socket.AF_INET, socket.AF_INET6
LOOPBACK = {INET: "127.0.0.1", INET6: "::1"}
EVERYWHERE = {INET: "0.0.0.0", INET6: "::"}

Make = Callable[..., Datagrams]


@pytest.fixture(params=["compiled", "plain"])
def way(request: pytest.FixtureRequest) -> str:
    """One way or the other."""
    if request.param == "compiled" and NOT_COMPILED:
        pytest.skip(f"not compiled here: {NOT_COMPILED}")
    return str(request.param)


@pytest.fixture
def make(way: str) -> Make:
    """Makes batches."""
    if way == "plain":
        return PlainDatagrams
    from streamdns.serving import _datagrams

    return _datagrams.Datagrams


@pytest.fixture(params=[INET, INET6], ids=["IPv4", "IPv6"])
def family(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def bound(family: int, host: str) -> socket.socket:
    """A non-blocking socket on a free port, that is told the addresses that were asked where it is bound to all."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if host == EVERYWHERE[socket.AddressFamily(family)]:
        if family == INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    sock.bind((host, 0))
    sock.setblocking(False)
    return sock


@pytest.fixture
def sock(family: int) -> Iterator[socket.socket]:
    with bound(family, LOOPBACK[socket.AddressFamily(family)]) as made:
        yield made


def client_of(sock: socket.socket, host: str = "") -> socket.socket:
    """A socket that sends to a server's port, from a host of the loopback."""
    family = socket.AddressFamily(sock.family)
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind((host or LOOPBACK[family], 0))
    made.connect((LOOPBACK[family], sock.getsockname()[1]))
    made.settimeout(20)
    return made


def received(batch: Datagrams, sock: socket.socket) -> list[bytes]:
    """The next batch, for which a moment may have to pass."""
    select.select([sock], [], [], 20)
    return batch.receive()


def together(
    batch: Datagrams, sock: socket.socket, queries: Sequence[bytes], clients: Sequence[socket.socket]
) -> list[bytes]:
    """A batch that has all of the queries, one of each client: they are sent again until all have come at once."""
    while True:
        for client, query in zip(clients, queries, strict=True):
            client.send(query)
        packets = received(batch, sock)
        if len(packets) == len(queries):
            return packets
        # The others are on their way: not all had come when the first one was looked for.
        left = len(queries) - len(packets)
        while left:
            left -= len(received(batch, sock))


def test_nothing_there(make: Make, sock: socket.socket) -> None:
    batch = make(sock, 4, packet_info=False)
    assert batch.receive() == []
    assert batch.send([]) == 0
    assert batch.networks(0) == []


def test_each_reply_goes_to_its_sender(make: Make, sock: socket.socket) -> None:
    """Queries of all lengths from several sockets, over more than one batch, with gaps among the replies."""
    batch = make(sock, 8, packet_info=False)
    clients = [client_of(sock) for _ in range(20)]
    queries = [b"%d" % number + bytes(number * 30) for number in range(20)]
    silent = (queries[7], queries[11])
    for client, query in zip(clients, queries, strict=True):
        client.send(query)
    seen: list[bytes] = []
    while len(seen) < 20:
        packets = received(batch, sock)
        assert 1 <= len(packets) <= 8
        seen += packets
        assert batch.send([None if packet in silent else b"re:" + packet for packet in packets]) == 0
    assert sorted(seen) == sorted(queries)
    for client, query in zip(clients, queries, strict=True):
        if query in silent:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(4096)
        else:
            assert client.recv(4096) == b"re:" + query
        client.close()


def test_no_more_than_a_batch_at_once(make: Make, sock: socket.socket) -> None:
    batch = make(sock, 2, packet_info=False)
    with client_of(sock) as client:
        for number in range(5):
            client.send(b"%d" % number)
        seen: list[bytes] = []
        while len(seen) < 5:
            packets = received(batch, sock)
            assert 1 <= len(packets) <= 2
            seen += packets
    assert sorted(seen) == [b"0", b"1", b"2", b"3", b"4"]


def test_fewer_where_fewer_are_asked_for(make: Make, sock: socket.socket) -> None:
    """The others wait; and whatever is asked for, there are never more than a batch."""
    batch = make(sock, 4, packet_info=False)
    with client_of(sock) as client:
        for number in range(9):
            client.send(b"%d" % number)
        received: list[bytes] = []
        for at_most, fewest in ((1, 1), (3, 3), (100, 4), (0, 1)):
            packets = batch.receive(at_most)
            assert len(packets) == fewest
            assert batch.client(fewest - 1)
            received += packets
        assert received == [b"%d" % number for number in range(9)]
        assert batch.receive(2) == []


def test_long_and_empty_datagrams(make: Make, sock: socket.socket) -> None:
    """A query of no octets is one; what is longer than the buffer is cut, and the next one is whole."""
    batch = make(sock, 8, packet_info=False)
    with client_of(sock) as client:
        sent = [b"", bytes(5000), b"x" * RECEIVE_OCTETS, b"last"]
        got = together(batch, sock, sent, [client] * 4)
        assert sorted(got) == sorted([b"", bytes(RECEIVE_OCTETS), b"x" * RECEIVE_OCTETS, b"last"])
        assert batch.send([b"y" * 60000, b"", None, b"end"]) == 0
        assert sorted(client.recv(65535) for _ in range(3)) == [b"", b"end", b"y" * 60000]


def test_what_the_kernel_refuses_keeps_nothing_else_back(make: Make, sock: socket.socket) -> None:
    """Replies that are too long for a datagram, first, between and last: each is counted, all others arrive."""
    batch = make(sock, 8, packet_info=False)
    with client_of(sock) as client:
        together(batch, sock, [b"query"] * 6, [client] * 6)
        long = bytes(70000)
        assert batch.send([long, b"1", long, long, b"4", long]) == 4
        assert sorted(client.recv(10) for _ in range(2)) == [b"1", b"4"]
        assert not batch.peer(3).send(long)


def test_the_address_that_was_asked_answers(make: Make, family: int) -> None:
    """A socket that is bound to all addresses replies from the one that each query was sent to, at once and later."""
    hosts = {INET: ["127.0.0.1", "127.0.0.2", "127.3.2.1"], INET6: ["::1"]}[socket.AddressFamily(family)]
    with bound(family, EVERYWHERE[socket.AddressFamily(family)]) as sock:
        batch = make(sock, 8, packet_info=True)
        clients = [socket.socket(family, socket.SOCK_DGRAM) for _ in hosts]
        for host, client in zip(hosts, clients, strict=True):
            # connect() makes it take datagrams from this address alone.
            client.connect((host, sock.getsockname()[1]))
            client.settimeout(20)
        for _ in range(3):  # The kernel writes into the headers: the second batch is as good as the first.
            packets = together(batch, sock, [host.encode() for host in hosts], clients)
            peers = [batch.peer(slot) for slot in range(len(packets))]
            assert batch.send([b"now " + packet for packet in packets]) == 0
            assert batch.receive() == []
            assert all(peer.send(b"later " + packet) for peer, packet in zip(peers, packets, strict=True))
            for host, client in zip(hosts, clients, strict=True):
                assert {client.recv(40), client.recv(40)} == {b"now " + host.encode(), b"later " + host.encode()}
        for client in clients:
            client.close()


def test_a_later_reply_goes_to_its_sender(make: Make, sock: socket.socket) -> None:
    """Also after others took the places; not when the socket was closed, for its number may be another's then."""
    batch = make(sock, 2, packet_info=False)
    with client_of(sock) as first, client_of(sock) as second:
        first.send(b"first")
        received(batch, sock)
        peer = batch.peer(0)
        second.send(b"second")
        received(batch, sock)
        assert peer.send(b"to the first")
        assert first.recv(100) == b"to the first"
        sock.close()
        assert not peer.send(b"late")


def test_clients_and_networks(make: Make, sock: socket.socket) -> None:
    """All at once or one by one they are the same numbers, and no two networks have the same."""
    batch = make(sock, 8, packet_info=False)
    hosts = ["127.0.0.1", "127.0.0.250", "127.0.1.1", "127.1.0.1"] if sock.family == INET else ["::1"] * 3
    clients = [client_of(sock, host) for host in hosts]
    packets = together(batch, sock, [host.encode() for host in hosts], clients)
    for slot, packet in enumerate(packets):
        assert batch.client(slot) == socket.inet_pton(sock.family, packet.decode())
    networks = batch.networks(len(packets))
    assert networks == [network_of(batch.client(slot)) for slot in range(len(packets))]
    by_host = {packet.decode(): network for packet, network in zip(packets, networks, strict=True)}
    if sock.family == INET:
        assert by_host["127.0.0.1"] == by_host["127.0.0.250"]
        assert len(set(networks)) == 3
    else:
        assert len(set(networks)) == 1
    for client in clients:
        client.close()


def test_slots_that_there_are_not(make: Make, sock: socket.socket) -> None:
    """What was in a buffer before is nobody's."""
    batch = make(sock, 4, packet_info=False)
    with client_of(sock) as client:
        client.send(b"x")
        received(batch, sock)
    for slot in (1, 4, 1 << 40):
        with pytest.raises(IndexError):
            batch.client(slot)
        with pytest.raises(IndexError):
            batch.peer(slot)
    with pytest.raises(IndexError):
        batch.networks(2)
    with pytest.raises(IndexError):
        batch.send([None, b"x"])


def test_a_socket_that_fails(make: Make) -> None:
    """What is wrong with the socket itself is raised, with its number."""
    with open(os.devnull, "rb") as other, socket.socket(INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK[INET], 0))
        sock.setblocking(False)
        batch = make(sock, 4, packet_info=False)
        os.dup2(other.fileno(), sock.fileno())
        with pytest.raises(OSError, match=os.strerror(errno.ENOTSOCK)) as caught:
            batch.receive()
    assert caught.value.errno == errno.ENOTSOCK


#: Receives one query and replies to it at once and later, where the kernel may say no to either; says what came of it.
_ONE_QUERY = """
import select, socket, sys
if sys.argv[1] == "compiled":
    from streamdns.serving._datagrams import Datagrams
else:
    from streamdns.serving.datagrams_plain import PlainDatagrams as Datagrams
with socket.socket(type=socket.SOCK_DGRAM) as sock, socket.socket(type=socket.SOCK_DGRAM) as client:
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    batch = Datagrams(sock, 2, packet_info=False)
    client.sendto(b"query", sock.getsockname())
    select.select([sock], [], [], 20)
    try:
        packets = batch.receive()
    except OSError as error:
        sys.exit(f"raised {error.errno}")
    print(len(packets))
    if packets:
        print(batch.send([b"now"]), batch.peer(0).send(b"later"))
"""
_BOTH_CALLS = {"receive": ("recvmmsg", "recvmsg"), "send": ("sendmmsg", "sendmsg")}


def one_query(way: str, *refused: str) -> tuple[str, str]:
    """What the program above writes where system calls are refused: output, and how it failed."""
    done = subprocess.run([*refusing(*refused), sys.executable, "-c", _ONE_QUERY, way], cwd=ROOT, capture_output=True,
                          text=True, check=False)
    return done.stdout, done.stderr.strip()


@pytest.mark.parametrize("failure", ["EAGAIN", "ECONNREFUSED", "ENOBUFS", "ENOMEM"])
def test_what_passes_is_no_failure_of_the_socket(way: str, failure: str) -> None:
    """Nothing is received, or replies are counted as refused, and the next batch is tried."""
    assert one_query(way, *(f"{call}={failure}" for call in _BOTH_CALLS["receive"])) == ("0\n", "")
    assert one_query(way, *(f"{call}={failure}" for call in _BOTH_CALLS["send"])) == ("1\n1 False\n", "")


def test_what_a_firewall_refuses_is_counted(way: str) -> None:
    """EPERM says that a filter threw the reply away; EPERM for receiving is raised when recvmsg(2) has it, too."""
    assert one_query(way, "sendmmsg=EPERM", "sendmsg=EPERM") == ("1\n1 False\n", "")
    assert one_query(way, "recvmmsg=EPERM", "recvmsg=EPERM") == ("", f"raised {errno.EPERM}")
    assert one_query(way, "recvmmsg=EBADF", "recvmsg=EBADF") == ("", f"raised {errno.EBADF}")


@pytest.mark.parametrize("failure", ["ENOSYS", "EPERM", "EACCES"])
def test_where_many_at_once_are_refused_they_go_one_by_one(way: str, failure: str) -> None:
    """A strict profile of system calls, or an old kernel."""
    assert one_query(way, f"recvmmsg={failure}", f"sendmmsg={failure}") == ("1\n0 True\n", "")


def test_nothing_is_kept(make: Make, sock: socket.socket) -> None:
    """Batches let go of all that they were given and have given."""
    batch = make(sock, 4, packet_info=False)
    reply = bytes(100) + b"a reply"
    before = sys.getrefcount(reply)
    with client_of(sock) as client:
        for _ in range(50):
            client.send(b"query")
            packets = received(batch, sock)
            assert batch.send([reply]) == 0
            assert client.recv(200) == reply
            peer = batch.peer(0)
            assert peer.send(reply)
            assert client.recv(200) == reply
            kept = sys.getrefcount(packets[0])
            assert kept == 2  # the list, and the argument
    assert sys.getrefcount(reply) == before
    users = sys.getrefcount(sock)
    del batch, peer
    assert sys.getrefcount(sock) < users
