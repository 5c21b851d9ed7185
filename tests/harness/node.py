"""Runs a whole node on a real broker while failures happen: it asks, feeds and checks it meanwhile."""

from __future__ import annotations

import http.client
import random
import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, Self

import dns.flags
import dns.message
import dns.rcode

from streamdns.events.event import encode
from streamdns.view.reader import Inspector
from streamdns.view.view import open_readonly
from tests.harness import model as oracle
from tests.harness.background import Background
from tests.harness.kafka_topics import DEADLINE_S, Event, Seen
from tests.harness.process import wait_until
from tests.harness.server import HOST, Server

ZONE = "example.org."
#: Names that exist from the first event on; the fed ones change their address all the time, and are never deleted.
STAYING = tuple(f"stays{number}.{ZONE}" for number in range(6))
MOVING = tuple(f"moves{number}.{ZONE}" for number in range(6))
#: More than the 10 s that are promised after a return: machines of tests are slow, and this is about behaviour.
RESUMED_S = 30.0


def event(owner: str, rdtype: str, contents: list[str] | None, partition: int = 0) -> Event:
    records = [{"name": owner, "type": rdtype, "content": content, "ttl": 300} for content in contents or []]
    key, value = encode(owner, rdtype, records)
    return Event(key, None if contents is None else value, partition)


def soa() -> Event:
    return event(ZONE, "SOA", [f"ns.{ZONE} admin.{ZONE} 1 7200 3600 1209600 300"])


def foundation(*, partitions: int) -> list[Event]:
    """The zone with the names that always exist, spread over the partitions."""
    names = [*STAYING, *MOVING]
    return [soa(), *(event(name, "A", ["192.0.2.1"], at % partitions) for at, name in enumerate(names))]


def changes(count: int, *, partitions: int, seed: int) -> list[Event]:
    """Names that come, change and go; each in a partition of its own."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        number = chance.randrange(200)
        contents = None if chance.random() < 0.2 else [f"192.0.2.{chance.randrange(256)}"]
        made.append(event(f"h{number}.{ZONE}", "A", contents, number % partitions))
    return made


class Producing(Protocol):
    """Writes from another thread than the one that waits at the end."""

    #: How many events are in the log, and why others are not.
    delivered: int
    failures: list[Any]

    def write(self, events: Iterable[Event]) -> None:
        """Hand over events without waiting."""
        ...

    def finish(self) -> int:
        """Wait for all; gives the number of those that nothing was heard of."""
        ...


class Topic(Protocol):
    """The topic of a broker, whichever it is."""

    partitions: int

    def produce(self, events: Iterable[Event]) -> None: ...

    def producing(self) -> Producing: ...

    def read(self) -> list[Seen]: ...

    def ends(self) -> dict[int, int]: ...


class Prober(Background):
    """Asks over UDP for names that exist, all the time, in a thread of its own; a context manager.

    Each reply must have an address, the right one for STAYING. SERVFAIL is allowed before the first answer, silence
    only where `restarts` says that the node is killed meanwhile.
    """

    def __init__(self, server: Server, *, restarts: bool = False) -> None:
        super().__init__()
        self._port, self._restarts = server.port, restarts
        self._queries = [dns.message.make_query(name, "A") for name in (*STAYING, *MOVING)]
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def __enter__(self) -> Self:
        super().__enter__()
        wait_until(lambda: self.counts["good"] or self.wrong, "a first answer")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        super().__exit__(kind, error, at)
        if kind is None:
            self.check()

    def check(self) -> None:
        """That every reply until now was one."""
        assert not self.wrong, self.wrong[:10]
        assert self.counts["good"], "nothing was answered"
        assert self._restarts or not self.counts["silence"], self.counts

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            query = self._queries[number % len(self._queries)]
            number += 1
            query.id = number & 0xFFFF
            said = self._ask(query)
            self.counts[said] += 1
            if said not in ("good", "silence") and not (said == "SERVFAIL" and not self.counts["good"]):
                self.wrong.append(f"{said} for {query.question[0].name} after {self.counts['good']} good ones")
            self._stop.wait(0.2 if said == "silence" else 0.004)

    def _ask(self, query: dns.message.Message) -> str:
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.5 if self._restarts else 5.0)
            try:
                sock.connect((HOST, self._port))
                sock.send(query.to_wire())
                reply = dns.message.from_wire(sock.recv(4096))
            except OSError:
                return "silence"
        found = [rdata.to_text() for rrset in reply.answer for rdata in rrset]
        if reply.rcode() or not found:
            return dns.rcode.to_text(reply.rcode()) if reply.rcode() else "no answer"
        name = query.question[0].name.to_text()
        return "good" if name in MOVING or found == ["192.0.2.1"] else f"{found}"


class Feeder(Background):
    """Writes changes to a topic at a steady rate from a thread of its own, through everything; a context manager.

    At the end everything that it wrote has arrived, once each.
    """

    def __init__(self, topic: Topic, *, partitions: int, per_second: int, seed: int) -> None:
        super().__init__()
        self._topic, self._partitions, self._pause_s = topic, partitions, 10 / per_second
        self._chance = random.Random(seed)
        self._producing = topic.producing()
        self._left = 0

    @property
    def delivered(self) -> int:
        return self._producing.delivered

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        super().__exit__(kind, error, at)
        if kind is None:
            assert not self._producing.failures, self._producing.failures[0]
            assert self._left == 0, f"{self._left} did not arrive"

    def _run(self) -> None:
        while not self._stop.is_set():
            seed = self._chance.randrange(1 << 30)
            moving = self._chance.randrange(len(MOVING))
            at = (len(STAYING) + moving) % self._partitions
            moved = event(MOVING[moving], "A", [f"192.0.2.{1 + seed % 200}"], at)
            self._producing.write([*changes(9, partitions=self._partitions, seed=seed), moved])
            self._stop.wait(self._pause_s)
        self._left = self._producing.finish()


def expected(topic: Topic, before: Mapping[int, int] | None = None) -> tuple[oracle.Expected, int]:
    """The fold of all of the log, or of what is before these positions, and how many events that is."""
    log = topic.read()
    if before is not None:
        log = [each for each in log if each.offset < before.get(each.partition, 0)]
    fold = oracle.fold(
        oracle.Event(each.partition, each.timestamp, None if each.key is None else each.key.decode(),
                     None if each.value is None else each.value.decode()) for each in log
    )
    return fold, len(log)


def ends(topic: Topic) -> dict[int, int]:
    """Where each partition ends that has or had anything."""
    return topic.ends()


def is_at(server: Server, positions: dict[int, int]) -> bool:
    try:
        return server.is_ready() and {n: at for n, at in server.positions().items() if at} == positions
    except (OSError, http.client.HTTPException):
        return False


def applied(server: Server) -> float:
    """Events applied by this process; 0 as long as it cannot say."""
    try:
        return server.metrics()["streamdns_consumer_applied_total"]
    except (OSError, http.client.HTTPException):
        return 0


def ever_applied(server: Server) -> int:
    """Events that were ever applied to the view that serves, by whichever process; counted in the view itself."""
    store = open_readonly(str(server.view))
    try:
        with Inspector(store) as view:
            return view.state.applied
    finally:
        store.close()


def check(server: Server, topic: Topic) -> None:
    """The digest and the answers are those of the fold, and each event was applied once."""
    last = ends(topic)
    wait_until(lambda: is_at(server, last), f"positions {last}", timeout_s=DEADLINE_S)
    fold, count = expected(topic)
    assert int(server.status()["digest"], 16) == fold.digest
    assert ever_applied(server) == count, f"{ever_applied(server)} events were applied, {count} are in the log"
    for number in range(0, 200, 7):
        data = fold.served.get((oracle.wire_name(f"h{number}.{ZONE}"), "A"))
        found = server.answers(f"h{number}.{ZONE}")
        assert found == ([] if data is None else sorted(".".join(map(str, rdata)) for rdata in data.rdatas))


def check_between(server: Server, topic: Topic) -> None:
    """While it is fed: the digest is that of the fold of the log up to the positions of the same moment."""
    status = server.status()
    positions = {each["partition"]: each["position"] for each in status["positions"]}
    # A new leader gives nothing behind the end that it knows of, which may be before what the old one has given.
    wait_until(lambda: all(ends(topic).get(number, 0) >= at for number, at in positions.items()),
               f"the log reaches {positions}", timeout_s=DEADLINE_S)
    fold, count = expected(topic, positions)
    assert int(status["digest"], 16) == fold.digest, f"not the fold of the first {count} events, up to {positions}"
    print(f"the digest is that of the first {count} events")


def state(server: Server) -> str:
    """What the consumer says it is doing."""
    return str(server.status()["consumer"]["state"])


class Resumption:
    """How long after a return new events were answered, each printed with what it was."""

    def __init__(self, topic: Topic, server: Server) -> None:
        self._topic, self._server = topic, server
        self.seconds: list[float] = []

    def measure(self, what: str, *, since: float | None = None, partition: int = 0) -> None:
        """A new name is written now, and answered not much later; counted from `since`, a time.monotonic()."""
        since = time.monotonic() if since is None else since
        name = f"marker-{uuid.uuid4().hex[:8]}.{ZONE}"
        self._topic.produce([event(name, "A", ["192.0.2.9"], partition)])
        wait_until(lambda: self._server.answers(name), f"{name} after {what}", timeout_s=DEADLINE_S)
        self.seconds.append(time.monotonic() - since)
        print(f"resumed after {what}: {self.seconds[-1]:.1f} s")
        assert self.seconds[-1] < RESUMED_S


@contextmanager
def observed(
    server: Server, topic: Topic, *, per_second: int = 300, seed: int, restarts: bool = False
) -> Iterator[Prober]:
    """Asked and fed all the time; at the end it is what the log says."""
    with Prober(server, restarts=restarts) as prober:
        with Feeder(topic, partitions=topic.partitions, per_second=per_second, seed=seed):
            yield prober
        check(server, topic)
