"""Settings of the Pulsar source: their rows in the table, and the checks of how they fit together."""

from __future__ import annotations

import re
from typing import Any, Final

from streamdns.settings import parsers, secret_file
from streamdns.settings.row import Setting, integer_row, seconds_row

_TLS_SCHEME: Final = "pulsar+ssl://"
_SCHEMES: Final = ("pulsar://", _TLS_SCHEME)
_NAME: Final = r"[-=:.\w]+"
_TOPIC: Final = re.compile(rf"(?:(?:persistent://)?({_NAME})/({_NAME})/)?({_NAME})", re.ASCII)


def parse_url(text: str) -> str:
    """Parse a service URL: pulsar:// or pulsar+ssl://, and one or several of host:port, separated by comma."""
    scheme = next((each for each in _SCHEMES if text.startswith(each)), "")
    if not scheme:
        raise ValueError("does not begin with pulsar:// or pulsar+ssl://")
    addresses = text.removeprefix(scheme).removesuffix("/")
    if "/" in addresses or "@" in addresses:
        raise ValueError("has more than hosts and ports")
    port = "6651" if scheme == _TLS_SCHEME else "6650"
    return scheme + ",".join(f"{host}:{number}" for host, number in parsers.hosts_and_ports(addresses, port))


def parse_topic(text: str) -> str:
    """Parse the name of a topic; without tenant and namespace these are public and default."""
    found = _TOPIC.fullmatch(text)
    if found is None:
        raise ValueError("is not a name that Pulsar allows for a topic")
    if re.search(r"-partition-[0-9]+\Z", found[3]):
        raise ValueError("names one partition of a topic")
    return f"persistent://{found[1] or 'public'}/{found[2] or 'default'}/{found[3]}"


def parse_admin(text: str) -> str:
    """Parse the address of an admin API: http:// or https:// with a host and a port."""
    scheme, separator, rest = text.removesuffix("/").partition("://")
    if not separator or scheme not in ("http", "https") or "@" in rest or "/" in rest:
        raise ValueError("is not http:// or https:// with a host and a port")
    ((host, port),) = parsers.hosts_and_ports(rest, "8443" if scheme == "https" else "8080")[:1]
    return f"{scheme}://{host}:{port}"


def _file_row(name: str, attribute: str, unset_means: str, description: str, allowed: str) -> Setting:
    return Setting(name=name, attribute=attribute, parse=parsers.parse_text, default="", unset="",
                   unset_means=unset_means, description=description, allowed=allowed)


PULSAR: Final[tuple[Setting, ...]] = (
    Setting(
        name="DNS_PULSAR_ADDRESS", attribute="pulsar_address", parse=parse_url, default="", unset="",
        unset_means="no Pulsar",
        description="The service URL of Pulsar; with pulsar+ssl:// certificates and host names are verified.",
        allowed="pulsar:// or pulsar+ssl:// with one or several of host:port, separated by comma; the port is 6650, "
                "with TLS 6651, unless given",
    ),
    Setting(
        name="DNS_PULSAR_TOPIC", attribute="pulsar_topic", parse=parse_topic, default="", unset="",
        unset_means="none", description="The topic that holds the events of the zones.",
        allowed="persistent://tenant/namespace/topic, or a name alone for a topic in public/default",
    ),
    Setting(
        name="DNS_PULSAR_TOKEN", attribute="pulsar_token", parse=parsers.parse_text, default="", unset="", secret=True,
        unset_means="the content of DNS_PULSAR_TOKEN_FILE", description="The token to log in to Pulsar with.",
        allowed="text",
    ),
    _file_row("DNS_PULSAR_TOKEN_FILE", "pulsar_token_file", "none",
              "A file that holds the token; it is read again at each log-in, so a new token needs no restart.",
              "a path of a file, and DNS_PULSAR_TOKEN unset"),
    _file_row("DNS_PULSAR_TLS_CA", "pulsar_tls_ca", "the certificates that the system trusts",
              "The CA certificates to verify the brokers' certificates with.", "a path of a PEM file"),
    _file_row("DNS_PULSAR_TLS_CERT", "pulsar_tls_cert", "none",
              "The client certificate to show to brokers; without a token it is the log-in, too.",
              "a path of a PEM file"),
    _file_row("DNS_PULSAR_TLS_KEY", "pulsar_tls_key", "in the file of the certificate",
              "The private key of DNS_PULSAR_TLS_CERT.", "a path of a PEM file without a password"),
    Setting(
        name="DNS_PULSAR_ADMIN_ADDRESS", attribute="pulsar_admin_address", parse=parse_admin, default="", unset="",
        unset_means="the topic's policies are not checked, and lag has no count of entries",
        description="Pulsar's admin API, which is asked for the policies of the topic and for the entries behind.",
        allowed="http:// or https:// with a host and a port; the port is 8080, with TLS 8443, unless given",
    ),
    integer_row("DNS_PULSAR_RECEIVER_QUEUE", "pulsar_receiver_queue", (1, 1000), "10",
                "How many entries the client reads ahead for each partition; an entry is a batch of up to 1000 events "
                "and takes up to about 1 MB. More is quicker over a slow line where events are not batched."),
    integer_row("DNS_PULSAR_TIMEOUT", "pulsar_timeout_s", (1, 300), "5",
                "How long, in seconds, an answer of Pulsar is waited for; so long it takes, too, until a silent broker "
                "is noticed."),
    seconds_row("DNS_PULSAR_BACKOFF_MAX", "pulsar_backoff_max_s", (0.5, 3600), "6",
                "The longest pause between two attempts to reach Pulsar."),
    integer_row("DNS_PULSAR_CHECK_INTERVAL", "pulsar_check_interval_s", (1, 3600), "10",
                "How often, in seconds, streamdns looks for new partitions and asks how far it is behind."),
    Setting(
        name="DNS_PULSAR_PARTITIONER", attribute="pulsar_partitioner", default="java",
        parse=parsers.choice("java", "cpp", aliases={"go": "java", "python": "cpp"}),
        description="How publish and import choose the partition of a key; all producers of the topic must choose it "
                    "in the same way.",
        allowed="java (or go: Java's String.hashCode, the default of clients for Java and Go), or cpp (or python: as "
                "clients for C++ and Python do)",
    ),
    seconds_row("DNS_PULSAR_DELIVERY_TIMEOUT", "pulsar_delivery_timeout_s", (0.5, 3600), "30",
                "How long publish and import try to deliver an event to Pulsar before they give up."),
)


def settle(values: dict[str, Any], *, problems: list[str], warnings: list[str]) -> None:
    """Check and complete settings that depend on each other; `values` lacks those that could not be parsed."""
    secret_file.settle("DNS_PULSAR_TOKEN", "pulsar_token", values, problems, parse=parsers.parse_text)
    if values.get("source") == "pulsar":
        missing = [name for attribute, name in (("pulsar_address", "DNS_PULSAR_ADDRESS"),
                                                ("pulsar_topic", "DNS_PULSAR_TOPIC")) if values.get(attribute) == ""]
        if missing:
            problems.append(f"DNS_SOURCE=pulsar needs {' and '.join(missing)}; allowed: a service URL and a topic")
    if not (values.get("pulsar_address", _TLS_SCHEME).startswith(_TLS_SCHEME)
            or values.get("pulsar_admin_address", "https").startswith("https")):
        names = {"pulsar_tls_ca": "DNS_PULSAR_TLS_CA", "pulsar_tls_cert": "DNS_PULSAR_TLS_CERT"}
        warnings += [f"{name} has no effect without pulsar+ssl:// in DNS_PULSAR_ADDRESS"
                     for attribute, name in names.items() if values.get(attribute)]
