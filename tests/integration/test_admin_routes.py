"""Every route of the admin API, walked: who is refused, with what, and that nobody sees more than he may."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.harness import Server
from tests.integration.admin_calls import SECRET, call, tampered, token, unsigned
from tests.integration.clients import ZONE

ROLES = ("viewer", "operator", "admin")
NOW_S = int(time.time())
#: An endless answer is begun only where it is refused.
BAD: dict[str, Callable[[], str]] = {
    "expired": lambda: token(iat=NOW_S - 600, exp=NOW_S - 300),
    "tampered": lambda: tampered(token("viewer")),
    "without its signature": lambda: token().rsplit(".", 1)[0] + ".",
    "alg none": unsigned,
    "wrong audience": lambda: token(aud="somebody else"),
    "several audiences": lambda: token(aud=["streamdns-admin", "somebody else"]),
    "wrong issuer": lambda: token(iss="somebody else"),
    "of another secret": lambda: token(secret=SECRET[::-1]),
    "of another algorithm": lambda: token(algorithm="HS512"),
    "of an unknown key": lambda: token(kid="another"),
    "of no key": lambda: token(kid=None),
    "without an end": lambda: token(exp=None),
    "without an id": lambda: token(jti=None),
    "without a subject": lambda: token(sub=None),
    "without a role": lambda: token(role=""),
    "of no role": lambda: token(role="root"),
    "of the role nobody has": lambda: token(role="public"),
    "from tomorrow": lambda: token(iat=NOW_S + 86400, exp=NOW_S + 2 * 86400),
    "with zones that are none": lambda: token(zones=["a..b"]),
    "no token at all": lambda: "a.b.c",
    "too long": lambda: "x" * 5000,
}


class Operation(NamedTuple):
    """One row of the table, as the API describes it."""

    method: str
    path: str
    role: str
    zone: str
    unscoped: bool
    streams: bool

    def target(self, zone: str = "example.org.") -> str:
        """A path to ask, about this zone where there is one to name."""
        return self.path.replace("{zone}", zone).replace("{name}", f"www.{zone}")


def started(serve: Callable[..., Server], folder: Path) -> Server:
    """A node that wants tokens."""
    server = serve(start=False, DNS_ADMIN_JWTSECRET=SECRET, DNS_ADMIN_REVOKED=str(folder / "revoked.json"),
                   DNS_RECURSION_ALLOW="192.0.2.0/24")
    server.append(ZONE)
    return server.start()


@pytest.fixture(scope="module")
def server(serve_all: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A node that wants tokens, and refuses what all tests here ask of it."""
    return started(serve_all, tmp_path_factory.mktemp("revoked"))


@pytest.fixture
def own(serve: Callable[..., Server], tmp_path: Path) -> Server:
    """The same for one test, which may change it."""
    return started(serve, tmp_path)


def operations(server: Server) -> list[Operation]:
    """The whole table."""
    document: dict[str, Any] = call(server, "GET", "/v1/openapi.json", token=token()).document
    return [
        Operation(method.upper(), path, row["x-role"], row.get("x-zone", ""), row.get("x-unscoped", False),
                  "text/event-stream" in row["responses"]["200"]["content"])
        for path, methods in document["paths"].items() for method, row in methods.items()
    ]


def guarded(server: Server) -> Iterator[Operation]:
    """The rows that need a token."""
    rows = [row for row in operations(server) if row.role != "public"]
    assert len(rows) >= 20, "the table has become very short"
    assert {row.role for row in rows} == set(ROLES)
    yield from rows


def test_without_a_token(server: Server) -> None:
    for row in guarded(server):
        answer = call(server, row.method, row.target())
        assert (answer.status, answer.code) == (401, "unauthorized"), row
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert call(server, "HEAD", row.target()).status in (401, 405), row


@pytest.mark.parametrize("kind", BAD)
def test_with_a_token_that_is_not_good(server: Server, kind: str) -> None:
    bad = BAD[kind]()
    for row in guarded(server):
        answer = call(server, row.method, row.target(), token=bad)
        assert (answer.status, answer.code) == (401, "unauthorized"), row
        cookie = call(server, row.method, row.target(), headers={"Cookie": f"token={bad}"})
        assert cookie.status == 401, row
        assert "Traceback" not in answer.body.decode() + cookie.body.decode()


def test_with_a_revoked_token(own: Server) -> None:
    """Revoked by the command, beside the running own."""
    good = token("admin", jti="to-be-revoked")
    assert call(own, "GET", "/v1/status", token=good).status == 200
    done = own.command("token", "revoke", "to-be-revoked")
    assert done.returncode == 0, done.stderr
    for row in guarded(own):
        answer = call(own, row.method, row.target(), token=good)
        assert (answer.status, answer.code) == (401, "unauthorized"), row
    assert call(own, "GET", "/v1/status", token=token("admin", jti="another")).status == 200


def test_with_a_role_too_small(server: Server) -> None:
    for row in guarded(server):
        for role in ROLES[:ROLES.index(row.role)]:
            answer = call(server, row.method, row.target(), token=token(role))
            assert (answer.status, answer.code) == (403, "forbidden"), (row, role)


def test_every_write_needs_its_role(server: Server) -> None:
    """What changes something is nothing for viewers; signing out is the one thing that everybody may do."""
    writes = [row for row in guarded(server) if row.method != "GET"]
    assert {row.path for row in writes} >= {"/v1/rebuild", "/v1/resolver/flush", "/signout"}
    for row in writes:
        assert row.role in ("operator", "admin") or row.path == "/signout", row


def test_with_the_right_role_every_route_answers(own: Server) -> None:
    """What the tests above refuse would have been served."""
    for number, row in enumerate(guarded(own)):
        if row.streams:
            continue
        answer = call(own, row.method, row.target(), token=token(row.role, jti=f"id{number}"))
        assert answer.status in (200, 400, 404, 415), (row, answer)  # 415: it wants a body
        absent = any(what in answer.body.decode() for what in ("resolver", "not_held"))
        assert answer.status != 404 or absent, (row, answer)


def test_with_a_zone_out_of_scope(server: Server) -> None:
    """A route about a zone refuses other zones, one about the node refuses, and the rest says nothing of them."""
    scoped = token("admin", zones=["other.example."])
    refused = silent = 0
    for row in guarded(server):
        if row.streams or row.path == "/signout":
            continue
        answer = call(server, row.method, row.target(), token=scoped)
        if row.zone or row.unscoped:
            refused += 1
            assert (answer.status, answer.code) == (403, "forbidden"), row
        else:
            silent += 1
            for query in ("", "?pattern=example", "?name=www.example.org.", "?name=www.example.org.&type=A&timeout=0",
                          "?zone=example.org.", "?below=example.org."):
                text = call(server, row.method, row.target() + query, token=scoped).body.decode()
                if row.path != "/v1/openapi.json":
                    assert "192.0.2" not in text, (row, query, text)
                    assert "ns.example.org" not in text, (row, query, text)
    assert refused >= 10
    assert silent >= 4


def test_names_beside_a_zone_are_out_of_its_scope(server: Server) -> None:
    """Labels count, not letters; and what lies below the zone is in it, in any case."""
    for zone in ("xample.org.", "www.example.org.", "notexample.org.", "org.example."):
        scoped = token("viewer", zones=[zone])
        assert call(server, "GET", "/v1/zones/example.org.", token=scoped).status == 403, zone
    for zone in ("example.org.", "EXAMPLE.org", "org.", "."):
        scoped = token("viewer", zones=[zone])
        assert call(server, "GET", "/v1/zones/Example.ORG", token=scoped).status == 200, zone
    assert call(server, "GET", "/v1/zones/example.org.", token=token("viewer", zones=[])).status == 403


def test_with_the_cookie_alone_nothing_is_changed(own: Server) -> None:
    """Each write wants the header beside the cookie, and the right value in it."""
    good = token("admin", csrf="the value")
    for row in guarded(own):
        if row.method == "GET":
            continue
        for given in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "another value"}):
            answer = call(own, row.method, row.target(), headers={"Cookie": f"token={good}", **given})
            assert (answer.status, answer.code) == (403, "csrf"), (row, given)
        without = token("admin")
        answer = call(own, row.method, row.target(), headers={"Cookie": f"token={without}", "X-CSRF-Token": ""})
        assert (answer.status, answer.code) == (403, "csrf"), row
    beside = {"Cookie": f"x=y; token={good}", "X-CSRF-Token": "the value"}
    assert call(own, "POST", "/v1/resolver/flush", headers=beside).status == 200


def test_what_everybody_may_ask(server: Server) -> None:
    assert {row.path for row in operations(server) if row.role == "public"} == {"/health", "/ready", "/signin"}
    assert call(server, "GET", "/health").status == 200
    assert call(server, "GET", "/ready").status == 200
