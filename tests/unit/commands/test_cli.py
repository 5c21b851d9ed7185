"""The command line: arguments, exit codes, settings and check. `Commands` runs commands in this process."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
from typing import Any, NamedTuple

import pytest

from streamdns import cli
from streamdns.commands import node
from streamdns.commands.output import Progress, moment, printable, printable_octets
from streamdns.events.batch import Batch
from streamdns.sources.file import FileSource
from streamdns.view.view import View
from streamdns.view.writer import LocalRRset, Writer
from tests.harness import ROOT

DOCS = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


class Done(NamedTuple):
    """Exit code and what was written."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Commands:
    """Runs commands with a log and a view of their own in `folder`; `apply` does what the server would."""

    def __init__(self, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.log, self.view = folder, folder / "log.jsonl", folder / "view"
        self._monkeypatch = monkeypatch
        for name in [name for name in os.environ if name.startswith(("DNS_", "LOG_"))]:
            monkeypatch.delenv(name)
        self.set(DNS_FILE_LOG=self.log, DNS_PATHDB=self.view, DNS_ADDRESS="127.0.0.1:0", DNS_ADMIN_ADDRESS="off")

    def set(self, **settings: object) -> None:
        """Settings in the environment."""
        for name, value in settings.items():
            self._monkeypatch.setenv(name, str(value))

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Done:
        out, err = io.StringIO(), io.StringIO()
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = cli.main(arguments)
            except SystemExit as leaving:
                code = int(leaving.code or 0)
        return Done(code, out.getvalue(), err.getvalue())

    def ok(self, *arguments: str, stdin: bytes = b"") -> Done:
        """Run a command that must succeed."""
        done = self(*arguments, stdin=stdin)
        assert done.code == 0, done
        return done

    def events(self) -> list[dict[str, Any]]:
        """Every line of the log."""
        files = sorted(self.log.glob("*")) if self.log.is_dir() else [self.log] if self.log.exists() else []
        return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]

    def apply(
        self, *, local: tuple[LocalRRset, ...] | None = None, now_ms: int = 1_700_000_000_000, journal_size: int = 100
    ) -> None:
        """Bring the view up to the end of the log."""
        view = View(str(self.view), max_bytes=1 << 30, holder="a test")
        writer = Writer(view.store, default_ttl=3600, journal_size=journal_size, quarantine_size=100)
        source = FileSource(os.environ["DNS_FILE_LOG"])
        try:
            stored = self._positions(view)
            fingerprints = {each: mark for each, (_, mark) in stored.items()}
            source.connect({each: at for each, (at, _) in stored.items()}, fingerprints)
            caught_up = False
            while not caught_up:
                batch = source.read(max_records=1000, timeout_s=0)
                caught_up = batch.caught_up
                applied = writer.apply(batch, source.fingerprints(), now_ms)
                while applied.more:
                    applied = writer.apply(Batch([], {}, caught_up), {}, now_ms)
            if local is not None:
                writer.set_local(local, now_ms)
        finally:
            source.close()
            view.close()

    @staticmethod
    def _positions(view: View) -> dict[tuple[str, int], tuple[int, str]]:
        from streamdns.view.reader import Inspector

        with Inspector(view.store) as look:
            return {each: (stored.next, stored.fingerprint) for each, stored in look.positions().items()}


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(tmp_path, monkeypatch)


# -- arguments and exit codes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "COMMAND"),
        (("publish",), "NAME and TYPE"),
        (("publish", "www.example.org"), "TYPE is missing"),
        (("publish", "www.example.org", "A"), "CONTENT is missing"),
        (("publish", "www.example.org", "A", "--delete", "192.0.2.1"), "--delete"),
        (("publish", "www.example.org", "A", "--delete", "--ttl", "1"), "--delete"),
        (("publish", "www.example.org", "A", "192.0.2.1", "--ttl", "-1"), "--ttl"),
        (("publish", "www.example.org", "A", "192.0.2.1", "--ttl", "2147483648"), "--ttl"),
        (("publish", "www.example.org", "A", "192.0.2.1", "--timestamp", "soon"), "--timestamp"),
        (("publish", "www.example.org", "A", "192.0.2.1", "--frob"), "--frob"),
        (("publish", "www.example.org", "A", "192.0.2.1", "--skip-bad"), "--json"),
        (("publish", "--json", "-", "www.example.org"), "--json"),
        (("publish", "--json", "-", "--producer", "x"), "--json"),
        (("import", "x.zone"), "--origin"),
        (("lookup", "a", "A", "more"), "more"),
        (("export",), "ZONE"),
        (("digest", "--verif"), "--verif"),
        (("rebuild", "--names"), "--accept"),
        (("rebuild", "--yes"), "--accept"),
        (("journal", "--undo"), "--since"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(run: Commands, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not done.out
    assert not run.log.exists()


@pytest.mark.parametrize("before", [True, False])
def test_the_environment_file_stands_before_or_behind_the_command(run: Commands, before: bool) -> None:
    file = run.folder / "settings.env"
    file.write_text("DNS_DEFAULT_TTL=77\nDNS_FILE_LOG=/elsewhere\n")
    option = ("--env-file", str(file))
    words = ("settings", "--effective")
    done = run.ok(*option, *words) if before else run.ok(*words, *option)
    assert "DNS_DEFAULT_TTL=77\n" in done.out
    assert f"DNS_FILE_LOG={run.log}\n" in done.out, "the environment wins"


def test_every_problem_of_the_configuration_is_a_line_and_exit_78(run: Commands) -> None:
    run.set(DNS_ADDRESS="nowhere", DNS_DEFAULT_TTL="-1")
    for command in ("check", "settings --effective", "digest", "publish a.example.org A 192.0.2.1"):
        done = run(*command.split())
        assert done.code == 78, done
        assert [line.partition("=")[0] for line in done.err.splitlines() if ": note: " not in line] == [
            "streamdns: DNS_ADDRESS", "streamdns: DNS_DEFAULT_TTL"
        ]


def test_a_warning_about_settings_goes_to_standard_error(run: Commands) -> None:
    run.set(DNS_FILELOG="x")
    done = run.ok("publish", "www.example.org", "A", "192.0.2.1")
    assert "warning: DNS_FILELOG is not a setting" in done.err
    assert "DNS_FILELOG" not in done.out


def test_version_and_settings_need_no_configuration(run: Commands) -> None:
    run.set(DNS_ADDRESS="nowhere")
    assert re.fullmatch(r"streamdns \d+\.\d+\.\d+\n", run.ok("version").out)
    assert set(run.ok("version", "--json").json) == {"version"}
    assert "DNS_PATHDB\n" in run.ok("settings").out
    assert "DNS_PATHDB" in {row["name"] for row in run.ok("settings", "--json").json}


def test_effective_settings_hide_secrets(run: Commands) -> None:
    run.set(DNS_COOKIE_SECRET="0123456789abcdef" * 2)
    for done in (run.ok("settings", "--effective"), run.ok("settings", "--effective", "--json")):
        assert "0123456789abcdef" not in done.out
        assert "***" in done.out


@pytest.mark.parametrize("command", ["version", "settings", "publish --help"])
def test_light_commands_load_neither_gevent_nor_lmdb(command: str) -> None:
    code = (
        f"import sys, contextlib; sys.argv = ['streamdns', *{command.split()!r}]\n"
        "from streamdns.__main__ import run\n"
        "with contextlib.suppress(SystemExit): run()\n"
        "print('loaded:', *sorted({name.split('.')[0] for name in sys.modules} & {'gevent', 'lmdb', 'dns'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1].strip() == "loaded:", done.stdout[-300:]


# -- check


def test_check_says_what_is_not_there_yet(run: Commands) -> None:
    done = run.ok("check")
    assert "the configuration can be used" in done.out
    assert "no view" in done.err
    assert f"the log {run.log} is not there" in done.err
    assert not run.view.exists(), "check makes nothing"


def test_check_finds_problems_that_the_table_cannot(run: Commands) -> None:
    file = run.folder / "file"
    file.touch()
    run.set(DNS_PATHDB=file, DNS_LOCAL_RECORDS="x.example.org A 1.2", DNS_FILE_LOG=run.folder / "dir" / "0.jsonl")
    (run.folder / "dir" / "0.jsonl").mkdir(parents=True)
    run.set(DNS_FILE_LOG=run.folder / "dir")
    done = run("check")
    assert done.code == 78
    assert len(done.err.splitlines()) == 3, done.err
    for said in ("DNS_PATHDB", "DNS_LOCAL_RECORDS", "DNS_FILE_LOG"):
        assert f"streamdns: {said}" in done.err
    assert len(run("check", "--json").json["problems"]) == 3


def test_check_looks_on_where_a_value_is_refused(run: Commands) -> None:
    run.set(DNS_DEFAULT_TTL="-1", DNS_LOCAL_RECORDS="www.example.org A nowhere", DNS_ZONES="a..b")
    done = run("check")
    assert done.code == 78
    assert [name for name in ("DNS_DEFAULT_TTL", "DNS_LOCAL_RECORDS", "DNS_ZONES") if name not in done.err] == []


def test_check_finds_addresses_that_exclude_each_other(run: Commands) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run.set(DNS_ADDRESS=f"127.0.0.1:{port} 0.0.0.0:{port}", DNS_ADMIN_ADDRESS=f"127.0.0.1:{port}")
    done = run("check")
    assert done.code == 78
    assert done.err.count("one and the same port") == 3, done.err


def test_check_finds_a_port_that_is_taken(run: Commands) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        run.set(DNS_ADDRESS=f"127.0.0.1:{taken.getsockname()[1]}")
        done = run.ok("check")
        assert "in use" not in run.ok("check", "--no-bind").err
    assert done.err.count("in use by another process; the server tries again") == 1


def test_check_looks_at_the_log_that_is_used(run: Commands) -> None:
    """A file log that nobody reads may be what it likes; certificates that can never be read are a problem."""
    run.log.mkdir()
    (run.log / "0.jsonl").mkdir()
    assert run("check").code == 78
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        run.set(DNS_KAFKA_ADDRESS=f"127.0.0.1:{nobody.getsockname()[1]}", DNS_KAFKA_TOPICS="zones")
        done = run.ok("check")
        assert "DNS_FILE_LOG" not in done.err
        assert "the log cannot be read now: Kafka at 127.0.0.1" in done.err
        run.set(DNS_KAFKA_TLS_ENABLE="true", DNS_KAFKA_TLS_CA=run.folder / "nowhere.pem")
        done = run("check")
    assert (done.code, "DNS_KAFKA_TLS_CA=" in done.err) == (78, True)


def test_check_leaves_nothing_behind(run: Commands) -> None:
    path = run.folder / "admin.sock"
    run.set(DNS_ADMIN_ADDRESS=f"unix:{path}")
    run.ok("check")
    assert not path.exists()
    run.set(DNS_ADMIN_ADDRESS=f"unix:{run.folder / 'nowhere' / 'admin.sock'}")
    done = run("check")
    assert (done.code, "DNS_ADMIN_ADDRESS: unix:" in done.err) == (78, True)


def test_check_says_who_holds_the_view(run: Commands) -> None:
    run.apply()
    with (run.view / "lock").open("r+") as lock:
        lock.write("somebody (pid 7)")
        lock.truncate()
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "somebody (pid 7)" in run.ok("check").err
        assert run.ok("check", "--json").json["view_held_by"] == "somebody (pid 7)"
    assert run.ok("check", "--json").json["view_held_by"] is None


def test_check_says_that_a_damaged_view_is_made_again(run: Commands) -> None:
    run.ok("publish", "www.example.org", "A", "192.0.2.1")
    run.apply()
    (data,) = run.view.glob("view-*/data.mdb")
    data.write_bytes(b"\xff" * 8192)
    assert "made again from the log" in run.ok("check").err
    assert run("digest").code == 1


# -- the reference


def _sections() -> dict[str, str]:
    parts = re.split(r"^## streamdns ([a-z]+)$", DOCS, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_reference_has_every_command_and_option_with_an_example(run: Commands) -> None:
    """docs/cli.md and --help know the same commands and the same options."""
    commands = set(re.findall(r"^ {2,6}([a-z]+) {2,}\S", run("--help").out, re.MULTILINE))
    sections = _sections()
    assert set(sections) == commands
    asking = DOCS.split("\n## Commands that ask a node\n")[1].split("\n## ")[0]
    for command, text in sections.items():
        assert f"$ streamdns {command}" in text or command == "run", command
        options = set(re.findall(r"--[a-z-]+", run(command, "--help").out.split("options:")[1].split("examples:")[0]))
        if "--node" in options:
            text += asking
        assert options - {"--help", "--env-file"} <= set(re.findall(r"--[a-z-]+", text)), command


# -- output


def test_text_from_the_log_is_safe_on_a_terminal() -> None:
    assert printable("plain text") == "plain text"
    assert printable("a\x1b[31mé\n\u202e") == r"a\x1b[31m\xe9\n\u202e"
    assert printable_octets(b"ok \xff\x00") == r"ok \xff\x00"


def test_moments() -> None:
    assert moment(0) == "no timestamp"
    assert moment(1_579_024_540_123) == "2020-01-14T17:55:40.123Z"
    assert moment(2**63 - 1) == f"{2**63 - 1} ms"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_on_a_terminal_only() -> None:
    for to in (_Terminal(), io.StringIO()):
        with Progress(200, "publishing", to=to) as progress:
            for done in range(0, 201, 50):
                progress.at(done)
        written = to.getvalue()
        assert bool(written) == to.isatty()
        if written:
            assert "publishing [###############               ]  50 %" in written
            assert written.endswith("\r\x1b[K")


def test_progress_without_an_end_is_a_count() -> None:
    """Where a shorter line follows a longer one nothing of that stays."""
    to = _Terminal()
    with Progress(1, "rebuilding", to=to) as progress:
        progress.counted(5, "events")
        progress.counted(5, "events")
        progress.at(1)
        progress.counted(70, "events")
    lines = to.getvalue().split("\r")
    assert lines[1] == "rebuilding: 5 events"
    assert "100 %" in lines[2]
    assert lines[3] == f"{'rebuilding: 70 events':<{len(lines[2])}}"
    assert lines[4:] == ["\x1b[K"]


@pytest.mark.parametrize(("consumer", "shown"), [
    ({"catch_up": {"done": 5, "end": 20, "percent": 25.0, "per_second": 3.2, "seconds_left": 4.0, "unit": "entries"}},
     "25.0 % of 20 entries, 3 a second, 4 s left"),
    # A node of an older version says what it counts beside it, or nothing.
    ({"catch_up": {"done": 5, "end": 20, "percent": 25.0, "per_second": 3.2, "seconds_left": None}, "unit": "octets"},
     "25.0 % of 20 octets, 3 a second"),
    ({"catch_up": None, "details": {"events_read": 7}}, "7 events so far; of how many is not known"),
    ({"catch_up": None, "details": {"events_read": 7}, "state": "following"}, None),
    ({}, None),
])
def test_how_far_a_fill_is(consumer: dict[str, Any], shown: str | None) -> None:
    found = node._progress({"state": "catching-up", "details": {}} | consumer)
    assert found == ([] if shown is None else [("progress", shown)])


def test_check_warns_of_too_few_open_files(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamdns.commands.check.most_open_files", lambda: 512)
    run.set(DNS_TCP_CONNECTIONS="1024")
    done = run.ok("check")
    assert "DNS_TCP_CONNECTIONS=1024 is more than 512 open files leave room for" in done.err
    assert "takes 312" in done.err
    run.set(DNS_TCP_CONNECTIONS="300")
    assert "open files" not in run.ok("check").err
