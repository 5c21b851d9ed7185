"""Starts a real Pulsar for tests: one process from Maven's artifacts, with broker, bookie and metadata in it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import pathlib
import time
import urllib.error
import urllib.request
from typing import Any

from tests.harness import java
from tests.harness.java import JavaBroker
from tests.harness.kafka import HOST, make_certificates
from tests.harness.process import free_port

VERSION = "4.2.4"
#: Who shows nothing may do everything, so that most tests need no login; these roles may only what they are given.
ANYBODY = "anybody"
_SECRET = b"a secret of at least 32 octets for HS256"
_OPENED = ("java.base/java.io", "java.base/java.nio", "java.base/java.util.zip", "java.base/jdk.internal.misc",
           "java.base/sun.net", "java.management/sun.management")
_DRIVERS = "org.apache.pulsar.metadata.bookkeeper.PulsarMetadata"
_JAVA = (
    "java", "-Xms64m", "-Xmx400m", "-XX:MaxDirectMemorySize=256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
    "-Xshare:auto", "-Djava.net.preferIPv4Stack=true", "-Dio.netty.tryReflectionSetAccessible=true",
    *(word for package in _OPENED for word in ("--add-opens", f"{package}=ALL-UNNAMED")),
    f"-Dbookkeeper.metadata.bookie.drivers={_DRIVERS}BookieDriver",
    f"-Dbookkeeper.metadata.client.drivers={_DRIVERS}ClientDriver",
)
_LOG4J = """<?xml version="1.0"?>
<Configuration status="WARN" shutdownHook="disable">
  <Appenders><Console name="out"><PatternLayout pattern="%d %p %c{1} %m%n%ex{3}"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""
#: Small and quick: one of everything, nothing synced, nothing deleted that no test asks for.
_PROPERTIES: dict[str, object] = {
    "clusterName": "standalone", "bindAddress": HOST, "advertisedAddress": HOST,
    "webSocketServiceEnabled": "false", "functionsWorkerEnabled": "false", "loadBalancerEnabled": "false",
    "defaultNumberOfNamespaceBundles": 1, "systemTopicEnabled": "false", "topicLevelPoliciesEnabled": "false",
    "managedLedgerDefaultEnsembleSize": 1, "managedLedgerDefaultWriteQuorum": 1, "managedLedgerDefaultAckQuorum": 1,
    "managedLedgerCacheSizeMB": 32, "allowAutoTopicCreation": "false", "brokerDeleteInactiveTopicsEnabled": "false",
    "defaultRetentionTimeInMinutes": -1, "defaultRetentionSizeInMB": -1, "backlogQuotaDefaultLimitGB": -1,
    "brokerShutdownTimeoutMs": 3000, "numIOThreads": 2, "numHttpServerThreads": 8, "numCacheExecutorThreadPoolSize": 2,
    "numOrderedExecutorThreads": 2, "numExecutorThreadPoolSize": 2, "metricsServletEnabled": "false",
    "allowLoopback": "true", "httpServerEnabled": "false", "journalSyncData": "false", "journalMaxGroupWaitMSec": 1,
    "journalMaxSizeMB": 64, "journalPreAllocSizeMB": 4, "dbStorage_writeCacheMaxSizeMb": 32,
    "dbStorage_readAheadCacheMaxSizeMb": 16, "dbStorage_rocksDB_blockCacheSize": 8 << 20,
    "diskUsageThreshold": 0.99, "diskUsageWarnThreshold": 0.98, "diskUsageLwmThreshold": 0.97,
    "minUsableSizeForIndexFileCreation": 1, "minUsableSizeForEntryLogCreation": 1,
    "ledgerStorageClass": "org.apache.bookkeeper.bookie.storage.ldb.DbLedgerStorage",
}


def missing() -> str:
    """Why no broker can run here, or nothing."""
    return java.missing("STREAMDNS_TEST_PULSAR")


def class_path() -> str:
    """The jars of the broker; Maven resolves them once."""
    return java.class_path("pulsar", VERSION)


def token(role: str, *, valid_s: float = 3600, secret: bytes = _SECRET) -> str:
    """A JSON web token for a role (HS256); below 0 it has expired already."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    claims = {"sub": role, "exp": int(time.time() + valid_s)}
    head = ".".join(part(json.dumps(each).encode()) for each in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{head}.{part(hmac.digest(secret, head.encode(), hashlib.sha256))}"


class Refused(Exception):
    """What the admin API refused, with its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status}: {text}")
        self.status = status


class Broker(JavaBroker):
    """A standalone Pulsar with and without TLS; who shows a token or a certificate has the role that it names."""

    def __init__(self, folder: pathlib.Path, **properties: object) -> None:
        super().__init__(folder, f"Pulsar {VERSION}")
        self.port, self.tls_port, self.admin_port, self.admin_tls_port, self._bookie_port = (
            free_port() for _ in range(5)
        )
        make_certificates(folder)
        (folder / "token.key").write_bytes(_SECRET)
        (folder / "log4j2.xml").write_text(_LOG4J)
        self._write("standalone.conf", _PROPERTIES | self._own() | properties)

    @property
    def url(self) -> str:
        return f"pulsar://{HOST}:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"pulsar+ssl://{HOST}:{self.tls_port}"

    @property
    def admin_url(self) -> str:
        return f"http://{HOST}:{self.admin_port}"

    @property
    def admin_tls_url(self) -> str:
        return f"https://{HOST}:{self.admin_tls_port}"

    def _own(self) -> dict[str, object]:
        security = "org.apache.pulsar.broker.authentication.AuthenticationProvider"
        return {
            "brokerServicePort": self.port, "brokerServicePortTls": self.tls_port, "webServicePort": self.admin_port,
            "webServicePortTls": self.admin_tls_port,
            "tlsCertificateFilePath": self.file("server.crt"), "tlsKeyFilePath": self.file("server.key"),
            "tlsTrustCertsFilePath": self.file("ca.pem"),
            "authenticationEnabled": "true", "authenticationProviders": f"{security}Token,{security}Tls",
            "tokenSecretKey": (self.folder / "token.key").as_uri(), "anonymousUserRole": ANYBODY,
            "authorizationEnabled": "true", "superUserRoles": ANYBODY, "authenticationRefreshCheckSeconds": 1,
        }

    def _command(self) -> list[str]:
        return [
            *_JAVA, f"-Djava.io.tmpdir={self.folder}", f"-Dlog4j.configurationFile={self.folder}/log4j2.xml",
            "-cp", class_path(), "org.apache.pulsar.PulsarStandaloneStarter",
            "--config", self.file("standalone.conf"), "--metadata-dir", self.file("metadata"),
            "--bookkeeper-dir", self.file("bookkeeper"), "--bookkeeper-port", str(self._bookie_port),
            "--advertised-address", HOST, "--num-bookies", "1", "-nfw", "-nss",
        ]

    def _ready(self) -> bool:
        try:
            if "public/default" not in self.admin("GET", "/namespaces/public"):
                return False
            self.admin("GET", "/brokers/ready")
        except (OSError, Refused):
            return False
        return True

    def _headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json"}

    def namespace(self, name: str, *, retention: tuple[int, int] = (-1, -1)) -> str:
        """A namespace that keeps what was read for so many minutes and so many MB; it may be there already."""
        path = f"public/{name}"
        if path not in self.admin("GET", "/namespaces/public"):
            self.admin("PUT", f"/namespaces/{path}")
        minutes, megabytes = retention
        self.admin("POST", f"/namespaces/{path}/retention",
                   {"retentionTimeInMinutes": minutes, "retentionSizeInMB": megabytes})
        return path

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Ask the admin API; what is not JSON comes as text. Raises Refused, and OSError where nobody answers."""
        request = urllib.request.Request(
            f"{self.admin_url}/admin/v2{path}", method=method, headers=self._headers(),
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                text = reply.read().decode()
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")[:300]) from None
        try:
            return json.loads(text) if text else None
        except ValueError:
            return text


class ClosedBroker(Broker):
    """One that lets nobody in without a log-in."""

    def _own(self) -> dict[str, object]:
        return super()._own() | {
            "anonymousUserRole": "",
            "brokerClientAuthenticationPlugin": "org.apache.pulsar.client.impl.auth.AuthenticationToken",
            "brokerClientAuthenticationParameters": f"token:{token(ANYBODY)}",
        }

    def _headers(self) -> dict[str, str]:
        return super()._headers() | {"Authorization": f"Bearer {token(ANYBODY)}"}
