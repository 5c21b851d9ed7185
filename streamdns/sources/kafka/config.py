"""The part of the settings that says how to reach a Kafka cluster and what to read there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from streamdns.settings import Settings

MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConfig:
    """What the settings say about Kafka.

    `addresses` are host:port; `client` is auto, pykafka or confluent; `mechanism` is "" without SASL, else one of
    MECHANISMS; `ca`, `certificate` and `key` are paths of PEM files, "" for the system's CAs and for none. A partition
    is asked for `fetch_bytes` at a time, and never for more than `fetch_max_bytes`. Who writes chooses partitions by
    `partitioner`, as librdkafka names them, and gives up after `delivery_timeout_s`.
    """

    addresses: tuple[str, ...]
    topics: tuple[str, ...]
    client: str = "auto"
    group: str = "streamdns"
    mechanism: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = ""
    fetch_bytes: int = 1 << 18
    fetch_max_bytes: int = 16 << 20
    allow_lossy_topic: bool = False
    partitioner: str = "murmur2_random"
    delivery_timeout_s: float = 30.0
    tls_settings: ClassVar[str] = "DNS_KAFKA_TLS"

    def hosts(self) -> tuple[tuple[str, int], ...]:
        """Split the addresses into (host, port); IPv6 addresses lose their brackets."""
        pairs = (address.rpartition(":") for address in self.addresses)
        return tuple((host.removeprefix("[").removesuffix("]"), int(port)) for host, _, port in pairs)

    def security_protocol(self) -> str:
        """Name the kind of connection as Kafka does, SASL_SSL for instance."""
        return f"SASL_{'SSL' if self.tls else 'PLAINTEXT'}" if self.mechanism else "SSL" if self.tls else "PLAINTEXT"


def from_settings(settings: Settings) -> KafkaConfig:
    """Take what the settings say about Kafka."""
    return KafkaConfig(
        addresses=settings.kafka_address,
        topics=settings.kafka_topics,
        client=settings.kafka_client,
        group=settings.kafka_group,
        mechanism=settings.kafka_sasl_mechanism if settings.kafka_sasl_enable else "",
        user=settings.kafka_user,
        password=settings.kafka_password,
        tls=settings.kafka_tls_enable,
        ca=settings.kafka_tls_ca,
        certificate=settings.kafka_tls_cert,
        key=settings.kafka_tls_key,
        fetch_bytes=settings.kafka_fetch_bytes,
        fetch_max_bytes=settings.kafka_fetch_max_bytes,
        allow_lossy_topic=settings.kafka_allow_lossy_topic,
        partitioner=settings.kafka_partitioner,
        delivery_timeout_s=settings.kafka_delivery_timeout_s,
    )
