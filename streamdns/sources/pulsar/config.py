"""The part of the settings that says how to reach a Pulsar service and what to read there."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from streamdns.errors import ConfigError
from streamdns.settings import Settings
from streamdns.sources.tls import check_files

_TLS_SCHEME: Final = "pulsar+ssl://"
_PORTS: Final = {"pulsar": 6650, "pulsar+ssl": 6651}


@dataclass(frozen=True, slots=True, kw_only=True)
class PulsarConfig:
    """What the settings say about Pulsar.

    `url` is scheme://host:port,host:port; `topic` has its tenant and namespace; `token` and `token_file` are "" for
    none, and the file is read anew for each log-in; `ca`, `certificate` and `key` are paths of PEM files, "" for the
    system's CAs and for none; `admin` is the address of the admin API, "" for none. `receiver_queue` counts entries,
    which are batches. An answer is waited for
    `timeout_s`. Who writes chooses partitions by `partitioner`: java, or cpp, which is the library's own way.
    """

    url: str
    topic: str
    token: str = field(default="", repr=False)
    token_file: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    admin: str = ""
    receiver_queue: int = 10
    timeout_s: int = 5
    partitioner: str = "java"
    delivery_timeout_s: float = 30.0
    tls_settings: ClassVar[str] = "DNS_PULSAR_TLS"

    @property
    def tls(self) -> bool:
        """Whether connections are made with TLS."""
        return self.url.startswith(_TLS_SCHEME)

    def for_admin(self) -> PulsarConfig:
        """Give what holds for connections to the admin API, which have TLS or not by the address of their own."""
        return replace(self, url=f"{_TLS_SCHEME if self.admin.startswith('https://') else 'pulsar://'}")

    def hosts(self) -> tuple[tuple[str, int], ...]:
        """Split the service URL into (host, port); IPv6 addresses lose their brackets."""
        scheme, _, rest = self.url.partition("://")
        found = []
        for address in rest.split(","):
            host, colon, port = address.rpartition(":")
            if not colon or address.endswith("]"):
                host, port = address, str(_PORTS[scheme])
            found.append((host.removeprefix("[").removesuffix("]"), int(port)))
        return tuple(found)


def from_settings(settings: Settings) -> PulsarConfig:
    """Take what the settings say about Pulsar."""
    return PulsarConfig(
        url=settings.pulsar_address,
        topic=settings.pulsar_topic,
        token="" if settings.pulsar_token_file else settings.pulsar_token,
        token_file=settings.pulsar_token_file,
        ca=settings.pulsar_tls_ca,
        certificate=settings.pulsar_tls_cert,
        key=settings.pulsar_tls_key,
        admin=settings.pulsar_admin_address,
        receiver_queue=settings.pulsar_receiver_queue,
        timeout_s=settings.pulsar_timeout_s,
        partitioner=settings.pulsar_partitioner,
        delivery_timeout_s=settings.pulsar_delivery_timeout_s,
    )


def check_installation(config: PulsarConfig) -> None:
    """Import the client library, which is an extra, and read the certificates; raises ConfigError."""
    try:
        importlib.import_module("pulsar")
    except ImportError as error:
        where = "the package streamdns-pulsar, or pip install 'streamdns[pulsar]'"
        raise ConfigError([f"DNS_SOURCE=pulsar needs pulsar-client ({where}): {error}"]) from error
    check_files(config if config.tls else config.for_admin())
