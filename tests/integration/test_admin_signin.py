"""Signing in and out of a running node: users of the file and of the settings, cookies, delays."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.cookies import SimpleCookie
from pathlib import Path

import jwt
import pytest

from tests.harness import Server, wait_until
from tests.integration.admin_calls import SECRET, Answer, call

PASSWORD = "correct horse battery"


@pytest.fixture
def server(start: Callable[..., Server], tmp_path: Path) -> Server:
    """A node with a file of users (none yet) and a user of the settings."""
    return start(
        DNS_ADMIN_USERS=str(tmp_path / "users"), DNS_ADMIN_USERNAME="root", DNS_ADMIN_PASSWORD=PASSWORD,
        DNS_ADMIN_JWTSECRET=SECRET, DNS_ADMIN_REVOKED=str(tmp_path / "revoked.json"),
        DNS_RECURSION_ALLOW="192.0.2.0/24",
    )


def sign_in(server: Server, name: str, password: str = PASSWORD) -> Answer:
    """POST /signin."""
    return call(server, "POST", "/signin", body={"username": name, "password": password})


def cookies(answer: Answer) -> SimpleCookie:
    """What an answer sets."""
    jar: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_all("Set-Cookie") or ():
        jar.load(header)
    return jar


def add_user(server: Server, name: str, role: str, password: str = PASSWORD) -> None:
    """`streamdns user add`, with the password on standard input."""
    done = server.command("user", "add", name, "--role", role, stdin=f"{password}\n")
    assert done.returncode == 0, done.stderr
    assert password not in done.stdout + done.stderr


def test_signing_in_gives_a_token_and_cookies(server: Server) -> None:
    answer = sign_in(server, "root")
    assert answer.status == 200
    document = answer.document
    assert set(document) == {"token", "expires", "csrf"}
    jar = cookies(answer)
    assert jar["token"].value == document["token"]
    assert jar["token"]["httponly"]
    assert jar["token"]["samesite"] == "Strict"
    assert not jar["token"]["secure"]
    assert not jar["csrf"]["httponly"]
    said = jwt.decode(document["token"], SECRET, algorithms=["HS256"], audience="streamdns-admin", issuer="streamdns")
    assert said["exp"] == document["expires"]
    assert said["exp"] - said["iat"] == 43200
    assert {"jti", "sub", "role"} <= said.keys()
    assert call(server, "GET", "/v1/status", token=document["token"]).status == 200


def test_scripts_of_the_first_version_work(server: Server) -> None:
    """curl -d without a type of content, the cookie, and /search."""
    body = json.dumps({"username": "root", "password": PASSWORD}).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = call(server, "POST", "/signin", body=body, headers=form)
    cookie = {"Cookie": f"token={cookies(answer)['token'].value}"}
    found = call(server, "GET", "/search?pattern=www", headers=cookie)
    assert found.status == 200
    assert "www.example.org." in {record["Name"] for rrset in found.document for record in rrset}
    assert call(server, "GET", "/search?pattern=www").status == 401


def test_who_was_added_may_sign_in_at_once_and_who_was_removed_may_not(server: Server) -> None:
    """Also what had been signed in ends: with the user, and with another password."""
    assert sign_in(server, "alice").status == 401
    add_user(server, "alice", "operator")
    first = sign_in(server, "alice").document["token"]
    assert call(server, "POST", "/v1/resolver/flush", token=first).status == 200
    assert call(server, "POST", "/v1/rebuild", token=first).status == 403
    add_user(server, "alice", "viewer", "another password")
    assert call(server, "GET", "/v1/status", token=first).status == 401
    second = sign_in(server, "alice", "another password").document["token"]
    assert call(server, "POST", "/v1/resolver/flush", token=second).status == 403
    assert server.command("user", "list").stdout == "alice viewer\n"
    assert server.command("user", "remove", "alice").returncode == 0
    assert call(server, "GET", "/v1/status", token=second).status == 401
    assert sign_in(server, "alice", "another password").status in (401, 429)


def test_signing_out_ends_the_token_for_good(server: Server) -> None:
    answer = sign_in(server, "root")
    good, csrf = answer.document["token"], answer.document["csrf"]
    cookie = {"Cookie": f"token={good}"}
    assert call(server, "POST", "/signout", headers=cookie).code == "csrf"
    gone = call(server, "POST", "/signout", headers=cookie | {"X-CSRF-Token": csrf})
    assert gone.document == {"signed_out": True}
    assert cookies(gone)["token"].value == ""
    assert call(server, "GET", "/v1/status", token=good).status == 401
    server.stop()
    server.start()
    assert call(server, "GET", "/v1/status", token=good).status == 401


def test_a_wrong_password_and_an_unknown_user_are_alike(server: Server) -> None:
    wrong, unknown = sign_in(server, "root", "wrong password"), sign_in(server, "hunter2", "wrong password")
    assert (wrong.status, wrong.body) == (unknown.status, unknown.body) == (401, unknown.body)
    written = server.written()
    assert "admin.signin_refused" in written
    assert "user=root" in written
    assert "user=unknown" in written
    assert "wrong password" not in written
    assert "hunter2" not in written


@pytest.mark.slow
def test_after_wrong_passwords_everybody_waits_and_longer_each_time(server: Server) -> None:
    """How long, the answer says; then the right password is looked at again."""
    refused: Answer | None = None
    for _ in range(10):
        answer = sign_in(server, "root", "wrong password")
        if answer.status == 429:
            refused = answer
            break
    assert refused is not None
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.code == "too_many_requests"
    right = wait_until(lambda: (found := sign_in(server, "root")).status == 200 and found, "the delay is over")
    text = call(server, "GET", "/metrics", token=right.document["token"]).body.decode()
    counts = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("streamdns_admin_signins"))
    assert float(counts['streamdns_admin_signins_total{outcome="wrong"}']) >= 3
    assert float(counts['streamdns_admin_signins_total{outcome="delayed"}']) >= 1
    assert float(counts['streamdns_admin_signins_total{outcome="ok"}']) == 1


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_pages_of_other_sites_are_refused(server: Server, headers: dict[str, str]) -> None:
    """Neither signing in nor, with the cookie, reading."""
    body = {"username": "root", "password": PASSWORD}
    assert call(server, "POST", "/signin", body=body, headers=headers).code == "foreign_page"
    good = sign_in(server, "root").document["token"]
    answer = call(server, "GET", "/v1/status", headers={"Cookie": f"token={good}", **headers})
    assert (answer.status, answer.code) == (403, "foreign_page")


def test_files_that_cannot_be_understood_let_nobody_in(server: Server, tmp_path: Path) -> None:
    """Neither the list of revoked tokens nor the users are passed over."""
    good = sign_in(server, "root").document["token"]
    (tmp_path / "revoked.json").write_text("{")
    answer = call(server, "GET", "/v1/status", token=good)
    assert (answer.status, answer.code) == (503, "not_ready")
    (tmp_path / "revoked.json").write_text("")
    assert call(server, "GET", "/v1/status", token=good).status == 200
    # One that was there and is gone is no empty one.
    (tmp_path / "revoked.json").unlink()
    assert call(server, "GET", "/v1/status", token=good).status == 503
    (tmp_path / "revoked.json").touch()
    (tmp_path / "users").write_text("alice:root:x\n")
    assert sign_in(server, "root").status == 503
    assert "admin.file_unreadable" in server.written()


def test_without_users_there_is_nobody_to_sign_in_as(start: Callable[..., Server]) -> None:
    server = start()
    assert sign_in(server, "root").status == 404
    assert call(server, "GET", "/v1/status").status == 200


@pytest.mark.slow
def test_behind_a_proxy_nobody_locks_others_out(start: Callable[..., Server], tmp_path: Path) -> None:
    """Neither who signs in from elsewhere, as the trusted proxy says, nor who has signed in from there before."""
    server = start(DNS_ADMIN_PASSWORD=PASSWORD, DNS_ADMIN_TRUSTED_PROXIES="127.0.0.1")

    def attempt(user: str, password: str, address: str) -> int:
        body = {"username": user, "password": password}
        return call(server, "POST", "/signin", body=body, headers={"X-Forwarded-For": f"192.0.2.1, {address}"}).status

    assert attempt("admin", PASSWORD, "203.0.113.7") == 200
    # The delay grows, so however slow this machine is, one comes too early.
    assert any(attempt(f"user{number}", "wrong password", "203.0.113.7") == 429 for number in range(12))
    assert attempt("admin", PASSWORD, "203.0.113.7") == 200
    assert attempt("admin", "wrong password", "198.51.100.1") == 401
    assert "address=203.0.113.7" in server.written()
    # Where TLS ends at the proxy, its cookie is for TLS, and its pages come from there.
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7",
               "Origin": f"https://127.0.0.1:{server.admin_port}"}
    answer = call(server, "POST", "/signin", body={"username": "admin", "password": PASSWORD}, headers=headers)
    assert (answer.status, cookies(answer)["token"]["secure"]) == (200, True)


@pytest.mark.slow
def test_nobody_else_says_from_where_he_comes(server: Server) -> None:
    def attempt(number: int) -> int:
        body = {"username": f"user{number}", "password": "wrong password"}
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        return call(server, "POST", "/signin", body=body, headers=headers).status

    assert any(attempt(number) == 429 for number in range(12))
    assert "address=127.0.0.1" in server.written()
    assert "203.0.113" not in server.written()
