"""Our own connection to a cluster: what it is, what it serves, where its logs begin and end; records go another way.

Client libraries hide what a topic's id is, and retry for ever where a password is wrong. So this is asked by hand, and
each failure is a SourceError of one sentence.
"""

from __future__ import annotations

import secrets
import ssl
import struct
from collections.abc import Iterable, Mapping
from typing import Final

from gevent import Timeout
from gevent import socket as gsocket
from gevent import ssl as gssl
from gevent.lock import RLock

from streamdns.errors import SourceError
from streamdns.events.batch import Partition
from streamdns.runtime.native import in_thread
from streamdns.sources.kafka import wire
from streamdns.sources.kafka.config import KafkaConfig, tls_context
from streamdns.sources.kafka.sasl import Scram, ScramError, plain

_MAX_REPLY_BYTES: Final = 64 << 20
TIMEOUT_S: Final = 4.0  # Twice that, where a broker falls silent, until it is said: the next one is tried.


class Refused(SourceError):
    """The broker, or we, will have none of it: another address of the same cluster would say the same."""


def context_of(config: KafkaConfig) -> gssl.SSLContext | None:
    """What TLS wants, None where there is none; made in a native thread, for reading the system's CAs takes 40 ms.

    It is made anew for each connection: certificates are replaced while we run. Raises SourceError.
    """
    if not config.tls:
        return None
    return in_thread(tls_context, config, gssl.SSLContext)


class Connection:
    """One connection to one broker, logged in and ready; raises SourceError, after which it is of no more use."""

    def __init__(self, config: KafkaConfig, host: str, port: int) -> None:
        self.name = f"{host}:{port}"
        self._config, self._correlation = config, 0
        context = context_of(config)
        self._sock = None
        try:
            with Timeout(TIMEOUT_S, TimeoutError("no answer")):
                self._sock = gsocket.create_connection((host, port), timeout=TIMEOUT_S)
                self._sock.setsockopt(gsocket.IPPROTO_TCP, gsocket.TCP_NODELAY, 1)
                if context is not None:
                    self._sock = context.wrap_socket(self._sock, server_hostname=host)
                self.versions = wire.read_api_versions(self._exchange(wire.api_versions()))
                if config.mechanism:
                    self._log_in(config.mechanism)
        except (OSError, SourceError) as error:
            self.close()
            raise self._failure(error) from error

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def ask(self, request: wire.Request) -> bytes:
        """Send a request and return the body of the reply."""
        try:
            with Timeout(TIMEOUT_S, TimeoutError("no answer")):
                return self._exchange(request)
        except (OSError, wire.WireError) as error:
            self.close()
            raise self._failure(error) from error
        except BaseException:
            self.close()  # Who asked was ended: the reply may still come, and belongs to nobody.
            raise

    @property
    def open(self) -> bool:
        """Whether it can be asked."""
        return self._sock is not None

    def _exchange(self, request: wire.Request) -> bytes:
        if self._sock is None:
            raise ConnectionError("the connection is closed")
        self._correlation += 1
        self._sock.sendall(request.frame(self._correlation))
        (size,) = struct.unpack(">i", self._exactly(4))
        if not 4 <= size <= _MAX_REPLY_BYTES:
            raise wire.WireError("what answers there is no Kafka broker, or wants TLS")
        reply = self._exactly(size)
        if struct.unpack_from(">i", reply)[0] != self._correlation:
            raise wire.WireError("the broker's reply belongs to another request")
        return reply[4:]

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            if self._sock is None:
                raise ConnectionError("the connection is closed")
            part = self._sock.recv(size - len(parts))
            if not part:
                raise ConnectionError("the broker closed the connection")
            parts += part
        return bytes(parts)

    def _log_in(self, mechanism: str) -> None:
        error, offered = wire.read_sasl_handshake(self._exchange(wire.sasl_handshake(mechanism)))
        if error:
            raise Refused(f"the broker does not offer {mechanism}, it offers {', '.join(offered) or 'no SASL here'}")
        user, password = self._config.user, self._config.password
        if mechanism == "PLAIN":
            self._authenticate(plain(user, password))
            return
        scram = Scram(mechanism, user=user, password=password, nonce=secrets.token_urlsafe(24))
        try:
            # The broker says how long this takes: 4096 rounds of hashing are 3 ms, and there may be many more.
            proof = in_thread(scram.final, self._authenticate(scram.first()))
            scram.verify(self._authenticate(proof))
        except ScramError as failure:
            raise Refused(f"authentication failed: {failure}") from failure

    def _authenticate(self, token: bytes) -> bytes:
        error, words, reply = wire.read_sasl_authenticate(self._exchange(wire.sasl_authenticate(token)))
        if error:
            reason = f"authentication as {self._config.user} failed"
            raise Refused(f"{reason}: {words or wire.error_text(error)}")
        return reply

    def _failure(self, error: Exception) -> SourceError:
        where = f"Kafka at {self.name}: "
        if isinstance(error, Refused):
            return Refused(where + str(error))
        if isinstance(error, ssl.SSLCertVerificationError):
            return Refused(f"{where}the broker's certificate is not accepted: {error.verify_message.rstrip('.')}")
        if isinstance(error, ssl.SSLError):
            reason = (error.reason or str(error)).lower().replace("_", " ")
            return Refused(f"{where}TLS failed: {reason}")
        if isinstance(error, TimeoutError):
            return SourceError(f"{where}no answer within {TIMEOUT_S:g} s")
        if isinstance(error, ConnectionResetError) or str(error) == "the broker closed the connection":
            return SourceError(f"{where}the broker closed the connection{self._hint()}")
        if isinstance(error, OSError):
            return SourceError(where + (error.strerror or str(error)).lower())
        return SourceError(where + str(error))

    def _hint(self) -> str:
        """What may be wrong where a broker hangs up on a first request."""
        if self._correlation > 2:
            return ""
        wants = "a client certificate or SASL" if self._config.tls else "TLS or SASL"
        return "" if self._config.mechanism else f" (does it want {wants}?)"


class Cluster:
    """The cluster as our own connections see it; one request at a time, any number of greenlets."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._bootstrap: Connection | None = None
        self._others: dict[tuple[str, int], Connection] = {}
        self._lock = RLock()
        self._coordinator: tuple[str, int] | None = None
        self._metadata: wire.Metadata | None = None
        self._answered = ""

    def close(self) -> None:
        connections = [*self._others.values(), *([self._bootstrap] if self._bootstrap else [])]
        self._others, self._bootstrap, self._coordinator = {}, None, None
        for connection in connections:
            connection.close()

    def addresses(self) -> tuple[str, ...]:
        """Those of the settings, the one that answered first of all: libraries are slow to leave a dead one."""
        given = self._config.addresses
        return tuple(sorted(given, key=lambda address: address != self._answered))

    def versions(self) -> dict[int, tuple[int, int]]:
        """API key to the versions that the first broker that answers serves."""
        with self._lock:
            return self._anyone().versions

    def look(self) -> wire.Metadata:
        """The cluster, its brokers and our topics, as they are now."""
        with self._lock:
            found = wire.read_metadata(self._ask_anyone(wire.metadata(self._config.topics)))
            self._metadata = found
            return found

    def topic_settings(self) -> dict[str, tuple[int, dict[str, str]]]:
        """Topic to (error code, its settings)."""
        with self._lock:
            return wire.read_describe_configs(self._ask_anyone(wire.describe_configs(self._config.topics)))

    def offsets(self, partitions: Iterable[Partition], *, at: int, committed: bool) -> dict[Partition, int]:
        """The first (EARLIEST) or next (LATEST) offset of each partition, asked of its leader."""
        with self._lock:
            found: dict[Partition, int] = {}
            for address, led in self._leaders(partitions).items():
                request = wire.list_offsets(led, at=at, committed=committed)
                for partition, (error, offset) in wire.read_list_offsets(self._ask(address, request)).items():
                    if error:
                        raise SourceError(f"{_text(partition)}: {wire.error_text(error)}")
                    found[partition] = offset
                if not found.keys() >= set(led):
                    raise SourceError("the broker does not say where all partitions begin and end")
            return found

    def stored_batch(self, partition: Partition, offset: int) -> wire.StoredBatch | None:
        """The batch that is stored at `offset` or is the next one; None where it cannot be told."""
        with self._lock:
            ((address, _),) = self._leaders([partition]).items()
            error, batch = wire.read_stored_batch(self._ask(address, wire.stored_batch(partition, offset)))
            if error:
                raise SourceError(f"{_text(partition)}: {wire.error_text(error)}")
            return batch

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Write positions down under the group's name, for Kafka's own tools; raises SourceError."""
        with self._lock:
            group = self._config.group
            if self._coordinator is None:
                error, host, port = wire.read_find_coordinator(self._ask_anyone(wire.find_coordinator(group)))
                if error:
                    raise SourceError(f"the group {group}: {wire.error_text(error)}")
                self._coordinator = (host, port)
            errors = wire.read_offset_commit(self._ask(self._coordinator, wire.offset_commit(group, positions)))
            worst = max(errors.values(), default=0)
            if worst:
                self._coordinator = None
                raise SourceError(f"the group {group}: {wire.error_text(worst)}")

    def _leaders(self, partitions: Iterable[Partition]) -> dict[tuple[str, int], list[Partition]]:
        """Address of a broker to the partitions that it leads, as of the last look."""
        known = self._metadata or self.look()
        leaders: dict[tuple[str, int], list[Partition]] = {}
        for topic, number in partitions:
            leads = known.topics[topic].leaders if topic in known.topics else {}
            error, leader = leads.get(number, (wire.UNKNOWN_TOPIC, -1))
            if leader not in known.brokers:
                reason = wire.error_text(error or wire.LEADER_UNAVAILABLE)
                raise SourceError(f"{_text((topic, number))}: {reason}")
            leaders.setdefault(known.brokers[leader], []).append((topic, number))
        return leaders

    def _anyone(self) -> Connection:
        """A connection to one of the addresses in the settings: the one that is open, or the first that answers."""
        if self._bootstrap is not None and self._bootstrap.open:
            return self._bootstrap
        failures: list[SourceError] = []
        for address, (host, port) in zip(self._config.addresses, self._config.hosts(), strict=True):
            try:
                self._bootstrap = Connection(self._config, host, port)
            except Refused:
                raise
            except SourceError as error:
                failures.append(error)
            else:
                self._answered = address
                return self._bootstrap
        raise SourceError("; ".join(map(str, failures)))

    def _ask_anyone(self, request: wire.Request) -> bytes:
        old = self._bootstrap
        try:
            return self._anyone().ask(request)
        except SourceError:
            self._bootstrap = None
            if old is None:
                raise
            # The broker that was asked so far is gone: another one may be there.
            return self._anyone().ask(request)

    def _ask(self, address: tuple[str, int], request: wire.Request) -> bytes:
        old = self._others.pop(address, None)
        if old is not None and old.open:
            try:
                reply = old.ask(request)
                self._others[address] = old
                return reply
            except SourceError:
                pass  # Brokers hang up on who was silent, or logged in, for long: that is no failure of theirs.
        connection = Connection(self._config, *address)
        reply = connection.ask(request)
        self._others[address] = connection
        return reply


def _text(partition: Partition) -> str:
    return f"topic {partition[0]}, partition {partition[1]}"
