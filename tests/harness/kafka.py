"""Starts a real Kafka broker for tests: one KRaft node from Maven's artifacts, with all kinds of listeners."""

from __future__ import annotations

import base64
import pathlib
import socket
import struct
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.harness import java
from tests.harness.java import JavaBroker
from tests.harness.process import ELSEWHERE, free_port

HOST = "127.0.0.1"
VERSIONS = ("3.9.2", "4.4.0")
USER, PASSWORD = "alice", "alice's secret"
#: Listener: (security protocol, whether clients must show a certificate). CONTROLLER is the node's own, FAR another way
#: to the same broker.
LISTENERS = {
    "PLAIN": ("PLAINTEXT", False), "CONTROLLER": ("PLAINTEXT", False), "SASL": ("SASL_PLAINTEXT", False),
    "TLS": ("SSL", False), "MTLS": ("SSL", True), "SASLTLS": ("SASL_SSL", False), "FAR": ("PLAINTEXT", False),
}
_USUAL_LISTENERS = ("PLAIN", "CONTROLLER", "SASL", "TLS", "MTLS", "SASLTLS")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_JAVA = (
    "java", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
)


def new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a node is within its cluster and where it stands: alone, with every kind of listener, unless told otherwise.

    `voters` are the controllers as Kafka writes them, "" for itself; `hosts` are the addresses of listeners that are
    not at 127.0.0.1; `inside` is a command that runs what follows it, as `ip netns exec NAME`.
    """

    node_id: int = 1
    cluster_id: str = field(default_factory=new_cluster_id)
    roles: str = "broker,controller"
    voters: str = ""
    listeners: tuple[str, ...] = _USUAL_LISTENERS
    hosts: Mapping[str, str] = field(default_factory=dict)
    inside: tuple[str, ...] = ()
    heap_mb: int = 512


def missing() -> str:
    """Why no broker can run here, or nothing."""
    return java.missing("STREAMDNS_TEST_KAFKA")


def class_path(version: str) -> str:
    """The jars of a broker; Maven resolves them once for each version."""
    return java.class_path("kafka", version)


def make_certificates(folder: pathlib.Path) -> None:
    """ca.pem; server.pem (key and certificate for 127.0.0.1 and localhost); client.crt and client.key; other-ca.pem."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)

    for ca in ("ca", "other-ca"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=tests {ca}",
                "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    extensions = {"server": f"subjectAltName=IP:{HOST},DNS:localhost", "client": "keyUsage=digitalSignature"}
    for name, extension in extensions.items():
        folder.joinpath(f"{name}.ext").write_text(f"{extension}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt")
    key, certificate = (folder.joinpath(f"server.{kind}").read_text() for kind in ("key", "crt"))
    folder.joinpath("server.pem").write_text(key + certificate)


class Broker(JavaBroker):
    """One node, controller and broker in one."""

    def __init__(
        self, folder: pathlib.Path, version: str, *, place: Place | None = None, **properties: str
    ) -> None:
        super().__init__(folder, f"Kafka {version}")
        self.version = version
        self.place = Place() if place is None else place
        self.ports = {name: free_port() for name in self.place.listeners}
        self.cluster_id = self.place.cluster_id
        if any(LISTENERS[name][0].endswith("SSL") for name in self.place.listeners):
            make_certificates(folder)
        self._write("server.properties", self._properties() | properties)
        self._format()

    def address(self, listener: str = "PLAIN") -> str:
        return f"{self.place.hosts.get(listener, HOST)}:{self.ports[listener]}"

    def _command(self) -> list[str]:
        return [*self.place.inside, *self._java("kafka.Kafka", str(self.folder / "server.properties"))]

    def _java(self, *words: str) -> list[str]:
        return [*_JAVA, f"-Xmx{self.place.heap_mb}m", "-cp", class_path(self.version), *words]

    def _format(self) -> None:
        configuration = str(self.folder / "server.properties")
        words = ["kafka.tools.StorageTool", "format", f"--cluster-id={self.cluster_id}", "-c", configuration]
        for mechanism in _MECHANISMS[1:]:
            words += ["--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]"]
        command = self._java(*words)
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def _properties(self) -> dict[str, object]:
        place = self.place
        urls = {name: f"{name}://{self.address(name)}" for name in place.listeners}
        properties: dict[str, object] = {
            "process.roles": place.roles,
            "node.id": place.node_id,
            "controller.quorum.voters": place.voters or f"{place.node_id}@{self.address('CONTROLLER')}",
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(urls.values()),
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, (kind, _) in LISTENERS.items()),
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": 0,
            # The controller waits so long for a broker that was killed before the next one may have its id.
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 300,
            "num.network.threads": 2,
            "num.io.threads": 2,
            "log.cleaner.dedupe.buffer.size": 8 << 20,
            "log.cleaner.backoff.ms": 200,
            "log.retention.check.interval.ms": 500,
        }
        if "broker" in place.roles:
            properties["inter.broker.listener.name"] = "PLAIN"
            properties["advertised.listeners"] = ",".join(url for name, url in urls.items() if name != "CONTROLLER")
        for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
            properties |= {f"{topic}.replication.factor": 1, f"{topic}.num.partitions": 1, f"{topic}.min.isr": 1}
        for name in place.listeners:
            kind, client_certificate = LISTENERS[name]
            prefix = f"listener.name.{name.lower()}"
            if kind.endswith("SSL"):
                for store, file in (("keystore", "server.pem"), ("truststore", "ca.pem")):
                    properties |= {f"ssl.{store}.type": "PEM", f"ssl.{store}.location": self.file(file)}
                properties[f"{prefix}.ssl.client.auth"] = "required" if client_certificate else "none"
            if kind.startswith("SASL"):
                properties[f"{prefix}.sasl.enabled.mechanisms"] = ",".join(_MECHANISMS)
                modules = "org.apache.kafka.common.security"
                properties[f"{prefix}.plain.sasl.jaas.config"] = (
                    f'{modules}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
                )
                for mechanism in _MECHANISMS[1:]:
                    properties[f"{prefix}.{mechanism.lower()}.sasl.jaas.config"] = (
                        f"{modules}.scram.ScramLoginModule required;"
                    )
        return properties

    def _ready(self) -> bool:
        """Whether Metadata (version 1, all topics) has a broker in it; a controller serves none and has to listen."""
        broker = "broker" in self.place.roles
        host, _, port = self.address("PLAIN" if broker else "CONTROLLER").rpartition(":")
        request = struct.pack(">hhih4si", 3, 1, 7, 4, b"test", -1)
        try:
            # From elsewhere: asked over and over where nobody listens yet, it would once connect to itself.
            source = (ELSEWHERE, 0) if host == HOST else None
            with socket.create_connection((host, int(port)), timeout=2, source_address=source) as sock:
                if not broker:
                    return True
                sock.sendall(struct.pack(">i", len(request)) + request)
                reply = b""
                while len(reply) < 12:
                    part = sock.recv(4096)
                    if not part:
                        return False
                    reply += part
        except OSError:
            return False
        return bool(struct.unpack_from(">iii", reply)[2] > 0)
