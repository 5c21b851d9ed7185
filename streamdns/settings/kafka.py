"""Settings of the Kafka source: their rows in the table, and the checks of how they fit together."""

from __future__ import annotations

from typing import Any, Final

from streamdns.settings import parsers, secret_file
from streamdns.settings.row import Setting, bool_row, integer_row, seconds_row

_MECHANISMS: Final = {
    "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512", "sha256": "SCRAM-SHA-256",
    "sha512": "SCRAM-SHA-512", "plain": "PLAIN",
}
_PARTITIONERS: Final = ("murmur2_random", "murmur2", "consistent_random", "consistent", "fnv1a_random", "fnv1a")
_PARTITIONER_NAMES: Final = {"java": "murmur2_random", "librdkafka": "consistent_random", "sarama": "fnv1a_random"}

KAFKA: Final[tuple[Setting, ...]] = (
    Setting(
        name="DNS_KAFKA_ADDRESS", attribute="kafka_address", parse=parsers.parse_brokers, default="", unset=(),
        unset_means="no Kafka", description="The Kafka brokers to connect to first; they name the others.",
        allowed="one or several of host:port, separated by space or comma; the port is 9092 unless given",
    ),
    Setting(
        name="DNS_KAFKA_TOPICS", attribute="kafka_topics", parse=parsers.parse_topics, default="", unset=(),
        unset_means="the value of DNS_KAFKA_TOPIC", description="The topics that hold the events of the zones.",
        allowed="names of topics, separated by space or comma",
    ),
    Setting(
        name="DNS_KAFKA_TOPIC", attribute="kafka_topic", parse=parsers.parse_topics, default="", unset=(),
        unset_means="the value of DNS_KAFKA_TOPICS", description="The same as DNS_KAFKA_TOPICS; give one of them.",
        allowed="names of topics, separated by space or comma",
    ),
    Setting(
        name="DNS_KAFKA_CLIENT", attribute="kafka_client", parse=parsers.choice("auto", "pykafka", "confluent"),
        default="auto",
        description="The client library that reads Kafka: auto takes pykafka where the brokers, the topic and the "
                    "log-in allow it, else confluent-kafka.",
        allowed="auto, pykafka or confluent",
    ),
    Setting(
        name="DNS_KAFKA_GROUP", attribute="kafka_group", parse=parsers.parse_identity, default="", unset="",
        unset_means="streamdns- and DNS_INSTANCE_ID",
        description="The consumer group to which positions are committed for Kafka's tools; streamdns never reads them "
                    "back.",
        allowed="text of at most 255 octets",
    ),
    bool_row("DNS_KAFKA_SASL_ENABLE", "kafka_sasl_enable", "false", "Log in to Kafka with a user and a password."),
    Setting(
        name="DNS_KAFKA_SASL_MECHANISM", attribute="kafka_sasl_mechanism", default="PLAIN",
        parse=parsers.choice(aliases=_MECHANISMS), description="How to log in to Kafka.",
        allowed="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (also sha256, sha512)",
    ),
    Setting(
        name="DNS_KAFKA_USER", attribute="kafka_user", parse=parsers.parse_text, default="", unset="",
        unset_means="none", description="The user who logs in to Kafka.", allowed="text",
    ),
    Setting(
        name="DNS_KAFKA_PASSWORD", attribute="kafka_password", parse=parsers.parse_text, default="", unset="",
        unset_means="the content of DNS_KAFKA_PASSWORD_FILE", description="The password of DNS_KAFKA_USER.",
        allowed="text",
        secret=True,
    ),
    Setting(
        name="DNS_KAFKA_PASSWORD_FILE", attribute="kafka_password_file", parse=parsers.parse_text, default="", unset="",
        unset_means="none", description="A file that holds the password; a line end at its end does not count.",
        allowed="a path of a file, and DNS_KAFKA_PASSWORD unset",
    ),
    bool_row("DNS_KAFKA_TLS_ENABLE", "kafka_tls_enable", "false",
             "Connect to Kafka with TLS; the brokers' certificates and names are verified."),
    Setting(
        name="DNS_KAFKA_TLS_CA", attribute="kafka_tls_ca", parse=parsers.parse_text, default="", unset="",
        unset_means="the certificates that the system trusts",
        description="The CA certificates to verify the brokers' certificates with.", allowed="a path of a PEM file",
    ),
    Setting(
        name="DNS_KAFKA_TLS_CERT", attribute="kafka_tls_cert", parse=parsers.parse_text, default="", unset="",
        unset_means="none", description="The client certificate to show to brokers.", allowed="a path of a PEM file",
    ),
    Setting(
        name="DNS_KAFKA_TLS_KEY", attribute="kafka_tls_key", parse=parsers.parse_text, default="", unset="",
        unset_means="in the file of the certificate", description="The private key of DNS_KAFKA_TLS_CERT.",
        allowed="a path of a PEM file without a password",
    ),
    Setting(
        name="DNS_KAFKA_FETCH_BYTES", attribute="kafka_fetch_bytes", parse=parsers.size_bytes(4096, 1 << 26),
        default="256K", description="How much one fetch asks for from each partition.",
        allowed="a size in bytes from 4K to 64M (K, M: powers of 1024)",
    ),
    Setting(
        name="DNS_KAFKA_FETCH_MAX_BYTES", attribute="kafka_fetch_max_bytes", parse=parsers.size_bytes(1 << 20, 1 << 28),
        default="16M", description="The largest batch of events that is read; a larger one is an error.",
        allowed="a size in bytes from 1M to 256M (K, M: powers of 1024)",
    ),
    seconds_row("DNS_KAFKA_BACKOFF_MAX", "kafka_backoff_max_s", (0.5, 3600), "6",
                "The longest pause between two attempts to reach Kafka."),
    integer_row("DNS_KAFKA_CHECK_INTERVAL", "kafka_check_interval_s", (1, 3600), "10",
                "How often, in seconds, streamdns checks that the topic is still the same and looks for new "
                "partitions."),
    Setting(
        name="DNS_KAFKA_PARTITIONER", attribute="kafka_partitioner", default="murmur2_random",
        parse=parsers.choice(*_PARTITIONERS, aliases=_PARTITIONER_NAMES),
        description="How publish and import choose the partition of a key; all producers of the topic must choose it "
                    "in the same way.",
        allowed="murmur2_random (or java, for Java's clients), consistent_random (or librdkafka: CRC-32), "
                "fnv1a_random (or sarama, for Go's Sarama), murmur2, consistent or fnv1a",
    ),
    seconds_row("DNS_KAFKA_DELIVERY_TIMEOUT", "kafka_delivery_timeout_s", (0.5, 3600), "30",
                "How long publish and import try to deliver an event to Kafka before they give up."),
    bool_row("DNS_KAFKA_ALLOW_LOSSY_TOPIC", "kafka_allow_lossy_topic", "false",
             "Accept a topic whose settings let Kafka delete the events of names that do not change."),
)


def settle(values: dict[str, Any], *, problems: list[str], warnings: list[str]) -> None:
    """Check and complete settings that depend on each other; `values` lacks those that could not be parsed."""
    topics, topic = values.get("kafka_topics"), values.get("kafka_topic")
    if topics and topic and topics != topic:
        problems.append("DNS_KAFKA_TOPICS and DNS_KAFKA_TOPIC contradict each other; allowed: one of them")
    if topics is not None and topic is not None:
        values["kafka_topics"] = topics or topic
    secret_file.settle("DNS_KAFKA_PASSWORD", "kafka_password", values, problems, parse=parsers.parse_text)
    if values.get("source") == "kafka":
        _settle_source(values, problems)
    if values.get("kafka_tls_enable") is False:
        names = {"kafka_tls_ca": "DNS_KAFKA_TLS_CA", "kafka_tls_cert": "DNS_KAFKA_TLS_CERT"}
        warnings += [f"{name} has no effect without DNS_KAFKA_TLS_ENABLE=true" for attribute, name in names.items()
                     if values.get(attribute)]
    if values.get("kafka_sasl_enable") is False and values.get("kafka_user"):
        warnings.append("DNS_KAFKA_USER has no effect without DNS_KAFKA_SASL_ENABLE=true")


def _settle_source(values: dict[str, Any], problems: list[str]) -> None:
    missing = []
    if values.get("kafka_address") == ():
        missing.append("DNS_KAFKA_ADDRESS")
    if values.get("kafka_topics") == () and values.get("kafka_topic") == ():
        missing.append("DNS_KAFKA_TOPICS")
    if missing:
        problems.append(f"DNS_SOURCE=kafka needs {' and '.join(missing)}; allowed: host:port and names of topics")
    if values.get("kafka_sasl_enable"):
        for attribute, name in (("kafka_user", "DNS_KAFKA_USER"), ("kafka_password", "DNS_KAFKA_PASSWORD")):
            if values.get(attribute) == "":
                problems.append(f"DNS_KAFKA_SASL_ENABLE=true needs {name}; allowed: text")
        if values.get("kafka_client") == "pykafka":
            problems.append("DNS_KAFKA_CLIENT=pykafka does not speak SASL; allowed: auto or confluent")
