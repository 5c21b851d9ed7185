"""One connection to one broker that asks whatever it is given: TCP, TLS and SASL, and nothing about what is asked.

librdkafka reads only what it unpacks itself. So where it is the client, what is read comes over connections of ours,
to the brokers that it names. SASL: PLAIN (RFC 4616), SCRAM-SHA-256 and -512 (RFC 5802, RFC 7677).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
from typing import Any, Final

import gevent
from gevent import socket as gsocket

from streamdns.errors import SourceError
from streamdns.runtime.native import in_thread
from streamdns.sources.kafka.client import Refused
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.error_codes import error_text
from streamdns.sources.tls import context_of

_CONNECT_S: Final = 4.0
#: TCP, TLS and SASL together: a log-in takes some rounds, and hashing.
_READY_S: Final = 10.0
_REPLY_S: Final = 15.0
_CLIENT: Final = b"streamdns"
_HANDSHAKE, _HANDSHAKE_VERSION = 17, 1
_AUTHENTICATE, _AUTHENTICATE_VERSION = 36, 0
_LENGTH = struct.Struct(">i")
#: A server that wants more rounds of its hash than this wants our processor.
_MOST_ITERATIONS: Final = 1_000_000
#: Octets of a reply beside the batches that were asked for.
_BESIDE_BYTES: Final = 1 << 20
_LOGIN_REPLY_BYTES: Final = 1 << 16


class ConnectionLost(SourceError):
    """The broker hung up or does not answer. It may do so on who was silent or logged in for long."""


class HungUp(ConnectionLost):
    """The broker closed the connection."""


class Connection:
    """A connection that is ready for requests, one at a time; raises SourceError."""

    def __init__(self, config: KafkaConfig, host: str, port: int) -> None:
        self._config, self._where = config, f"Kafka at {host}:{port}"
        self._sock: Any = None
        try:
            with gevent.Timeout(_READY_S, ConnectionLost(f"{self._where}: no answer within {_READY_S:g} s")):
                self._connect(host, port)
        except OSError as error:
            self.close()
            raise ConnectionLost(f"{self._where}: {(error.strerror or str(error)).lower()}") from error
        except BaseException:
            self.close()
            raise

    def _connect(self, host: str, port: int) -> None:
        self._sock = gsocket.create_connection((host, port), _CONNECT_S)
        self._sock.settimeout(None)
        self._sock.setsockopt(gsocket.IPPROTO_TCP, gsocket.TCP_NODELAY, 1)
        context = context_of(self._config)
        if context is not None:
            self._sock = context.wrap_socket(self._sock, server_hostname=host)
        if self._config.mechanism:
            self._log_in()

    def ask(self, request: bytes, most_bytes: int, setting: str = "") -> bytes:
        """Send a request and give its reply, both without length, the reply without correlation, too.

        Raises SourceError for a reply of more than `most_bytes`, which `setting` says, and some more for what is not
        batches.
        """
        if self._sock is None:
            raise ConnectionLost(f"{self._where}: the connection is closed")
        try:
            with gevent.Timeout(_REPLY_S, ConnectionLost(f"{self._where}: no answer within {_REPLY_S:g} s")):
                self._sock.sendall(_LENGTH.pack(len(request)) + request)
                (size,) = _LENGTH.unpack(self._receive(4))
                if not 4 <= size <= most_bytes + _BESIDE_BYTES:
                    limit = f"{setting}={most_bytes}" if setting else f"the {most_bytes} that were asked for"
                    raise SourceError(f"{self._where} sends {size} octets, which is more than {limit}")
                return bytes(self._receive(size)[4:])
        except OSError as error:
            raise ConnectionLost(f"{self._where}: {(error.strerror or str(error)).lower()}") from error

    def _receive(self, size: int) -> memoryview:
        octets = memoryview(bytearray(size))
        at = 0
        while at < size:
            got = self._sock.recv_into(octets[at:])
            if not got:
                raise HungUp(f"{self._where}: the broker closed the connection")
            at += got
        return octets

    def close(self) -> None:
        """Close it; whoever waits for a reply gets ConnectionLost."""
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def _log_in(self) -> None:
        name = self._config.mechanism.encode()
        answer = self._plainly(_HANDSHAKE, _HANDSHAKE_VERSION, struct.pack(">h", len(name)) + name)
        (error,) = struct.unpack_from(">h", answer)
        if error:
            raise Refused(f"{self._where}: {error_text(error)}")
        if self._config.mechanism == "PLAIN":
            self._say(f"\0{self._config.user}\0{self._config.password}".encode())
            return
        scram = Scram(self._config.mechanism, self._config.user, self._config.password, secrets.token_urlsafe(24))
        final = in_thread(scram.final, self._say(scram.first()))
        if not scram.is_right(self._say(final)):
            raise Refused(f"{self._where}: the broker does not know the password of {self._config.user} itself")

    def _say(self, octets: bytes) -> bytes:
        """Send one message of SASL, and give the broker's; raises Refused."""
        answer = self._plainly(_AUTHENTICATE, _AUTHENTICATE_VERSION, _LENGTH.pack(len(octets)) + octets)
        try:
            error, length = struct.unpack_from(">hh", answer)
            at = 4 + max(0, length)
            if error:
                words = answer[4:at].decode(errors="replace") or error_text(error)
                raise Refused(f"{self._where}: authentication as {self._config.user} failed: {words}")
            (size,) = _LENGTH.unpack_from(answer, at)
            return answer[at + 4 : at + 4 + max(0, size)]
        except struct.error:
            raise SourceError(f"{self._where}: the broker's answer to a log-in ends too early") from None

    def _plainly(self, api: int, version: int, body: bytes) -> bytes:
        head = struct.pack(">hhih", api, version, 0, len(_CLIENT)) + _CLIENT
        return self.ask(head + body, _LOGIN_REPLY_BYTES)


class Scram:
    """The client's side of one log-in by SCRAM (RFC 5802), without channel binding."""

    def __init__(self, mechanism: str, user: str, password: str, nonce: str) -> None:
        self._hash = mechanism.removeprefix("SCRAM-").replace("-", "").lower()
        self._bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        self._password, self._nonce = password.encode(), nonce
        self._signature = b""

    def first(self) -> bytes:
        """The first message."""
        return f"n,,{self._bare}".encode()

    def final(self, server_first: bytes) -> bytes:
        """The answer to the server's first message, with the proof; raises SourceError for one that makes no sense."""
        try:
            fields = dict(field.split("=", 1) for field in server_first.decode().split(","))
            nonce, salt, rounds = fields["r"], base64.b64decode(fields["s"]), int(fields["i"])
        except (ValueError, KeyError) as error:
            raise SourceError("the broker's answer to a log-in makes no sense") from error
        if not nonce.startswith(self._nonce) or not 1 <= rounds <= _MOST_ITERATIONS:
            raise SourceError("the broker's answer to a log-in is not to ours, or wants too much work")
        salted = hashlib.pbkdf2_hmac(self._hash, self._password, salt, rounds)
        without_proof = f"c=biws,r={nonce}"
        message = f"{self._bare},{server_first.decode()},{without_proof}".encode()
        key = hmac.digest(salted, b"Client Key", self._hash)
        signature = hmac.digest(hashlib.new(self._hash, key).digest(), message, self._hash)
        proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
        self._signature = hmac.digest(hmac.digest(salted, b"Server Key", self._hash), message, self._hash)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def is_right(self, server_final: bytes) -> bool:
        """Whether the server's last message proves that it knows the password, too."""
        return hmac.compare_digest(server_final.split(b",")[0], b"v=" + base64.b64encode(self._signature))
