"""Asks Pulsar's admin API what the protocol of messages does not tell: policies of the topic, and entries not read."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

from gevent import socket as gsocket

from streamdns.errors import SourceError
from streamdns.sources.pulsar.config import PulsarConfig
from streamdns.sources.pulsar.extent import Extent
from streamdns.sources.pulsar.policies import warnings_of
from streamdns.sources.pulsar.token import Token
from streamdns.sources.tls import context_of

_MOST_BYTES: Final = 8 << 20
_TIMEOUT_S: Final = 3.0
_NOTHING: Final = (204, 404, 405)
#: What is about one topic is known to the broker that serves it, and the others say which one that is.
_ELSEWHERE: Final = (301, 302, 307, 308)
_MOST_ELSEWHERE: Final = 3


class Admin:
    """The admin API at DNS_PULSAR_ADMIN_ADDRESS; each question is a connection of its own. Raises SourceError."""

    def __init__(self, config: PulsarConfig, token: Token) -> None:
        self._config, self._token = config.for_admin(), token
        self._context: Any = None
        domain, _, rest = config.topic.partition("://")
        tenant, namespace, name = rest.split("/", 2)
        self._namespace = f"/namespaces/{quote(tenant)}/{quote(namespace)}"
        self._topic = f"/{domain}/{quote(tenant)}/{quote(namespace)}/{quote(name, safe='')}"
        self._prefix = f"/{domain}/{quote(tenant)}/{quote(namespace)}/"

    def get(self, path: str) -> Any:
        """Ask for a document; None where there is none."""
        url = f"{self._config.admin}/admin/v2{path}"
        for _ in range(_MOST_ELSEWHERE):
            status, octets, elsewhere = self._ask(url)
            if status not in _ELSEWHERE:
                break
            url = self._followed(url, elsewhere)
        if status in _NOTHING or (status == 200 and not octets):
            return None
        if status != 200:
            raise self._fault(url, self._refusal(status, path))
        try:
            return json.loads(octets)
        except ValueError as error:
            raise self._fault(url, f"it gives no JSON for {path}") from error

    def _followed(self, url: str, elsewhere: str) -> str:
        """Give where a broker sends us to; the token is never sent where nobody's certificate is asked for."""
        found = urljoin(url, elsewhere)
        if urlsplit(found).scheme not in ("https", urlsplit(url).scheme):
            raise self._fault(url, f"it sends us to {found[:200]}, which has no TLS")
        return found

    def _ask(self, url: str) -> tuple[int, bytes, str]:
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (8443 if tls else 8080)
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        try:
            connection.sock = gsocket.create_connection((host, port), timeout=_TIMEOUT_S)
            if tls:
                if self._context is None:
                    self._context = context_of(self._config)
                connection.sock = self._context.wrap_socket(connection.sock, server_hostname=host)
            headers = {"Accept": "application/json"}
            if self._token:
                headers["Authorization"] = f"Bearer {self._token.read()}"
            connection.request("GET", url.removeprefix(f"{parts.scheme}://{parts.netloc}"), headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read(_MOST_BYTES), reply.headers.get("Location", "")
        except (OSError, http.client.HTTPException) as error:
            raise self._fault(url, _reason(error, host, tls=tls)) from error
        finally:
            connection.close()

    def _fault(self, url: str, reason: str) -> SourceError:
        parts = urlsplit(url)
        return SourceError(f"the admin API of Pulsar at {parts.scheme}://{parts.netloc}: {reason}")

    def _refusal(self, status: int, path: str) -> str:
        if status == 401 and self._token:
            return "it does not accept the token (DNS_PULSAR_TOKEN), which is wrong or has expired"
        if status == 401:
            return "it wants a log-in: DNS_PULSAR_TOKEN, or DNS_PULSAR_TLS_CERT with https://"
        if status == 403:
            return f"no permission to look at {path}: the role needs `consume` on the topic"
        return f"it says {status} for {path}"

    def policy(self, name: str) -> Any:
        """Ask for a policy as it holds for the topic: its own, else that of its namespace; None: the broker's."""
        found = self.get(f"{self._topic}/{name}?applied=true")
        return self.get(f"{self._namespace}/{name}") if found is None else found

    def extent(self, topic: str) -> Extent | None:
        """Ask which entries a partition has, by its name; None where that is not known."""
        path = f"{self._prefix}{quote(topic.rpartition('/')[2], safe='')}/internalStats"
        stats = self.get(path)
        try:
            return None if stats is None else Extent.of(stats)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._fault(self._config.admin, f"it gives another document than is expected for {path}") from error


def _reason(error: OSError | http.client.HTTPException, host: str, *, tls: bool) -> str:
    """Say in words why there is no answer."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted (DNS_PULSAR_TLS_CA): {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).lower().replace("_", " ")
        if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "version" in reason or "record" in reason:
            return "it does not speak TLS there: is it the port of http://?"
        return f"TLS failed: {reason}"
    if isinstance(error, socket.gaierror):
        return f"the name {host} is not known: {(error.strerror or str(error)).lower()}"
    if isinstance(error, TimeoutError):
        return f"no answer within {_TIMEOUT_S:g} s"
    if isinstance(error, http.client.HTTPException | ConnectionResetError):
        other = "http://" if tls else "https://"
        return f"it does not answer as HTTP does: is it the port of {other}?"
    return (error.strerror or str(error)).lower()


def policies_of(config: PulsarConfig, token: Token, partitions: int) -> tuple[list[str], str]:
    """Say what is unwise about the topic, as far as the admin API tells; and why it does not, "" where it does.

    Where its address is not set there is nothing to tell.
    """
    if not config.admin:
        return warnings_of(config.topic, partitions, None, None, known=False), ""
    admin = Admin(config, token)
    try:
        retention, threshold = admin.policy("retention"), admin.policy("compactionThreshold")
    except SourceError as error:
        return warnings_of(config.topic, partitions, None, None, known=False), str(error)
    return warnings_of(config.topic, partitions, retention, threshold, known=True), ""
