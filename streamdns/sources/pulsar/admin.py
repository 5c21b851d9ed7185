"""Asks Pulsar's admin API what the protocol of messages does not tell: policies of the topic, and entries not read."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from gevent import socket as gsocket

from streamdns.errors import SourceError
from streamdns.events.message_id import resume_at
from streamdns.sources.pulsar.config import PulsarConfig
from streamdns.sources.pulsar.policies import warnings_of
from streamdns.sources.pulsar.token import Token
from streamdns.sources.tls import context_of

_MOST_BYTES: Final = 8 << 20
_TIMEOUT_S: Final = 3.0
_NOTHING: Final = (204, 404, 405)


class Admin:
    """The admin API at DNS_PULSAR_ADMIN_ADDRESS; each question is a connection of its own. Raises SourceError."""

    def __init__(self, config: PulsarConfig, token: Token) -> None:
        self._config, self._token = config, token
        parts = urlsplit(config.admin)
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (8443 if self._tls else 8080)
        domain, _, rest = config.topic.partition("://")
        tenant, namespace, name = rest.split("/", 2)
        self._namespace = f"/namespaces/{quote(tenant)}/{quote(namespace)}"
        self._topic = f"/{domain}/{quote(tenant)}/{quote(namespace)}/{quote(name, safe='')}"
        self._prefix = f"/{domain}/{quote(tenant)}/{quote(namespace)}/"

    def get(self, path: str) -> Any:
        """Ask for a document; None where there is none."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            sock = gsocket.create_connection((self._host, self._port), timeout=_TIMEOUT_S)
            context = context_of(self._config) if self._tls else None
            connection.sock = sock if context is None else context.wrap_socket(sock, server_hostname=self._host)
            headers = {"Accept": "application/json"}
            if self._token:
                headers["Authorization"] = f"Bearer {self._token.read()}"
            connection.request("GET", f"/admin/v2{path}", headers=headers)
            reply = connection.getresponse()
            octets = reply.read(_MOST_BYTES)
        except (OSError, ssl.SSLError, http.client.HTTPException) as error:
            raise SourceError(f"the admin API of Pulsar at {self._config.admin} does not answer: {error}") from error
        finally:
            connection.close()
        if reply.status in _NOTHING or not octets:
            return None
        if reply.status != 200:
            raise SourceError(f"the admin API of Pulsar at {self._config.admin} says {reply.status} for {path}")
        try:
            return json.loads(octets)
        except ValueError as error:
            raise SourceError(f"the admin API of Pulsar at {self._config.admin} gives no JSON for {path}") from error

    def policy(self, name: str) -> Any:
        """Ask for a policy as it holds for the topic: its own, else that of its namespace; None: the broker's."""
        found = self.get(f"{self._topic}/{name}?applied=true")
        return self.get(f"{self._namespace}/{name}") if found is None else found

    def entries_behind(self, positions: Mapping[str, int]) -> int:
        """Count the entries behind positions of partitions, which are batches; by the name of each partition."""
        return sum(
            entries_behind(self.get(f"{self._prefix}{quote(topic.rpartition('/')[2], safe='')}/internalStats"), at)
            for topic, at in positions.items()
        )


def entries_behind(stats: Any, position: int) -> int:
    """Count the entries of a partition behind a position; `stats` is the document internalStats."""
    ledgers = (stats or {}).get("ledgers", [])
    total = int((stats or {}).get("currentLedgerEntries", 0))
    last = resume_at(position) if position else None
    behind = 0
    for number, ledger in enumerate(ledgers):
        entries = total if number == len(ledgers) - 1 else int(ledger.get("entries", 0))
        if last is None or int(ledger["ledgerId"]) > last.ledger:
            behind += entries
        elif int(ledger["ledgerId"]) == last.ledger:
            behind += max(0, entries - last.entry - 1)
    return behind


def policies_of(config: PulsarConfig, token: Token, partitions: int) -> list[str]:
    """Say what is unwise about the topic, as far as the admin API tells; nothing where its address is not set."""
    if not config.admin:
        return warnings_of(config.topic, partitions, None, None, known=False)
    admin = Admin(config, token)
    try:
        retention, threshold = admin.policy("retention"), admin.policy("compactionThreshold")
    except SourceError as error:
        return [str(error), *warnings_of(config.topic, partitions, None, None, known=False)]
    return warnings_of(config.topic, partitions, retention, threshold, known=True)
