"""`streamdns user`, `streamdns token`, and what `check` says of the admin API's log-in."""

from __future__ import annotations

import json
import os
import pathlib

import jwt
import pytest

from streamdns.commands import CommandError, access
from tests.unit.commands.test_cli import Commands

SECRET = "a secret of more than thirty-two octets"


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    commands = Commands(tmp_path, monkeypatch)
    commands.set(DNS_ADMIN_USERS=tmp_path / "users", DNS_ADMIN_REVOKED=tmp_path / "revoked.json",
                 DNS_ADMIN_JWTSECRET=SECRET, DNS_ADMIN_ADDRESS="off")
    return commands


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("user",), "action"),
        (("user", "add"), "NAME is missing"),
        (("user", "add", "alice"), "--role is missing"),
        (("user", "add", "alice", "--role", "root"), "--role"),
        (("user", "list", "alice"), "list takes no NAME"),
        (("user", "remove", "alice", "--role", "admin"), "--role goes with add"),
        (("user", "add", "alice", "a password", "--role", "admin"), "a password"),
        (("token", "create"), "--role is missing"),
        (("token", "create", "x", "--role", "viewer"), "create takes no ID"),
        (("token", "create", "--role", "viewer", "--expires", "11y"), "11y"),
        (("token", "create", "--role", "viewer", "--expires", "3661d"), "ten years"),
        (("token", "revoke"), "ID is missing"),
        (("token", "revoke", "x", "--zone", "y"), "go with create"),
        (("token", "create", "--role", "viewer", "--node", "x"), "go with revoke"),
    ],
)
def test_wrong_usage(run: Commands, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1


def test_users(run: Commands) -> None:
    assert run.ok("user", "list").out == ""
    assert "may sign in as viewer" in run.ok("user", "add", "alice", "--role", "viewer", stdin=b"swordfish\n").err
    assert "new password" in run.ok("user", "add", "alice", "--role", "admin", stdin=b"another fish").err
    assert json.loads(run.ok("user", "list", "--json").out) == [{"name": "alice", "role": "admin"}]
    assert run.ok("user", "list").out == "alice admin\n"
    run.ok("user", "remove", "alice")
    done = run("user", "remove", "alice")
    assert (done.code, done.err.count("\n")) == (1, 1)


@pytest.mark.parametrize("password", [b"", b"short\n", b"x" * 1025 + b"\n"])
def test_passwords_that_are_none(run: Commands, password: bytes) -> None:
    done = run("user", "add", "alice", "--role", "viewer", stdin=password)
    assert done.code == 1
    assert "at least 8 characters" in done.err
    assert not (run.folder / "users").exists()


def test_names_that_are_none(run: Commands) -> None:
    assert "a colon or a space" in run("user", "add", "a:b", "--role", "viewer", stdin=b"swordfish\n").err


def test_on_a_terminal_a_password_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    controller, terminal = os.openpty()
    with open(terminal, encoding="utf-8") as stdin, open(controller, "rb"):
        monkeypatch.setattr("sys.stdin", stdin)
        assert access.read_password(lambda prompt: "correct horse") == "correct horse"
        answers = iter(["correct horse", "correct house"])
        with pytest.raises(CommandError, match="differ"):
            access.read_password(lambda prompt: next(answers))


def test_a_file_of_users_that_is_damaged_is_not_written_over(run: Commands) -> None:
    (run.folder / "users").write_text("nonsense\n")
    for arguments in (("list",), ("add", "alice", "--role", "viewer"), ("remove", "alice")):
        done = run("user", *arguments, stdin=b"swordfish\n")
        assert done.code == 1, arguments
        assert "line 1" in done.err, arguments
    assert (run.folder / "users").read_text() == "nonsense\n"
    assert "line 1" in _check(run)


def _check(run: Commands) -> str:
    run.set(DNS_ADMIN_ADDRESS="127.0.0.1:0")
    done = run("check")
    assert done.code == 78
    return done.err


def test_tokens(run: Commands) -> None:
    done = run.ok("token", "create", "--role", "viewer", "--zone", "Example.org", "--zone", "b.", "--expires", "2h",
                  "--name", "ci")
    said = jwt.decode(done.out.strip(), SECRET, algorithms=["HS256"], audience="streamdns-admin")
    assert (said["sub"], said["role"], said["zones"]) == ("ci", "viewer", ["example.org.", "b."])
    assert said["exp"] - said["iat"] == 7200
    assert said["jti"] in done.err
    assert done.out.strip() not in done.err
    document = json.loads(run.ok("token", "create", "--role", "admin", "--json").out)
    assert set(document) == {"token", "id", "expires", "role", "zones"}
    assert document["zones"] is None
    assert "no node was asked" in run.ok("token", "revoke", document["id"]).err
    run.ok("token", "revoke", "-", stdin=done.out.encode())
    listed = json.loads(run.ok("token", "list", "--json").out)
    assert {each["id"] for each in listed} == {said["jti"], document["id"]}
    assert next(each["ends"] for each in listed if each["id"] == said["jti"]) == said["exp"]
    assert run.ok("token", "list").out.count("revoked") == 2


def test_tokens_that_are_refused(run: Commands) -> None:
    token = run.ok("token", "create", "--role", "viewer").out.strip()
    assert "not taken as an argument" in run("token", "revoke", token).err
    assert "need not be revoked" in run("token", "revoke", "-", stdin=b"a.b.c").err
    assert "is no zone" in run("token", "create", "--role", "viewer", "--zone", "a..b").err
    many = [word for number in range(100) for word in ("--zone", f"{'x' * 50}{number}.example.")]
    done = run("token", "create", "--role", "viewer", *many)
    assert (done.code, done.out) == (1, "")
    assert "which no node takes" in done.err
    run.set(DNS_ADMIN_JWTSECRET="")
    done = run("token", "create", "--role", "viewer")
    assert (done.code, done.err.count("\n")) == (78, 1)
    assert "no key can sign" in done.err


def test_check_says_that_the_list_of_revoked_tokens_is_gone(run: Commands) -> None:
    run.ok("token", "revoke", "5f0c2a9be1d84c7712a0b3de")
    run.ok("user", "add", "alice", "--role", "viewer", stdin=b"swordfish\n")
    run.set(DNS_ADMIN_ADDRESS="127.0.0.1:0")
    assert "revoked tokens" not in run.ok("check").err
    (run.folder / "revoked.json").unlink()
    assert "so no token will be taken" in run.ok("check").err
    run.set(DNS_ADMIN_ADDRESS="off")
    done = run("token", "revoke", "another")
    assert (done.code, "the list is gone: put it back" in done.err) == (1, True)


def test_check_looks_at_keys_and_certificates(run: Commands) -> None:
    run.set(DNS_ADMIN_JWTKEYS=f"k={run.folder}/nowhere", DNS_ADMIN_TLS_CERT=run.folder / "none.pem")
    said = _check(run)
    assert "nowhere cannot be read" in said
    assert "none.pem cannot be read" in said


def test_check_says_what_a_server_would_not_start_with(run: Commands) -> None:
    run.set(DNS_ADMIN_ADDRESS="127.0.0.1:0")
    done = run("check")
    assert (done.code, "DNS_ADMIN_USERS=" in done.err, "is not there" in done.err) == (78, True, True)
    run.ok("user", "add", "alice", "--role", "viewer", stdin=b"swordfish\n")
    run.ok("check")
    run.set(DNS_PEERS="https://ns2.example.org", DNS_PEERS_CA=run.folder / "nowhere.pem")
    done = run("check")
    assert (done.code, "DNS_PEERS_CA=" in done.err) == (78, True)


def test_endpoint_says_where_commands_ask_and_signs_an_admins_token(run: Commands) -> None:
    """The token is in the JSON alone; a node that is named gets none that these settings sign."""
    run.set(DNS_ADMIN_ADDRESS="127.0.0.1:8054")
    told = json.loads(run.ok("endpoint", "--json").out)
    assert (told["url"], told["ca"]) == ("http://127.0.0.1:8054", "")
    claims = jwt.decode(told["token"], SECRET, algorithms=["HS256"], options={"verify_aud": False})
    assert claims["role"] == "admin"
    assert 0 < claims["exp"] - claims["iat"] <= 3600
    shown = run.ok("endpoint").out
    assert "http://127.0.0.1:8054" in shown
    assert "eyJ" not in shown
    assert json.loads(run.ok("endpoint", "--node", "ns2:8054", "--json").out)["token"] == ""


def test_endpoint_without_an_admin_api_is_one_sentence(run: Commands) -> None:
    """DNS_ADMIN_ADDRESS=off."""
    done = run("endpoint", "--json")
    assert done.code == 1
    assert done.err == "streamdns: DNS_ADMIN_ADDRESS is off here: say which node with --node\n"
