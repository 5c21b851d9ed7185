"""Every command that docs/ and the README show is run as it is printed, and writes what is printed below it."""

from __future__ import annotations

import fcntl
import os
import pathlib
import pty
import re
import shlex
import shutil
import subprocess
import sys
import termios
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from streamdns.commands import parser
from tests.harness import ROOT, Server, event_line, free_port, wait_until
from tests.harness.foreground import Foreground, dig
from tests.harness.peers import missing_tools
from tests.harness.process import end, spawn
from tests.harness.server import HOST
from tests.harness.shown import Shown, inline, missing, shown
from tests.integration.test_resolver import Tree, tree

__all__ = ["tree"]

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("docs/*.md"), ROOT / "README.md"])
#: Where another test does exactly this, with what it needs.
ELSEWHERE = {
    ("docs/cli.md", "streamdns publish", "streamdns publish www.example.org A 192.0.2.1 --topic zones"):
        "tests/kafka/test_producing.py",
    ("README.md", "Two commands", "make run"): "test_the_readme",
    ("README.md", "Two commands", "make test"): "this run",
    ("docs/operations.md", "Operations", "journalctl -u streamdns --since -1h"): "needs systemd",
}
OTHER_NODE = "127.0.0.1:18064"
TOKEN_ID = "5f0c2a9be1d84c7712a0b3de"


class World:
    """A node that follows the zone of `make run`, another node beside it, and a folder to type commands in."""

    def __init__(self, serve: Callable[..., Server], folder: pathlib.Path) -> None:
        port = free_port()
        self.folder = folder
        self.node = serve(
            start=False, DNS_PEERS=f"{HOST}:{port}", DNS_PEERS_INTERVAL="0.6", DNS_INSTANCE_ID="ns1",
            DNS_ADMIN_REVOKED=str(folder / "revoked.json"),
        )
        self.other = serve(start=False, DNS_FILE_LOG=str(self.node.log), DNS_INSTANCE_ID="ns2",
                           DNS_ADMIN_ADDRESS=f"{HOST}:{port}")
        self.other.admin_port, self.other.port = port, free_port()
        self.other.settings["DNS_ADDRESS"] = f"{HOST}:{self.other.port}"
        self.extra: dict[str, str] = {}
        shutil.copy(ROOT / "examples" / "example.org.zone", folder)

    def start(self) -> None:
        """Fill the log and start both."""
        done = self.run("streamdns import example.org.zone --origin example.org")
        assert done.returncode == 0, done
        self.node.start()
        self.other.start()
        self.level()

    def level(self) -> None:
        """Both have applied all that is in the log, and each knows how the other is."""
        self.node.wait_applied()
        self.other.wait_applied()
        position = self.node.ends()[0]
        wait_until(lambda: f'"position":{position}'.encode() in self.node.get("/v1/nodes")[1].split(b'"peers"')[1],
                   "the peer is known")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Type a command; standard error comes behind standard output."""
        environment = self.node.environment | self.extra | {
            "PATH": os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]),
        }
        return subprocess.run(
            ["bash", "-c", self.here(command)], cwd=self.folder, env=environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=60, check=False,
        )

    def here(self, command: str) -> str:
        """The command with the places of this machine and of now."""
        return (
            command.replace(OTHER_NODE, f"{HOST}:{self.other.admin_port}")
            .replace("http://127.0.0.1:8054", f"http://{HOST}:{self.node.admin_port}")
            .replace("/etc/bash_completion.d/", f"{self.folder}/").replace("/etc/streamdns.env", "streamdns.env")
        )

    def write(self, name: str, text: str) -> None:
        """A file in the folder."""
        (self.folder / name).write_text(text)


@pytest.fixture
def world(serve: Callable[..., Server], tmp_path: pathlib.Path) -> World:
    folder = tmp_path / "folder"
    folder.mkdir()
    return World(serve, folder)


def section(page: str, name: str) -> list[Shown]:
    """The commands of a section that are to be run here."""
    return [each for each in shown(page) if each.section == name and (page, name, each.command) not in ELSEWHERE]


def check(world: World, each: Shown, *, code: int = 0) -> None:
    """Run it; its exit code and what it writes are those of the page."""
    done = world.run(each.command)
    written = done.stdout + done.stderr
    written = written.replace(str(world.node.view), "./var/view").replace(str(world.node.log), "./var/log.jsonl")
    written = written.replace(f"http://{HOST}:{world.node.admin_port}", "http://127.0.0.1:8054")
    assert done.returncode == code, (each.command, done)
    assert not missing(each, written), (each.command, missing(each, written), written)


def in_order(world: World, name: str, *codes: int) -> None:
    """Run the commands of a section of docs/cli.md one after the other."""
    found = section("docs/cli.md", name)
    assert len(found) == len(codes), [each.command for each in found]
    for each, code in zip(found, codes, strict=True):
        check(world, each, code=code)


def test_every_section_is_run_here() -> None:
    """A new section of docs/cli.md with commands gets a test below."""
    text = pathlib.Path(__file__).read_text(encoding="utf-8")
    names = {each.section for each in shown("docs/cli.md")}
    assert len(names) > 20
    assert [name for name in sorted(names) if f'"{name}"' not in text] == []
    # Those of docs/kafka.md and docs/pulsar.md need a broker: test_producing.py of tests/kafka and tests/pulsar. Those
    # of docs/install.md need a machine of their own: tests/packages/test_life.py.
    elsewhere = {f"docs/{name}.md" for name in ("api", "cli", "install", "kafka", "pulsar")}
    pages = {page for page in PAGES if shown(page)} - elsewhere
    assert [page for page in sorted(pages) if f'"{page}"' not in text] == []


@pytest.mark.slow
def test_run(world: World) -> None:
    (each,) = section("docs/cli.md", "streamdns run")
    world.write("streamdns.env", "DNS_ADMIN_ADDRESS=off\nDNS_ADDRESS=127.0.0.1:0\nLOG_FORMAT=plain\n")
    output = world.folder / "output"
    environment = {name: value for name, value in world.node.environment.items() if name != "DNS_ADDRESS"}
    with output.open("wb") as file:
        command = [sys.executable, "-m", *shlex.split(world.here(each.command))]
        process = spawn(command, env=environment | {"PYTHONPATH": str(ROOT)}, output=file, cwd=world.folder)
    try:
        wait_until(lambda: not missing(each, output.read_text()), "it writes what is printed")
    finally:
        assert end(process) == 0


@pytest.mark.slow
def test_check_and_settings(world: World) -> None:
    world.start()
    in_order(world, "streamdns check", 0, 78)
    world.extra = {"DNS_ADDRESS": ""}
    in_order(world, "streamdns settings", 0)


@pytest.mark.slow
def test_publish(world: World) -> None:
    world.start()
    first, second, third, delete, bad, skipping, failing = section("docs/cli.md", "streamdns publish")
    for each in (first, second, third, delete):
        check(world, each)
    good = '{"key": "a.example.org.|A", "value": [{"name": "a.example.org.", "type": "A", "content": "192.0.2.3"}]}\n'
    world.write("events.jsonl", good + good.replace("192.0.2.3", "192.0.2.300"))
    check(world, bad, code=1)
    check(world, skipping)
    assert failing.command == bad.command, "what is in the log when brokers fail: tests/kafka/test_producing.py"


@pytest.mark.slow
def test_import_and_export(world: World) -> None:
    first, second, third, skipping, guarding = section("docs/cli.md", "streamdns import")
    check(world, first)
    zone = (world.folder / "example.org.zone").read_text()
    world.node.publish("a.example.org", "A", ["192.0.2.3"])
    world.node.publish("www.example.org", "AAAA", None)
    new = zone.replace(" 1 7200", " 2 7200").replace("192.0.2.7", "192.0.2.77").replace("192.0.2.25", "192.0.2.26")
    world.write("new.zone", new.replace("ftp         IN CNAME www\n", ""))
    check(world, second)
    world.write("new.zone", "$TTL 300\n; a stranger\nwww.example.net. A 192.0.2.1\n")
    check(world, third, code=1)
    check(world, skipping)
    world.node.publish("sub.example.org", "SOA", ["ns.sub.example.org. host.sub.example.org. 1 2 3 4 5"])
    world.node.publish("sub.example.org", "NS", ["ns.sub.example.org."])
    world.write("example.org.zone", zone + "sub IN NS ns9.example.net.\n")
    check(world, guarding)
    world.node.publish("ftp.example.org", "TXT", ["hidden"], ttl=3600)
    world.node.start()
    world.node.wait_applied()
    in_order(world, "streamdns export", 0)


@pytest.mark.slow
def test_delete_zone(world: World) -> None:
    world.start()
    for owner, rdtype, content in (
        ("sub.example.org", "SOA", "ns.sub.example.org. host.sub.example.org. 1 2 3 4 5"),
        ("sub.example.org", "NS", "ns.sub.example.org."), ("www.sub.example.org", "A", "192.0.2.1"),
    ):
        world.node.publish(owner, rdtype, [content])
    world.level()
    in_order(world, "streamdns delete-zone", 0)


@pytest.mark.slow
def test_looking_at_the_view(world: World) -> None:
    world.start()
    (first,) = (each for each in section("docs/cli.md", "streamdns publish") if "--producer deployd" in each.command)
    check(world, first)
    world.node.publish("www.example.org", "AAAA", None)
    bad = '[{"name":"www.example.org.","type":"A","content":"192.0.2"}]'
    world.node.append(event_line("www.example.org.|A", bad, 1))
    world.node.publish("ftp.example.org", "TXT", ["hidden"])
    world.level()
    in_order(world, "streamdns lookup", 0, 0)
    in_order(world, "streamdns digest", 0)
    in_order(world, "streamdns quarantine", 0)
    in_order(world, "streamdns conflicts", 0)


@pytest.mark.slow
def test_rebuild(world: World) -> None:
    world.start()
    with_server, without, _ = section("docs/cli.md", "streamdns rebuild")  # a full disk: test_rebuild_command.py
    check(world, with_server)
    assert world.node.stop() == 0
    check(world, without)


@pytest.mark.slow
def test_accept(world: World) -> None:
    """Another zone is lost with another log."""
    zone = (
        ("example.com", "SOA", "ns1.example.com. host.example.com. 1 2 3 4 5"),
        ("example.com", "NS", "ns1.example.com."), ("ns1.example.com", "A", "192.0.2.53"),
    )
    done = world.run("streamdns import example.org.zone --origin example.org")
    assert done.returncode == 0, done
    kept = world.node.log.read_bytes().splitlines(keepends=True)
    for owner, rdtype, content in zone:
        world.node.publish(owner, rdtype, [content])
    world.node.start()
    world.write("other", "".join(each.decode() for each in reversed(kept)))
    (world.folder / "other").rename(world.node.log)
    wait_until(lambda: world.node.status()["view"]["held"], "it is held")
    in_order(world, "streamdns rebuild --accept", 0, 0)


@pytest.mark.slow
def test_undo(world: World) -> None:
    world.start()
    began = datetime.now(UTC).isoformat()
    world.node.publish("mail.example.org", "A", None)
    world.node.publish("www.example.org", "A", ["192.0.2.99"])
    world.node.wait_applied()
    for each in section("docs/cli.md", "streamdns journal --undo"):
        check(world, each._replace(command=each.command.replace("2026-11-24T05:43:00Z", began)))
    wait_until(lambda: world.node.answers("mail.example.org"), "it is back")


@pytest.mark.slow
@pytest.mark.peers("nsd", "knotd")
def test_resolve(world: World, tree: Tree) -> None:
    world.extra = tree.settings() | {"DNS_PATHDB": str(world.folder / "nowhere")}
    in_order(world, "streamdns resolve", 0, 1)


@pytest.mark.slow
def test_asking_a_node(world: World) -> None:
    world.start()
    done = world.run("streamdns publish _acme-challenge.www.example.org TXT abc123 --ttl 60 --producer acme")
    assert done.returncode == 0, done
    world.node.publish("_acme-challenge.www.example.org", "TXT", None)
    world.level()
    for name in ("streamdns status", "streamdns records", "streamdns search", "streamdns consumer",
                 "streamdns journal", "streamdns nodes", "streamdns compare", "streamdns endpoint"):
        in_order(world, name, 0)
    in_order(world, "streamdns zones", 0, 0)
    in_order(world, "streamdns wait", 0, 1)


@pytest.mark.slow
def test_completion_and_version(world: World) -> None:
    in_order(world, "streamdns completion", 0)
    assert "complete" in (world.folder / "streamdns").read_text()
    in_order(world, "streamdns version", 0)


@pytest.mark.slow
def test_users_and_tokens(world: World) -> None:
    world.extra = {"DNS_ADMIN_USERS": str(world.folder / "users"), "DNS_ADMIN_JWTSECRET": "a secret of " + "x" * 32}
    add, listing = section("docs/cli.md", "streamdns user")
    written = _typed(world, add.command, ["correct horse", "correct horse"])
    assert not missing(add, written), written
    check(world, listing)
    world.node.settings |= world.extra
    world.node.start()
    create, revoke, revoke_file = section("docs/cli.md", "streamdns token")
    check(world, create)
    done = world.run(create.command)
    found = re.search(r"id ([0-9a-f]{24})", done.stderr)
    assert found, done
    check(world, revoke._replace(command=revoke.command.replace(TOKEN_ID, found[1])))
    check(world, revoke_file)


def _typed(world: World, command: str, answers: list[str]) -> str:
    """What a command writes on a terminal on which somebody answers each question."""
    ours, its = pty.openpty()
    environment = world.node.environment | world.extra
    process = subprocess.Popen(
        [sys.executable, "-m", *shlex.split(command)], cwd=world.folder, env=environment | {"PYTHONPATH": str(ROOT)},
        stdin=its, stdout=its, stderr=its, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(its)
    written = b""
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        try:
            while part := terminal.read(4096):
                written += part
                if written.count(b": ") and answers and part.rstrip().endswith(b":"):
                    terminal.write(answers.pop(0).encode() + b"\n")
        except OSError:
            pass  # the other end is closed
    assert process.wait(30) == 0, written
    return written.decode()


@pytest.mark.slow
def test_the_first_look_at_a_node(world: World) -> None:
    world.start()
    for each in section("docs/operations.md", "Operations"):
        check(world, each)


@pytest.mark.slow
def test_the_console_in_scripts(world: World) -> None:
    world.start()
    for each in section("docs/console.md", "In scripts, and in a browser"):
        check(world, each)


def test_the_readme(tmp_path: pathlib.Path) -> None:
    """At ports of its own: those of the page may be in use here."""
    if reason := missing_tools("dig"):
        pytest.skip(reason)
    run, before, publish, after, _ = shown("README.md")
    port, log = free_port(), tmp_path / "log.jsonl"
    settings = {
        "DNS_ADDRESS": f"{HOST}:{port}", "DNS_ADMIN_ADDRESS": f"{HOST}:{free_port()}", "DNS_FILE_LOG": str(log),
        "DNS_PATHDB": str(tmp_path / "view"), "DNS_INSTANCE_ID": "ns1", "NO_COLOR": "1",
    }
    with Foreground(tmp_path, "run", **settings) as made:
        made.printed("consumer.caught_up.*")
        # .venv was made before, and its first line is of that.
        written = made.written().replace(str(log), "./var/log.jsonl")
        # The console is told where, because that is not where it looks by itself.
        written = written.replace(f"streamdns-console {settings['DNS_ADMIN_ADDRESS']}", "streamdns-console")
        assert not missing(run._replace(output=run.output[1:]), written), written
        for each in (before, after):
            asked = each.command.replace("8053", str(port)).replace(" +noall +answer", "")
            assert dig(asked) == {each.output[0].split()[-1]}
            if each is before:
                command = publish.command.replace("./var/log.jsonl", str(log))
                done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
                assert (done.returncode, missing(publish, done.stdout)) == (0, []), done
                wait_until(lambda: dig(f"dig @{HOST} -p {port} www.example.org A") == {"192.0.2.99"}, "it has changed")
        made.interrupt(within_s=10)


@pytest.mark.parametrize("page", PAGES)
def test_commands_within_sentences_are_commands(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What stands between backticks parses, with one word for each NAME in capitals."""
    for command in inline(page, "streamdns"):
        words = shlex.split(re.sub(r"\.\.\.|\[.*?\]", "", command))[1:]
        values = {"ID": TOKEN_ID, "ROLE": "viewer", "TYPE": "A", "TIME": "2026-01-01T00:00:00Z"}
        words = [values.get(word, "1") if re.fullmatch(r"[A-Z]{2,}", word) else word for word in words]
        if not words or words[-1] == "COMMAND" or "--help" in words:
            continue
        try:
            parser.parse(words)
        except SystemExit:
            said = capsys.readouterr().err
            # A command that is only named has no arguments; one that has some has all of them.
            assert (len(words) <= 2 and "missing" in said) or "required" in said, (page, command, said)
    for command in inline(page, "make"):
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        assert set(re.findall(r"^make ([a-z-]+)", command)) <= targets, (page, command)
