"""docs/api.md has a curl line for each call, each of them does what stands there, and the answers have those fields."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.harness import ROOT, Server, event_line, free_port, wait_until
from tests.harness.server import HOST

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
PASSWORD = "correct horse battery"
#: Only these stand for what is another text in each run.
CSRF = "Yt9F8fR_UmenchprvwUaFA"
STREAM = "curl -N $A/v1/journal/stream"
LOGIN, HELD = "Who may", "A rebuilt view that is held"


class Shown(NamedTuple):
    """A command of the page and the text below it."""

    section: str
    command: str
    output: str

    @property
    def fields(self) -> set[str]:
        """The names of fields that the text has."""
        return set(re.findall(r'"(\w+)":', self.output))


def commands() -> list[Shown]:
    """Every `$ ...` of the page, in order."""
    found: list[Shown] = []
    section = ""
    for line in PAGE.split("\n"):
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("    $ "):
            found.append(Shown(section, line.removeprefix("    $ "), ""))
        elif line.startswith("    ") and found:
            found[-1] = found[-1]._replace(output=f"{found[-1].output}{line}\n")
    return found


def names_in(document: Any) -> set[str]:
    """The names of fields of a document, at any depth."""
    if isinstance(document, dict):
        return set(document).union(*map(names_in, document.values()))
    return set().union(*map(names_in, document)) if isinstance(document, list) else set()


def fill(server: Server) -> None:
    """The zone of `make run` and what the page speaks of."""
    done = server.command("import", str(ROOT / "examples" / "example.org.zone"), "--origin", "example.org.")
    assert done.returncode == 0, done.stderr
    server.publish("example.com", "SOA", ["ns1.example.com. host.example.com. 1 2 3 4 5"])
    server.publish("www.example.org", "A", ["192.0.2.8"])
    server.publish("ftp.example.org", "TXT", ["hidden"])
    server.append(event_line("www.example.org.|A", '[{"content": "192.0.2"}]', 1))


@pytest.fixture
def node(serve: Callable[..., Server], tmp_path: Path) -> Server:
    """A node that wants no login, with another one as its peer."""
    port = free_port()
    first = serve(start=False, DNS_PEERS=f"{HOST}:{port}", DNS_PEERS_INTERVAL="0.6", DNS_INSTANCE_ID="ns1",
                  DNS_RECURSION_ALLOW="192.0.2.0/24", DNS_RESOLVER_ADDRESS=f"{HOST}:9")
    fill(first)
    second = serve(start=False, DNS_FILE_LOG=str(first.log), DNS_INSTANCE_ID="ns2", DNS_ADMIN_ADDRESS=f"{HOST}:{port}")
    second.admin_port, second.port = port, free_port()
    second.settings["DNS_ADDRESS"] = f"{HOST}:{second.port}"
    second.start()
    return first.start()


@pytest.fixture
def guarded(serve: Callable[..., Server], tmp_path: Path) -> Server:
    """A node with users."""
    server = serve(
        start=False, DNS_ADMIN_USERS=str(tmp_path / "users"), DNS_ADMIN_REVOKED=str(tmp_path / "revoked.json"),
        DNS_ADMIN_JWTSECRET="a secret of the tests, of more than 32 octets", DNS_RECURSION_ALLOW="192.0.2.0/24",
        DNS_RESOLVER_ADDRESS=f"{HOST}:9",
    )
    fill(server)
    done = server.command("user", "add", "alice", "--role", "operator", stdin=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    return server.start()


def run(server: Server, command: str, folder: Path, **variables: str) -> str:
    """What a command of the page writes; curl says nothing of how far it is."""
    environment = server.environment | variables | {
        "A": f"http://{HOST}:{server.admin_port}",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    done = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl --silent --show-error ", 1)], cwd=folder, env=environment,
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 0, (command, done)
    return done.stdout


def test_each_call_has_a_line(node: Server) -> None:
    status, body = node.get("/v1/openapi.json")
    assert status == 200
    lines = [shown.command for shown in commands() if "curl " in shown.command]
    for path, methods in json.loads(body)["paths"].items():
        pattern = re.compile(r"\$A" + re.sub(r"\\{\w+\\}", r"[^/?\"' ]+", re.escape(path)) + r"(?=[?\"' ]|$)")
        for method in methods:
            posts = re.compile(r"-X POST|-d " if method == "post" else "$^")
            found = [line for line in lines if pattern.search(line)
                     and bool(posts.search(line)) == (method == "post")
                     and (method == "post" or not re.search(r"-X POST|-d ", line))]
            assert found, f"{method.upper()} {path} has no line in docs/api.md"


def test_each_line_without_a_login_does_what_is_shown(node: Server, tmp_path: Path) -> None:
    assert node.answers("www.example.org") == ["192.0.2.8"]
    wait_until(lambda: b'"instance":"ns2"' in node.get("/v1/nodes")[1], "its peer is known")
    wait_until(lambda: json.loads(node.get("/v1/nodes/self")[1])["audit"], "its records were looked at")
    done = 0
    for shown in commands():
        if shown.section in (LOGIN, HELD):
            continue
        done += 1
        if shown.command == STREAM:
            _follow(node, shown)
            continue
        text = run(node, shown.command, tmp_path)
        if shown.output.lstrip().startswith("#"):
            assert shown.output.split()[2] in text, shown.command
            continue
        document = json.loads(text)
        assert shown.fields <= names_in(document), (shown.command, shown.fields - names_in(document), text)
        refused = shown.output.lstrip().startswith('{"error":{"code"')
        assert refused == text.startswith('{"error":{"code"'), (shown.command, text)
    assert done > 20


def test_each_line_about_a_held_view_does_what_is_shown(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(start=False)
    fill(server)
    lines = server.log.read_bytes().splitlines(keepends=True)
    server.start()
    zones = [each for each in lines if b"example.com" not in each]
    (server.folder / "other").write_bytes(b"".join([*zones[1:], zones[0]]))
    (server.folder / "other").rename(server.log)
    held = wait_until(lambda: server.status()["view"]["held"], "it is held")
    (accept,) = (shown for shown in commands() if shown.section == HELD and "accept" in shown.command)
    for shown in commands():
        if shown.section == HELD:
            body = json.dumps({each: held[each] for each in ("id", "zones", "rrsets")})
            text = run(server, re.sub(r"'\{.*\}'", f"'{body}'", shown.command), tmp_path)
            assert shown.fields <= names_in(json.loads(text)), (shown.command, text)
            assert "error" not in json.loads(text)
    wait_until(lambda: server.status()["zones"] == held["zones_served"] - 1, f"{accept.command} was obeyed")


def _follow(server: Server, shown: Shown) -> None:
    """The stream: what it begins with, and a change that comes."""
    assert re.search(r"event: change\n *id: .*\n *data: ", shown.output)
    command = ["curl", "--silent", "-N", f"http://{HOST}:{server.admin_port}/v1/journal/stream"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        try:
            assert following.stdout is not None
            lines = iter(following.stdout)
            assert next(line for line in lines if line.startswith("id: "))
            server.publish("new.example.org", "A", ["192.0.2.1"])
            assert next(line for line in lines if line.startswith("event: ")) == "event: change\n"
            assert next(lines).startswith("id: ")
            data = next(lines).removeprefix("data: ")
            assert shown.fields <= names_in(json.loads(data))
        finally:
            following.kill()


def _too_early(answer: str) -> str:
    """The answer, where it says that it is too early for another password."""
    return answer if " 429 " in answer else ""


@pytest.mark.slow
def test_each_line_about_who_may_does_what_is_shown(guarded: Server, tmp_path: Path) -> None:
    csrf = token = ""
    for shown in commands():
        if shown.section != LOGIN:
            continue
        if shown.command.startswith("TOKEN="):
            token = run(guarded, f"{shown.command} && echo $TOKEN", tmp_path).strip()
            continue
        command = shown.command.replace(CSRF, csrf)
        if "guess work" in command:
            # The delay grows, so however slow this machine is, one comes too early.
            text = wait_until(lambda: _too_early(run(guarded, command, tmp_path)), "it has to wait", timeout_s=60)  # noqa: B023
        else:
            text = run(guarded, command, tmp_path, TOKEN=token)
        if shown.command.startswith("echo "):
            continue
        if "HTTP/1.1" in shown.output:
            assert shown.output.split("\n")[0].strip() == text.split("\n")[0]
            assert "Retry-After: " in text
            text = text.partition("\n\n")[2]
        document = json.loads(text)
        assert shown.fields <= names_in(document), (shown.command, text)
        if "error" in shown.fields:
            assert document["error"]["code"] == re.findall(r'"code":"(\w+)"', shown.output)[0], (shown.command, text)
        csrf = document.get("csrf", csrf) if isinstance(document, dict) else csrf
    assert csrf
    assert token
