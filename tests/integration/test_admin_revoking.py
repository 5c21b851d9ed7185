"""`streamdns token revoke` says what the node does, wherever the command is started; and what root's commands touch."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.harness import ROOT, Server, free_port
from tests.harness.process import clean_environment
from tests.integration.admin_calls import SECRET, call, token


def command(
    folder: Path, *arguments: str, settings: Mapping[str, str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command in a directory of its own."""
    environment = clean_environment({"PYTHONPATH": str(ROOT), **settings})
    return subprocess.run(
        [sys.executable, "-m", "streamdns", *arguments], cwd=folder, env=environment, input=stdin, text=True,
        capture_output=True, timeout=60,
    )


def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def test_in_another_directory_it_is_the_same_list(start: Callable[..., Server], tmp_path: Path) -> None:
    """The node says where its list is, where the settings do not."""
    server = start(DNS_ADMIN_JWTSECRET=SECRET)
    settings = {
        "DNS_ADMIN_JWTSECRET": SECRET, "DNS_ADMIN_ADDRESS": f"127.0.0.1:{server.admin_port}", "DNS_PATHDB": "./view",
    }
    good, folder = token("admin", jti="to-be-revoked"), elsewhere(tmp_path)
    assert call(server, "GET", "/v1/status", token=good).status == 200
    done = command(folder, "token", "revoke", "-", settings=settings, stdin=good)
    assert (done.returncode, "to-be-revoked is revoked" in done.stderr) == (0, True), done.stderr
    assert f"http://127.0.0.1:{server.admin_port} refuses it" in done.stderr
    assert call(server, "GET", "/v1/status", token=good).status == 401
    assert list(folder.iterdir()) == []
    assert "to-be-revoked" in command(folder, "token", "list", settings=settings).stdout


def test_a_token_that_stays_good_is_not_called_revoked(start: Callable[..., Server], tmp_path: Path) -> None:
    """The command has another list than the node; or nobody knows which one the node has."""
    server = start(DNS_ADMIN_JWTSECRET=SECRET)
    folder = elsewhere(tmp_path)
    settings = {
        "DNS_ADMIN_JWTSECRET": SECRET, "DNS_ADMIN_ADDRESS": f"127.0.0.1:{server.admin_port}",
        "DNS_ADMIN_REVOKED": str(folder / "revoked.json"),
    }
    done = command(folder, "token", "revoke", "some-id", settings=settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert "but the token is still good" in done.stderr
    assert f"reads the list {server.folder}/revoked.json" in done.stderr
    settings = {"DNS_ADMIN_JWTSECRET": SECRET, "DNS_ADMIN_ADDRESS": f"127.0.0.1:{free_port()}", "DNS_PATHDB": "./view"}
    done = command(folder, "token", "revoke", "some-id", settings=settings)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "set DNS_ADMIN_REVOKED to an absolute path" in done.stderr
    # Where no node runs, the list is what the next start reads.
    settings["DNS_ADMIN_REVOKED"] = str(folder / "revoked.json")
    done = command(folder, "token", "revoke", "some-id", settings=settings)
    assert (done.returncode, "no node runs at" in done.stderr) == (0, True), done.stderr


def test_other_nodes_are_asked_too(start: Callable[..., Server], tmp_path: Path) -> None:
    other = start(DNS_ADMIN_JWTSECRET=SECRET)
    peer = f"127.0.0.1:{other.admin_port}"
    server = start(DNS_ADMIN_JWTSECRET=SECRET, DNS_PEERS=peer, DNS_PEERS_TOKEN=token("viewer", jti="of-the-peers"))
    done = server.command("token", "revoke", "some-id")
    assert done.returncode == 0, done.stderr
    assert f"http://{peer} does not have it in its list: revoke it there, too" in done.stderr
    assert other.command("token", "revoke", "some-id").returncode == 0
    assert f"http://{peer} refuses it, too" in server.command("token", "revoke", "some-id").stderr


@pytest.mark.root
def test_links_in_the_directory_of_the_service_lead_root_to_no_file_of_its_own(tmp_path: Path) -> None:
    """What a daemon that was taken over can lay there for the next command of root's."""
    nobody = pwd.getpwnam("nobody")
    state, target = tmp_path / "state", tmp_path / "target"
    state.mkdir()
    for above in (state, *state.parents[:-1]):
        above.chmod(0o755)
    settings = {
        "DNS_ADMIN_JWTSECRET": SECRET, "DNS_ADMIN_ADDRESS": "off", "DNS_ADMIN_REVOKED": str(state / "revoked.json"),
        "DNS_ADMIN_USERS": str(state / "users"), "DNS_FILE_LOG": str(state / "log.jsonl"),
        "DNS_PATHDB": str(state / "view"),
    }
    commands = {
        ("token", "revoke", "5f0c2a9be1d84c7712a0b3de"): ("revoked.json.lock", "revoked.json.new", "revoked.json"),
        ("user", "add", "alice", "--role", "viewer"): ("users.lock", "users.new", "users"),
        ("publish", "www.example.org", "A", "192.0.2.1"): ("log.jsonl",),
    }
    os.chown(state, nobody.pw_uid, -1)
    for arguments, places in commands.items():
        for place in places:
            target.write_text("secret")
            target.chmod(0o600)
            os.symlink(target, state / place)
            done = command(tmp_path, *arguments, settings=settings, stdin="swordfish\n")
            assert "Traceback" not in done.stderr
            found = target.stat()
            assert (target.read_text(), found.st_uid, found.st_mode & 0o777) == ("secret", 0, 0o600), place
            for left in state.iterdir():
                left.unlink()
        # Without links it works, and what is made is the service's.
        done = command(tmp_path, *arguments, settings=settings, stdin="swordfish\n")
        assert done.returncode == 0, done.stderr
    assert {each.stat().st_uid for each in state.iterdir()} == {nobody.pw_uid}


@pytest.mark.root
def test_a_view_is_read_without_writing_through_a_link(serve: Callable[..., Server], tmp_path: Path) -> None:
    """LMDB opens its table of readers for writing, wherever a link leads."""
    nobody, target = pwd.getpwnam("nobody"), tmp_path / "target"
    server = serve(start=False)
    server.publish("www.example.org", "A", ["192.0.2.1"])
    server.start()
    server.wait_applied()
    assert server.stop() == 0
    (generation,) = (each for each in server.view.iterdir() if each.is_dir())
    for above in (server.view, *server.view.parents[:-1]):
        above.chmod(above.stat().st_mode | 0o011)
    for each in (server.view, *server.view.rglob("*")):
        os.chown(each, nobody.pw_uid, -1)
    assert server.command("lookup", "www.example.org").returncode == 0
    # The server reads it as its own user.
    assert server.command("rebuild").returncode == 0
    assert (server.view / "rebuild-request").stat().st_uid == nobody.pw_uid
    target.write_text("secret " * 1000)
    target.chmod(0o600)
    (generation / "lock.mdb").unlink()
    (generation / "lock.mdb").symlink_to(target)
    done = server.command("lookup", "www.example.org")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done
    assert target.read_text() == "secret " * 1000
