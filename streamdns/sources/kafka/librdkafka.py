"""Shared by all that use librdkafka: its options, and its complaints in our words.

Nothing here imports the library, which is loaded where it is used.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Final, Protocol

from streamdns.sources.kafka.config import KafkaConfig

#: For so long an answer is waited for.
TIMEOUT_S: Final = 4.0
#: What is fatal librdkafka itself would write to standard error, at any log level; it is told as an error, too.
SILENT: Final = logging.Logger("librdkafka", logging.CRITICAL + 1)
#: "ssl://[::1]:9093/bootstrap: what went wrong (after 7ms in state CONNECT, 3 identical error(s) suppressed)".
_COMPLAINT: Final = re.compile(r"(?:\w+://)?(\S+)/(bootstrap|-?\d+): (.*?)(?: \(after \d+ms in state .*\))?")
_OFFERED: Final = re.compile(r".* mechanism handshake failed: .*broker's supported mechanisms: ?(.*)")
#: What brokers say of a client without a certificate, or with one that they do not trust.
_WANTS_CERTIFICATE: Final = ("alert bad certificate", "certificate required", "alert handshake failure")
_OPENSSL: Final = re.compile(r".*error:[0-9A-F]+:[^:]*::(.*?)(?:: SSL alert number \d+)?")


def connection_options(config: KafkaConfig) -> dict[str, Any]:
    """Give the options by which librdkafka reaches the cluster; none ever creates a topic."""
    options: dict[str, Any] = {
        "bootstrap.servers": ",".join(config.addresses),
        "security.protocol": config.security_protocol(),
        "allow.auto.create.topics": False,
        "reconnect.backoff.ms": 200,
        "reconnect.backoff.max.ms": 1000,
        "socket.timeout.ms": 10000,
        "socket.keepalive.enable": True,
        "socket.nagle.disable": True,
        "topic.metadata.refresh.interval.ms": 10000,
        "log_level": 0,
    }
    if config.mechanism:
        options |= {"sasl.mechanism": config.mechanism, "sasl.username": config.user, "sasl.password": config.password}
    if config.tls:
        files = {"ssl.ca.location": config.ca, "ssl.certificate.location": config.certificate,
                 "ssl.key.location": config.key or config.certificate}
        options |= {name: path for name, path in files.items() if path}
    return options


class LibraryError(Protocol):
    """The methods that are used of a KafkaError."""

    def name(self) -> str: ...

    def str(self) -> str: ...


class Complaints:
    """Collects what librdkafka says about brokers while a question waits, in words for an administrator.

    `refused` is what another address would say, too, "" as long as nothing was; `uncertified` the address of a broker
    whose certificate is not accepted. `hopeless` is true when librdkafka has tried all addresses, or cannot connect to
    a broker that the cluster named: it would go on trying, though another client might be told of another broker.
    """

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self.clear()

    def clear(self) -> None:
        """Forget everything, because another question is asked."""
        self._words: dict[str, str] = {}
        self.refused = self.uncertified = ""
        self._all_down = self.hopeless = False

    def hear(self, error: LibraryError) -> None:
        """Take in an error of librdkafka's; called in the library's thread."""
        if error.name() == "_ALL_BROKERS_DOWN":
            self._all_down = self.hopeless = True
            return
        found = _COMPLAINT.fullmatch(error.str())
        if found is None:
            return
        address, words = found[1], found[3]
        if error.name() == "_AUTHENTICATION":
            self.refused = f"Kafka at {address}: {self._login(words)}"
        elif error.name() == "_SSL":
            self.refused = f"Kafka at {address}: {_tls(words)}"
            self.uncertified = address if "certificate verify failed" in words else ""
        else:
            self._words[address] = _connection(words)
            self.hopeless |= found[2] != "bootstrap" and words.startswith("Connect to ")

    def told(self, *, connected: bool) -> str:
        """Say of each address what is wrong there; `connected`: whether a broker had answered before."""
        said = dict(self._words)
        if not connected or not said:
            hung_up = f"the broker closed the connection{self._hint(connected)}"
            silent = hung_up if self._all_down else f"no answer within {TIMEOUT_S:g} s"
            said |= {address: silent for address in self._config.addresses if address not in said}
        return "; ".join(f"Kafka at {address}: {words}" for address, words in said.items())

    def _login(self, words: str) -> str:
        offered = _OFFERED.fullmatch(words)
        if offered is not None:
            there = offered[1].replace(",", ", ") or "no SASL here"
            return f"the broker does not offer {self._config.mechanism}, it offers {there}"
        return f"authentication as {self._config.user} failed: {words.removeprefix('SASL authentication error: ')}"

    def _hint(self, connected: bool) -> str:
        """Guess why a broker hangs up on a first request, because librdkafka says nothing about it."""
        if connected or self._config.mechanism:
            return ""
        return f" (perhaps it wants {'a client certificate or SASL' if self._config.tls else 'TLS or SASL'})"


def _tls(words: str) -> str:
    if "connecting to a PLAINTEXT broker listener?" in words:
        return "TLS failed: the broker closed the connection (perhaps it speaks plain text)"
    found = _OPENSSL.fullmatch(words)
    reason = (found[1] if found else words).lower()
    if "wrong version number" in reason or "record layer failure" in reason:
        return "TLS failed: what answers speaks no TLS (perhaps it is the port for plain text)"
    if any(alert in reason for alert in _WANTS_CERTIFICATE):
        return f"TLS failed: {reason} (see DNS_KAFKA_TLS_CERT)"
    return f"TLS failed: {(found[1] if found else words.removeprefix('SSL handshake failed: ')).lower()}"


def _connection(words: str) -> str:
    """Put a failure to connect into words, without the address, which is said before."""
    if "SSL" in words:
        return _tls(words)
    if "Invalid response size" in words:
        return "what answers there is no Kafka broker, or wants TLS"
    what = re.sub(r"^(?:Connect to \S+ failed|Failed to resolve '.*?'): ", "", words)
    return what[:1].lower() + what[1:]
