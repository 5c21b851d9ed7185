"""The commands that ask a node: tables, JSON, errors in one sentence, and shell completion."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable

import dns.rcode
import pytest

from tests.harness import ROOT, Server, event_line, wait_until
from tests.harness.server import HOST

SOA = "ns.example.org. host.example.org. 7 2 3 4 5"


def started(serve: Callable[..., Server]) -> Server:
    """A server with a zone."""
    server = serve(start=False)
    server.publish("example.org", "SOA", [SOA], timestamp=1)
    for number in range(12):
        server.publish(f"www{number:02d}.example.org", "A", [f"192.0.2.{number}"], timestamp=1000 + number)
    server.append(event_line("bad.example.org.|A", "[", 7))
    server.start()
    server.wait_applied()
    return server


@pytest.fixture(scope="module")
def node(serve_all: Callable[..., Server]) -> Server:
    """A server with a zone, which all tests ask and none changes."""
    return started(serve_all)


@pytest.fixture
def own(serve: Callable[..., Server]) -> Server:
    """A server with a zone for one test, which may change it."""
    return started(serve)


def out(server: Server, *arguments: str, code: int = 0) -> str:
    """What a command writes."""
    done = server.command(*arguments)
    assert (done.returncode, done.stderr) == (code, ""), done
    return done.stdout


def test_tables(node: Server) -> None:
    status = out(node, "status")
    assert "ready       yes" in status
    assert "1 zones, 13 names, 13 RRsets, 13 records" in status
    assert node.status()["digest"] in status
    head, zone = out(node, "zones").splitlines()
    assert head.split() == ["ZONE", "SERIAL", "RRSETS", "RECORDS", "CHANGED", "DIGEST"]
    assert zone.split()[:4] == ["example.org.", "7", "13", "13"]
    assert "serial 7, refresh 2" in out(node, "zones", "example.org")
    records = out(node, "records", "example.org").splitlines()
    assert len(records) == 14
    assert records[2].split()[:3] == ["www00.example.org.", "300", "A"]
    assert records[2].endswith("192.0.2.0")
    assert len(out(node, "records", "example.org", "www01.example.org").splitlines()) == 2
    assert len(out(node, "search", "www1").splitlines()) == 3
    assert len(out(node, "search", "www", "--limit", "5").splitlines()) == 6
    assert "following since" in out(node, "consumer")
    journal = out(node, "journal", "--limit", "2").splitlines()
    assert journal[1].endswith("nothing -> 300 192.0.2.11")
    assert len(journal) == 3
    assert "bad.example.org.|A" in out(node, "quarantine", "--node", f"{HOST}:{node.admin_port}")
    assert "bad.example.org.|A" in out(node, "quarantine")
    assert out(node, "nodes").splitlines()[1].endswith("itself")


def on_terminal(server: Server, *arguments: str, columns: int = 80) -> list[str]:
    """The lines that a command writes on a terminal of so many columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with os.fdopen(ours, "rb", buffering=0) as reader:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamdns", *arguments], env=server.environment, cwd=ROOT, stdin=its, stdout=its,
            stderr=subprocess.STDOUT,
        )
        os.close(its)
        written = b""
        try:
            while part := reader.read(4096):
                written += part
        except OSError:
            pass  # The other end is closed: Linux says so with EIO.
        assert process.wait(30) in (0, 1)
    return written.decode().splitlines()


def test_tables_fit_on_a_terminal(own: Server) -> None:
    """Eighty columns: no line is longer, every head stands in one line, and nothing of a record is lost."""
    long = " ".join(f'"{number:03d} {"x" * 60}"' for number in range(5))
    own.publish("a-name-of-some-length.and-then-some-more.example.org", "TXT", [long])
    own.append(event_line("worse.example.org.|A", [{"name": "worse.example.org.", "type": "A", "content": "x" * 90}]))
    own.wait_applied()
    other = f"{HOST}:{own.admin_port}"
    for arguments, head in (
        (("status",), "node "), (("zones",), "ZONE  "), (("zones", "example.org"), "zone "),
        (("records", "example.org"), "NAME  "), (("search", "www"), "NAME  "), (("consumer",), "source  "),
        (("journal",), "TIME  "), (("nodes",), "NODE  "), (("quarantine", "--node", other), "WHERE  "),
        (("quarantine", "--node", other, "--payload"), "KEY  "),
    ):
        lines = on_terminal(own, *arguments)
        assert lines[0].startswith(head), (arguments, lines[:3])
        assert max(map(len, lines)) <= 80, (arguments, max(lines, key=len))
    shown = "".join(line.rsplit("  ", 1)[-1].strip() for line in on_terminal(own, "search", "some-length"))
    assert [piece for piece in ("000 xxx", "004 xxx") if piece in shown] == ["000 xxx", "004 xxx"]
    assert shown.count("x") >= 5 * 60


@pytest.mark.parametrize(("arguments", "length"), [
    (("status",), None), (("zones",), 1), (("zones", "example.org"), None), (("records", "example.org"), 13),
    (("search", "--glob", "www0*", "--type", "a"), 10), (("consumer",), None), (("journal",), 13),
    (("journal", "--name", "www03.example.org"), 1), (("nodes",), None),
    (("quarantine", "--node", "http://{host}:{port}"), 1), (("wait", "--offset", "0"), None),
    (("compare", "{host}:{port}"), None), (("zones", "--below", "example.net"), 0),
])
def test_json(node: Server, arguments: tuple[str, ...], length: int | None) -> None:
    words = [word.format(host=HOST, port=node.admin_port) for word in arguments]
    document = json.loads(out(node, *words, "--json"))
    assert isinstance(document, dict) if length is None else len(document) == length


@pytest.mark.parametrize("options", [(), ("--all",)])
def test_nodes_that_hold_the_same_do_not_differ(node: Server, options: tuple[str, ...]) -> None:
    done = node.command("compare", f"{HOST}:{node.admin_port}", *options)
    assert (done.returncode, done.stdout) == (0, "no differences\n"), done
    done = node.command("compare", f"{HOST}:{node.admin_port}", *options, "--json")
    assert done.returncode == 0, done
    document = json.loads(done.stdout)
    assert (document["zones"], document["differences"]) == ([], [])


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("zones", "nowhere.example"), "nowhere.example. is not a zone of the view"),
    (("records", "example.org", "www.example.net"), "is not in the zone example.org."),
    (("status", "--node", "{host}:1"), "cannot be asked: connection refused"),
    (("status", "--node", "nonsense"), "the node nonsense is not http://HOST:PORT"),
    (("status", "--node", "unix:/nowhere/at/all"), "cannot be asked: no such file or directory"),
    (("status", "--node", "{host}:{dns}"), "cannot be asked: "),
    (("status", "--token-file", "/nowhere/token"), "the token file /nowhere/token cannot be read"),
    (("search",), "say what to search"),
    (("search", "x", "--type", "NONSENSE"), "is not a record type"),
    (("wait",), "say what to wait for"),
    (("wait", "www.example.org", "A", "--timeout", "0"), "not applied within 0 s by"),
    (("journal", "--since", "yesterday"), "--since yesterday is neither"),
    (("search", "nothing-at-all"), "nothing was found"),
])
def test_errors_are_one_sentence(node: Server, arguments: tuple[str, ...], sentence: str) -> None:
    words = [word.format(host=HOST, port=node.admin_port, dns=node.port) for word in arguments]
    done = node.command(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("streamdns: ")
    assert sentence in done.stderr


def test_tokens_go_along(serve: Callable[..., Server], tmp_path: pathlib.Path) -> None:
    secret = "a secret of more than thirty-two octets"
    server = serve(start=False, DNS_ADMIN_JWTSECRET=secret, DNS_ADMIN_USERNAME="admin", DNS_ADMIN_PASSWORD="pass word")
    server.publish("example.org", "SOA", [SOA], timestamp=1)
    server.start()
    assert "example.org." in out(server, "zones"), "these settings sign a token for themselves"
    stranger = {name: text for name, text in server.environment.items() if not name.startswith("DNS_ADMIN_")}
    node = f"{HOST}:{server.admin_port}"

    def ask(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "streamdns", "zones", *arguments], env=stranger | environment, cwd=ROOT,
            capture_output=True, text=True, timeout=60, check=False,
        )

    refused = ask("--node", node)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1), refused
    token = server.command("token", "create", "--role", "viewer").stdout.strip()
    file = tmp_path / "token"
    file.write_text(token + "\n")
    for done in (
        ask("--node", node, STREAMDNS_TOKEN=token), ask(STREAMDNS_NODE=f"http://{node}", STREAMDNS_TOKEN=token),
        ask("--node", node, "--token-file", str(file)),
    ):
        assert done.returncode == 0, done
        assert "example.org." in done.stdout
    scoped = server.command("token", "create", "--role", "viewer", "--zone", "example.net.").stdout.strip()
    assert ask("--node", node, STREAMDNS_TOKEN=scoped).stderr == "streamdns: there are no zones\n"
    assert ask("example.org", "--node", node, STREAMDNS_TOKEN=scoped).returncode == 1


def test_publish_waits_until_it_is_answered(own: Server) -> None:
    for number in range(3):
        done = out(own, "publish", f"new{number}.example.org", "A", "192.0.2.9", "--wait")
        assert own.answers(f"new{number}.example.org") == ["192.0.2.9"]
        assert "applied after" in done
    record = {"type": "A", "content": "192.0.2.9"}
    names = [f"many{number}.example.org." for number in range(9)]
    lines = "".join(event_line(f"{name}|A", [record | {"name": name}]).decode() for name in names)
    done = own.command("publish", "--json", "-", "--wait", stdin=lines)
    assert done.returncode == 0, done
    assert own.answers("many8.example.org") == ["192.0.2.9"]


def test_import_and_delete_zone_wait_until_it_is_answered(own: Server, tmp_path: pathlib.Path) -> None:
    """What is asked right behind the command has the new state, for the zone as a whole."""
    file = tmp_path / "zone"
    for number in range(3):
        file.write_text("@ 60 IN SOA ns1 hostmaster 1 2 3 4 5\n@ 60 IN NS ns1\nns1 60 IN A 192.0.2.1\n"
                        + "".join(f"h{each} 60 IN A 192.0.2.{number}\n" for each in range(1200)))
        done = out(own, "import", str(file), "--origin", "waited.example", "--wait")
        assert own.answers("h1199.waited.example") == [f"192.0.2.{number}"]
        assert "applied after" in done
    assert "applied after" not in out(own, "import", str(file), "--origin", "waited.example", "--wait"), "no change"
    assert "applied after" in out(own, "delete-zone", "waited.example", "--yes", "--wait")
    assert own.ask("h0.waited.example").rcode() == dns.rcode.REFUSED


def test_publish_says_when_it_was_not_applied_in_time(own: Server) -> None:
    own.signal(signal.SIGSTOP)
    try:
        done = own.command("publish", "late.example.org", "A", "192.0.2.9", "--node", f"{HOST}:1", "--wait")
    finally:
        own.signal(signal.SIGCONT)
    assert done.returncode == 1
    assert done.stdout.startswith("late.example.org.|A: partition 0, position ")
    assert done.stderr.startswith("streamdns: published, but http://")


def test_wait_for_what_comes_and_goes(own: Server) -> None:
    done: list[subprocess.CompletedProcess[str]] = []
    waiter = threading.Thread(
        target=lambda: done.append(own.command("wait", "www.example.org", "TXT", "here", "--timeout", "60")),
    )
    waiter.start()
    own.publish("www.example.org", "TXT", ['"here"'])
    waiter.join(90)
    assert done[0].returncode == 0, done
    own.publish("www.example.org", "TXT", None)
    assert out(own, "wait", "www.example.org", "TXT", "--gone").startswith("applied after")


def test_the_journal_is_followed_beyond_a_restart(own: Server, tmp_path: pathlib.Path) -> None:
    output = tmp_path / "followed"
    with output.open("wb") as file:
        follower = subprocess.Popen(
            [sys.executable, "-m", "streamdns", "journal", "--follow", "--json"], env=own.environment, cwd=ROOT,
            stdout=file, stderr=subprocess.STDOUT,
        )
    counted = iter(range(1000))

    def shown(least: int) -> bool:
        own.publish(f"f{next(counted)}.example.org", "A", ["192.0.2.1"])
        own.wait_applied()
        return output.read_bytes().count(b"{") > least

    try:
        wait_until(lambda: shown(0), "a change is shown", interval_s=0.2)
        own.stop()
        own.publish("missed.example.org", "A", ["192.0.2.1"])
        own.start()
        wait_until(lambda: b"missed.example.org." in output.read_bytes(), "what came meanwhile is shown")
        lines = [line for line in output.read_text().splitlines() if line.startswith("{")]
        changes = [json.loads(line) for line in lines]
        assert [change["id"] for change in changes] == list(range(changes[0]["id"], changes[0]["id"] + len(changes)))
        follower.send_signal(signal.SIGINT)
        assert follower.wait(30) == 130
    finally:
        if follower.poll() is None:
            follower.kill()
            follower.wait()


def completion(shell: str) -> str:
    """What the command writes for a shell that is there."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    return subprocess.run(
        [sys.executable, "-m", "streamdns", "completion", shell], cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout


def test_bash_completes(tmp_path: pathlib.Path) -> None:
    script = completion("bash")
    (function,) = re.findall(r"^complete .*-F (\w+) streamdns$", script, re.MULTILINE)

    def completed(*words: str) -> set[str]:
        quoted = " ".join(f"'{word}'" for word in words)
        given = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}"
        call = f"{function} streamdns '{words[-1]}' '{words[-2]}'"
        code = f"{script}\n{given}; {call}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    assert completed("streamdns", "qua") == {"quarantine"}
    assert completed("streamdns", "journal", "--fo") == {"--follow"}
    assert {"--node", "--json", "--token-file"} <= completed("streamdns", "zones", "--")
    assert completed("streamdns", "--env-file", "x", "completion", "") >= {"bash", "zsh", "fish"}
    assert completed("streamdns", "user", "add", "--role", "") == {"viewer", "operator", "admin"}
    (tmp_path / "zonefile").touch()
    assert completed("streamdns", "import", "zo") == {"zonefile"}
    assert completed("streamdns", "import", "--origin", "example.org", "zo") == {"zonefile"}
    assert completed("streamdns", "zones", "--token-file", "zo") == {"zonefile"}
    assert completed("streamdns", "--env-file", "zo") == {"zonefile"}


def test_zsh_gets_a_completion_that_it_can_read() -> None:
    script = completion("zsh")
    assert script.startswith("#compdef streamdns\n")
    assert "quarantine:'list the events that were rejected'" in script
    subprocess.run(["zsh", "-n"], input=script, text=True, check=True, env={"PATH": os.environ["PATH"]})


def test_fish_completes(tmp_path: pathlib.Path) -> None:
    (tmp_path / "script").write_text(completion("fish"))
    (tmp_path / "zonefile").touch()

    def completed(line: str) -> set[str]:
        code = f"source script; complete -C '{line}'"
        done = subprocess.run(["fish", "--no-config", "-c", code], cwd=tmp_path, capture_output=True, text=True,
                              check=True, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
        return {word.split("\t")[0] for word in done.stdout.splitlines()}

    assert completed("streamdns qua") == {"quarantine"}
    assert completed("streamdns journal --fo") == {"--follow"}
    assert completed("streamdns import zo") == {"zonefile"}
