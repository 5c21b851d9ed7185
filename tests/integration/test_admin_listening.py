"""Where the admin API is served: addresses that need a login, unix sockets, TLS and certificates that change."""

from __future__ import annotations

import datetime
import http.client
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from tests.harness import ROOT, Server, free_port, wait_until
from tests.harness.process import clean_environment
from tests.integration.admin_calls import SECRET, call, token

PEM = serialization.Encoding.PEM
UNENCRYPTED = serialization.NoEncryption()
PKCS8 = serialization.PrivateFormat.PKCS8


def make_certificate(folder: Path, serial: int) -> None:
    """cert.pem and key.pem for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(serial).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(key.private_bytes(PEM, PKCS8, UNENCRYPTED))
    (folder / "cert.pem").write_bytes(certificate.public_bytes(PEM))


def shown_serial(port: int, folder: Path) -> int:
    """The number of the certificate that is shown, after a whole handshake that trusts cert.pem."""
    context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as connection:
        shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def start_refused(tmp_path: Path, **env: str) -> str:
    """What `run` says when it does not start for its configuration."""
    settings = {"DNS_ADDRESS": f"127.0.0.1:{free_port()}", "DNS_PATHDB": str(tmp_path / "view"),
                "DNS_FILE_LOG": str(tmp_path / "log.jsonl"), "DNS_RECURSION_ALLOW": "none"} | env
    done = subprocess.run(
        [sys.executable, "-m", "streamdns", "run"], env=clean_environment(settings), cwd=ROOT, capture_output=True,
        text=True, timeout=60, check=False,
    )
    assert done.returncode == 78, done
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_no_address_of_others_without_a_login(tmp_path: Path, host: str) -> None:
    said = start_refused(tmp_path, DNS_ADMIN_ADDRESS=f"{host}:{free_port()}")
    (sentence,) = [line for line in said.splitlines() if "DNS_ADMIN_ADDRESS" in line]
    assert "nothing says who may use the admin API" in sentence
    assert "DNS_ADMIN_INSECURE=true" in sentence


def test_who_insists_is_served_and_warned(start: Callable[..., Server]) -> None:
    server = start(run=False, DNS_ADMIN_INSECURE="true")
    server.admin_port = server.port = 0
    port = free_port()
    server.fixed["DNS_ADMIN_ADDRESS"] = f"0.0.0.0:{port}"
    server.start(wait=False)
    server.admin_port = port
    wait_until(server.is_ready, "it is ready")
    assert server.get("/v1/status")[0] == 200
    assert "admin.open" in server.written()


def test_with_a_login_other_addresses_are_served(start: Callable[..., Server]) -> None:
    server = start(run=False, DNS_ADMIN_JWTSECRET=SECRET)
    port = free_port()
    server.fixed["DNS_ADMIN_ADDRESS"] = f"0.0.0.0:{port}"
    server.start(wait=False)
    server.admin_port = port
    wait_until(server.is_ready, "it is ready")
    assert server.get("/v1/status")[0] == 401
    assert call(server, "GET", "/v1/status", token=token()).status == 200


def test_a_unix_socket(start: Callable[..., Server], tmp_path: Path) -> None:
    """For its owner and group; what a killed process left is no hindrance, another file is."""
    path = tmp_path / "admin.sock"
    server = start(run=False, DNS_ADMIN_ADDRESS=f"unix:{path}")

    def status() -> int:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            try:
                connection.connect(str(path))
            except OSError:
                return 0
            connection.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status

    for _ in range(2):
        server.start(wait=False)
        wait_until(lambda: status() == 200, "the socket answers")
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        server.kill()
    assert path.exists()
    server.start(wait=False)
    wait_until(lambda: status() == 200, "the socket answers")
    assert server.stop() == 0
    assert not path.exists()
    path.write_text("somebody's")
    assert "cannot be used" in start_refused(tmp_path, DNS_ADMIN_ADDRESS=f"unix:{path}")
    assert path.read_text() == "somebody's"


def test_tls_and_a_certificate_that_changes(start: Callable[..., Server], tmp_path: Path) -> None:
    """At SIGHUP the files are read again; files that are no use leave the old one in place."""
    make_certificate(tmp_path, 1001)
    users = {"DNS_ADMIN_PASSWORD": "correct horse", "DNS_ADMIN_REVOKED": str(tmp_path / "revoked.json")}
    server = start(run=False, DNS_ADMIN_TLS_CERT=str(tmp_path / "cert.pem"),
                   DNS_ADMIN_TLS_KEY=str(tmp_path / "key.pem"), **users)
    server.start(wait=False)
    wait_until(lambda: "app.ready" in server.written(), "it is ready")
    assert shown_serial(server.admin_port, tmp_path) == 1001
    context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    connection = http.client.HTTPSConnection("localhost", server.admin_port, timeout=30, context=context)
    connection.request("POST", "/signin", json.dumps({"username": "admin", "password": "correct horse"}))
    response = connection.getresponse()
    assert response.status == 200
    assert all("; Secure" in cookie for cookie in response.headers.get_all("Set-Cookie") or ("",))
    connection.close()
    make_certificate(tmp_path, 1002)
    server.signal(signal.SIGHUP)
    wait_until(lambda: "app.reloaded" in server.written(), "it has read the files")
    assert shown_serial(server.admin_port, tmp_path) == 1002
    (tmp_path / "key.pem").write_text("no key")
    server.signal(signal.SIGHUP)
    wait_until(lambda: "app.reload_failed" in server.written(), "it has said so")
    assert shown_serial(server.admin_port, tmp_path) == 1002
    with pytest.raises((OSError, http.client.HTTPException)):
        server.get("/ready")


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    said = start_refused(tmp_path, DNS_ADMIN_ADDRESS=f"127.0.0.1:{free_port()}",
                         DNS_ADMIN_TLS_CERT=str(tmp_path / "cert.pem"))
    assert "DNS_ADMIN_TLS_CERT" in said
    said = start_refused(tmp_path, DNS_ADMIN_ADDRESS=f"127.0.0.1:{free_port()}",
                         DNS_ADMIN_TLS_CERT=str(tmp_path / "nowhere.pem"))
    assert "nowhere.pem cannot be read" in said


def test_keys_that_change_while_it_runs(start: Callable[..., Server], tmp_path: Path) -> None:
    """A new key in front signs, the old one is still taken; then it is not. Ed25519 and a secret, by SIGHUP."""
    old, new = tmp_path / "old", tmp_path / "new.pem"
    old.write_text(SECRET + "\n")
    new.write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, UNENCRYPTED))
    file = tmp_path / "env"
    revoked = f"DNS_ADMIN_REVOKED={tmp_path / 'revoked.json'}\n"
    file.write_text(f"{revoked}DNS_ADMIN_JWTKEYS=k1={old}\n")
    server = start(run=False)
    server.arguments = ("--env-file", str(file))
    server.start()

    def made() -> str:
        done = server.command("--env-file", str(file), "token", "create", "--role", "viewer")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def taken(given: str) -> bool:
        return call(server, "GET", "/v1/status", token=given).status == 200

    def reload(keys: str) -> None:
        begin = server.output.stat().st_size
        file.write_text(f"{revoked}DNS_ADMIN_JWTKEYS={keys}\n")
        server.signal(signal.SIGHUP)
        wait_until(lambda: "app.reloaded" in server.written(begin), "it has read its keys")

    first = made()
    assert taken(first)
    reload(f"k2={new} k1={old}")
    second = made()
    assert taken(first)
    assert taken(second)
    # A key has one algorithm, whatever a token says of itself.
    assert not taken(token(kid="k2", secret=SECRET))
    reload(f"k2={new}")
    assert not taken(first)
    assert taken(second)
