"""Opens Pulsar's client library, and says its failures in words for an administrator.

All calls block, so they are made in native threads (sources/library_thread.py, pump.py).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import certifi
import pulsar

from streamdns.errors import SourceError
from streamdns.events.message_id import MessageId, pack
from streamdns.sources.pulsar.config import PulsarConfig
from streamdns.sources.pulsar.token import Token

#: Debian's bundle of the CAs that the system trusts, for where OpenSSL's own default names no file.
_SYSTEM_CAS: Final = "/etc/ssl/certs/ca-certificates.crt"
EARLIEST: Final = pulsar.MessageId.earliest
LATEST: Final = pulsar.MessageId.latest
_WHY: Final[dict[str, str]] = {
    "TopicNotFound": "there is no such topic",
    "AuthorizationError": "no permission for the topic",
    "InvalidTopicName": "that is no name of a topic",
    "ServiceUnitNotReady": "no broker serves it at the moment",
    "NotConnected": "the connection is lost",
    "ConnectError": "no connection",
    "Timeout": "no answer in time",
    "MessageTooBig": "it is larger than the broker takes",
    "ProducerBlockedQuotaExceededError": "the topic's backlog quota is used up",
    "ProducerBlockedQuotaExceededException": "the topic's backlog quota is used up",
    "TopicTerminated": "the topic is terminated: nothing can be written to it",
}


class NoTopic(SourceError):
    """The topic is not there: it may have been deleted."""


@contextmanager
def failures(what: str) -> Iterator[None]:
    """Turn the library's exceptions into SourceError, with the library's word only where we have none."""
    try:
        yield
    except pulsar.PulsarException as error:
        kind = type(error).__name__
        text = f"{what}: {_WHY.get(kind) or f'{kind} ({str(error)[:200]})'}"
        raise (NoTopic(text) if kind == "TopicNotFound" else SourceError(text)) from error


def open_client(config: PulsarConfig, token: Token, *, timeout_s: int | None = None) -> pulsar.Client:
    """Make a client; nothing is connected yet. Host names are always verified."""
    options: dict[str, Any] = {}
    if config.tls:
        options |= {"tls_trust_certs_file_path": config.ca or _system_cas(), "tls_validate_hostname": True}
        if config.certificate:
            options |= {"tls_certificate_file_path": config.certificate,
                        "tls_private_key_file_path": config.key or config.certificate}
    if token:
        options["authentication"] = pulsar.AuthenticationToken(token.last)
    elif config.tls and config.certificate:
        options["authentication"] = pulsar.AuthenticationTLS(config.certificate, config.key or config.certificate)
    with failures("the Pulsar client does not start"):
        return pulsar.Client(
            config.url, operation_timeout_seconds=config.timeout_s if timeout_s is None else timeout_s,
            connection_timeout_ms=config.timeout_s * 1000, message_listener_threads=1, stats_interval_in_seconds=0,
            # The first client of a process decides for all; by default every one writes to standard output.
            logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, os.devnull),
            **options,
        )


def close_client(client: pulsar.Client | None) -> None:
    """Close a client with all that it has open; one that cannot be closed is given up."""
    if client is not None:
        with suppress(pulsar.PulsarException):
            client.close()


def _system_cas() -> str:
    for path in (ssl.get_default_verify_paths().cafile, _SYSTEM_CAS):
        if path and os.path.exists(path):
            return path
    return certifi.where()


def partition_topics(client: pulsar.Client, topic: str) -> dict[int, str]:
    """Ask which partitions a topic has; gives the name of each. A topic without partitions is partition 0 of itself."""
    with failures(f"Pulsar topic {topic}"):
        names: list[str] = client.get_topic_partitions(topic)
    if names == [topic]:
        return {0: topic}
    return {int(name.rpartition("-partition-")[2]): name for name in names}


def open_reader(
    client: pulsar.Client, topic: str, start: pulsar.MessageId, *, queue: int, compacted: bool = False
) -> pulsar.Reader:
    """Open a reader of one partition at a message, that one included."""
    with failures(f"Pulsar topic {topic}"):
        return client.create_reader(
            topic, start, receiver_queue_size=queue, subscription_role_prefix="streamdns", is_read_compacted=compacted,
            start_message_id_inclusive=True,
        )


def library_id(number: int, at: MessageId) -> pulsar.MessageId:
    """Give a message id of ours as the library takes it."""
    return pulsar.MessageId(number, at.ledger, at.entry, at.batch_index)


def direct(reader: pulsar.Reader) -> Any:
    """Give what reads beneath the library's Python class, which makes an object around each message.

    Its messages have the same methods; its read_next takes milliseconds.
    """
    return getattr(reader, "_reader", reader)


def place_of(message: pulsar.Message) -> int:
    """Give the position of a message; raises SourceError for an id that no position can hold."""
    at = message.message_id()
    try:
        return pack(at.ledger_id(), at.entry_id(), at.batch_index())
    except ValueError as error:
        raise SourceError(f"Pulsar topic {message.topic_name()}: {error}") from error


def key_of(message: pulsar.Message) -> str | None:
    """Give the key of a message, "" where it has none; None where it is not UTF-8."""
    try:
        key: str = message.partition_key()
    except UnicodeDecodeError:
        return None
    return key


def next_message(reader: pulsar.Reader, timeout_s: float) -> pulsar.Message | None:
    """Give the next message; None where there is none, after asking the broker for the end of the partition."""
    if not reader.has_message_available():
        return None
    return direct(reader).read_next(int(timeout_s * 1000))


def first_at(client: pulsar.Client, topic: str, start: pulsar.MessageId, *, timeout_s: float) -> pulsar.Message | None:
    """Give the first message from a place on; None where the partition has none there. Raises SourceError."""
    with failures(f"Pulsar topic {topic}"):
        reader = open_reader(client, topic, start, queue=1)
        try:
            return next_message(reader, timeout_s)
        finally:
            reader.close()
