"""A scripted authoritative server on many addresses at once, over UDP and TCP: a script decides what it sends back.

Right answers come from a real server behind it, over TCP and whole; a script makes of them what it likes, or nothing.
Everything runs in one thread with an event loop of its own. It counts what it is asked, by whom and at which address.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import dns.asyncquery
import dns.exception
import dns.message

#: What a host does with TCP: answer by its script, refuse connections, or accept them and say nothing.
ANSWERS, REFUSES, HANGS = "answers", "refuses", "hangs"


class Asked(NamedTuple):
    """One query: to which of our addresses, from where, and how many such this client has sent there before it."""

    host: str
    client: str
    port: int
    tcp: bool
    query: dns.message.Message
    before: int
    phase: int


class Send(NamedTuple):
    """A packet that goes back after a while; from another address of ours, or to other ports of the client (UDP)."""

    wire: bytes
    after_s: float = 0.0
    source: str = ""
    ports: tuple[int, ...] = ()


#: What is sent back for a query, of which the second argument is the right answer, an own copy.
Script = Callable[[Asked, dns.message.Message], Iterable[Send]]


@dataclass(frozen=True, slots=True)
class Host:
    """One address: its script and what it does with TCP. One that is not there has no sockets: packets are refused.

    Of a `group` the first `bad` addresses that a client asks follow the script, the others answer right (`otherwise`):
    nobody finds the good one first by chance.
    """

    script: Script
    tcp: str = ANSWERS
    group: str = ""
    bad: int = 1
    otherwise: Script = lambda asked, answer: [Send(answer.to_wire(max_size=65535))]


@dataclass(slots=True)
class _Counted:
    queries: Counter[tuple[str, str]] = field(default_factory=Counter)
    phases: dict[tuple[str, str], int] = field(default_factory=dict)
    bad: dict[tuple[str, str], list[str]] = field(default_factory=dict)


class Misbehaving:
    """The server; a context manager. `behind` is the address of the real one, at the same port."""

    def __init__(self, hosts: Mapping[str, Host], *, behind: str, port: int = 53) -> None:
        self._hosts, self._behind, self._port = dict(hosts), behind, port
        self._counted = _Counted()
        self._lock = threading.Lock()
        self._udp: dict[str, asyncio.DatagramTransport] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self.faults: list[str] = []

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="misbehaving", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def queries(self, client: str, hosts: Iterable[str]) -> int:
        """How many queries a client has sent to these hosts."""
        with self._lock:
            return sum(self._counted.queries[host, client] for host in hosts)

    def set_phase(self, client: str, hosts: Iterable[str], phase: int) -> None:
        """From now on scripts are told this phase when this client asks these hosts; it is 0 before."""
        with self._lock:
            for host in hosts:
                self._counted.phases[host, client] = phase

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        servers = []
        try:
            for host, its in self._hosts.items():
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                self._udp[host], _ = await self._loop.create_datagram_endpoint(
                    lambda host=host: _Udp(self, host), (host, self._port), family=family  # type: ignore[misc]
                )
                if its.tcp != REFUSES:
                    servers.append(await asyncio.start_server(
                        lambda reader, writer, host=host: self._converse(host, reader, writer),
                        host, self._port, family=family,
                    ))
        except OSError as error:
            self._failure = error
            self._ready.set()
            return
        self._ready.set()
        await self._stop.wait()
        for task in list(self._tasks):
            task.cancel()
        for server in servers:
            server.close()
        for transport in self._udp.values():
            transport.close()

    # -- queries

    def begin(self, host: str, packet: bytes, client: tuple[str, int]) -> None:
        """A datagram came; it is looked at in a task of its own."""
        task = self._loop.create_task(self._over_udp(host, packet, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _over_udp(self, host: str, packet: bytes, client: tuple[str, int]) -> None:
        waited_s = 0.0
        for send in await self._sends(host, packet, client, tcp=False):
            if send.after_s > waited_s:
                await asyncio.sleep(send.after_s - waited_s)
                waited_s = send.after_s
            transport = self._udp[send.source or host]
            for port in send.ports or (client[1],):
                transport.sendto(send.wire, (client[0], port))

    async def _converse(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            client = writer.get_extra_info("peername")[:2]
            while True:
                packet = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                for send in await self._sends(host, packet, client, tcp=True):
                    await asyncio.sleep(send.after_s)
                    writer.write(len(send.wire).to_bytes(2, "big") + send.wire)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _sends(self, host: str, packet: bytes, client: tuple[str, int], *, tcp: bool) -> list[Send]:
        """What goes back: in the order of its times."""
        try:
            query = dns.message.from_wire(packet)
        except dns.exception.DNSException:
            return []
        with self._lock:
            before = self._counted.queries[host, client[0]]
            self._counted.queries[host, client[0]] += 1
            phase = self._counted.phases.get((host, client[0]), 0)
        its = self._hosts[host]
        script = its.script
        if its.group:
            bad = self._counted.bad.setdefault((its.group, client[0]), [])
            if host not in bad and len(bad) < its.bad:
                bad.append(host)
            script = its.script if host in bad else its.otherwise
        if tcp and its.tcp == HANGS:
            return []
        try:
            right = await dns.asyncquery.tcp(query, self._behind, port=self._port, timeout=10)
            asked = Asked(host, client[0], client[1], tcp, query, before, phase)
            return sorted(script(asked, right), key=lambda send: send.after_s)
        except (OSError, dns.exception.DNSException, EOFError) as error:
            self.faults.append(f"{host}: {type(error).__name__}: {error}")
            return []


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, owner: Misbehaving, host: str) -> None:
        self._owner, self._host = owner, host

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._owner.begin(self._host, data, addr[:2])
