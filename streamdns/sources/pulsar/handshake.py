"""Logs in to a Pulsar broker by hand, to learn why the client library cannot: it says "time-out" for most reasons.

Only the first exchange of the protocol is spoken: CONNECT, and CONNECTED or ERROR for an answer (PulsarApi.proto).
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from typing import Final

from gevent import socket as gsocket

from streamdns.errors import SourceError
from streamdns.sources.pulsar.config import PulsarConfig
from streamdns.sources.pulsar.token import Token
from streamdns.sources.tls import certificate_fault, context_of

_SIZE: Final = struct.Struct(">I")
_MOST_BYTES: Final = 1 << 16
_CONNECT, _CONNECTED, _ERROR = 2, 3, 14
#: A version of the protocol that every broker since 2.0 speaks.
_PROTOCOL: Final = 13
_MESSAGE: Final = 3  # Of CommandError.


def fault_of(config: PulsarConfig, token: Token) -> str:
    """Say why nobody can log in at any of the addresses, in a sentence; "" where one lets us in."""
    faults = []
    for host, port in config.hosts():
        fault = _fault_at(config, token, host, port)
        if not fault:
            return ""
        faults.append(f"Pulsar at {_shown(host, port)}: {fault}")
    return "; ".join(faults)


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _fault_at(config: PulsarConfig, token: Token, host: str, port: int) -> str:
    try:
        sock = gsocket.create_connection((host, port), timeout=config.timeout_s)
    except socket.gaierror as error:
        return f"the name {host} is not known: {(error.strerror or str(error)).lower()}"
    except TimeoutError:
        return f"no connection within {config.timeout_s} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    with sock:
        return _log_in(config, token, host, port, sock)


def _log_in(config: PulsarConfig, token: Token, host: str, port: int, sock: socket.socket) -> str:
    context = context_of(config)
    try:
        if context is not None:
            sock = context.wrap_socket(sock, server_hostname=host)
        with sock:
            sock.settimeout(config.timeout_s)
            method, data = _credentials(config, token)
            sock.sendall(connect_frame(method, data))
            return _judge(_answer(sock), method)
    except ssl.SSLCertVerificationError:
        return f"the broker's certificate is not accepted: {certificate_fault(config, host, port)}"
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        ended = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        if ended or "wrong version" in reason or "record layer" in reason:
            return "it does not speak TLS there: is it the port of pulsar://?"
        if "certificate" in reason or "alert" in reason:
            return f"it does not accept our certificate, or wants one (DNS_PULSAR_TLS_CERT): {reason}"
        return f"TLS failed: {reason}"
    except TimeoutError:
        return f"it says nothing within {config.timeout_s} s"
    except EOFError:
        if config.tls:
            return "it ends the connection: it may want a client certificate (DNS_PULSAR_TLS_CERT)"
        return "it ends the connection without a word: is it the port of pulsar+ssl://?"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    except ValueError as error:
        return f"it does not answer as Pulsar does: {error}"


def _credentials(config: PulsarConfig, token: Token) -> tuple[str, bytes]:
    if token:
        return "token", token.read().encode()
    return ("tls", b"") if config.certificate else ("none", b"")


def _judge(answer: bytes, method: str) -> str:
    found = dict(fields(answer))
    kind = found.get(1)
    if kind == _CONNECTED:
        return ""
    if kind != _ERROR:
        raise ValueError(f"its command is {kind!r}")
    error = found.get(_ERROR)
    message = dict(fields(error)).get(_MESSAGE, b"") if isinstance(error, bytes) else b""
    said = message.decode(errors="replace").strip() if isinstance(message, bytes) else ""
    if method == "none":
        return f"it wants a log-in, and has got none ({said[:200]}): set DNS_PULSAR_TOKEN or DNS_PULSAR_TLS_CERT"
    return f"the log-in is refused ({said[:200]}): see DNS_PULSAR_TOKEN and DNS_PULSAR_TLS_CERT"


def _answer(sock: socket.socket) -> bytes:
    total = _SIZE.unpack(_exactly(sock, 4))[0]
    if not 4 <= total <= _MOST_BYTES:
        raise ValueError(f"a frame of {total} octets")
    frame = _exactly(sock, total)
    size = _SIZE.unpack_from(frame)[0]
    return frame[4 : 4 + size]


def _exactly(sock: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = sock.recv(count - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def connect_frame(method: str, data: bytes) -> bytes:
    """Write CommandConnect: client version (1), authentication data (3), protocol (4), method (5)."""
    connect = _octets(1, b"streamdns") + _octets(3, data) + _number(4, _PROTOCOL) + _octets(5, method.encode())
    command = _number(1, _CONNECT) + _octets(_CONNECT, connect)
    return _SIZE.pack(len(command) + 4) + _SIZE.pack(len(command)) + command


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _octets(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Give the fields of a protobuf message: integers and octets; raises ValueError where it is none."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _read_varint(message, at)
            yield tag >> 3, value
            continue
        size, at = _read_varint(message, at) if kind == 2 else ({1: 8, 5: 4}.get(kind, len(message) + 1), at)
        if at + size > len(message):
            raise ValueError("a message that ends too early")
        yield tag >> 3, message[at : at + size]
        at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        octet = message[at]
        at += 1
        value |= (octet & 127) << shift
        if octet < 128:
            return value, at
        shift += 7
    raise ValueError("a number without an end")


def check(config: PulsarConfig, token: Token) -> None:
    """Raise SourceError where nobody lets us in, with the reason of each address."""
    fault = fault_of(config, token)
    if fault:
        raise SourceError(fault)
