"""What `make bench` does before it measures: it installs what it compares with, and starts none of it."""

from __future__ import annotations

import os
import pathlib
import subprocess
from collections.abc import Callable, Sequence

import pytest

from benchmarks import peers
from benchmarks.peers import PROGRAMS, ensure, services_at_rest
from tests.harness.peers import package_of

_ABSENT = ("nosuchd", "nosuchperf")


@pytest.fixture
def bin_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder that is the whole PATH, with an apt-get that is not called because each test runs commands itself."""
    folder = tmp_path / "bin"
    folder.mkdir()
    _program(folder, "apt-get")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _program(folder: pathlib.Path, name: str) -> None:
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)


def _ensure(folder: pathlib.Path, run: Callable[[Sequence[str]], int], *, is_root: bool = True) -> str:
    return ensure(_ABSENT, run=run, policy=folder / "policy-rc.d", is_root=is_root)


def test_what_is_there_is_left_alone(bin_folder: pathlib.Path) -> None:
    _program(bin_folder, "nosuchd")
    _program(bin_folder, "nosuchperf")

    def run(command: Sequence[str]) -> int:
        raise AssertionError(command)

    assert not _ensure(bin_folder, run)


@pytest.mark.parametrize(("is_root", "has_apt", "why"), [
    (False, True, "installing them takes root"), (True, False, "there is no apt-get to install them with"),
])
def test_who_cannot_install_is_told_in_one_sentence(
    bin_folder: pathlib.Path, is_root: bool, has_apt: bool, why: str
) -> None:
    if not has_apt:
        (bin_folder / "apt-get").unlink()

    def run(command: Sequence[str]) -> int:
        raise AssertionError(command)

    assert _ensure(bin_folder, run, is_root=is_root) == (
        f"measured without nosuchd, nosuchperf: {why} (apt install nosuchd nosuchperf)"
    )


def test_only_what_is_missing_is_installed_while_no_service_may_start(bin_folder: pathlib.Path) -> None:
    _program(bin_folder, "nosuchperf")
    commands = []

    def run(command: Sequence[str]) -> int:
        commands.append(tuple(command))
        policy = bin_folder / "policy-rc.d"
        # Debian asks it before it starts a service; 101 is no (policy-rc.d in invoke-rc.d(8)).
        assert subprocess.run([policy, "nosuchd", "start"], check=False).returncode == 101
        if "install" in command:
            _program(bin_folder, "nosuchd")
        return 0

    assert not _ensure(bin_folder, run)
    assert commands == [
        ("apt-get", "-qq", "update"), ("apt-get", "-qq", "install", "-y", "--no-install-recommends", "nosuchd"),
    ]
    assert sorted(os.listdir(bin_folder)) == ["apt-get", "nosuchd", "nosuchperf"]


def test_one_package_that_does_not_exist_keeps_no_other_away(bin_folder: pathlib.Path) -> None:
    def run(command: Sequence[str]) -> int:
        wanted = command[command.index("--no-install-recommends") + 1:] if "install" in command else ()
        if "nosuchperf" in wanted:
            return 100
        for name in wanted:
            _program(bin_folder, name)
        return 0

    assert _ensure(bin_folder, run) == (
        "measured without nosuchperf: apt-get could not install them (apt install nosuchperf)"
    )


@pytest.mark.parametrize("before", [None, "#!/bin/sh\nexit 0\n"])
def test_a_policy_that_was_there_is_there_again(tmp_path: pathlib.Path, before: str | None) -> None:
    policy = tmp_path / "policy-rc.d"
    if before is not None:
        policy.write_text(before)

    def interrupted() -> None:
        with services_at_rest(policy):
            assert "101" in policy.read_text()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.read_text() for path in tmp_path.iterdir()] == ([] if before is None else [before])


def test_every_program_has_a_package() -> None:
    """Of those that are compared with, none is guessed to be in a package of its own name unless it is."""
    assert {name for name in PROGRAMS if package_of(name) == name} == {"nsd", "unbound", "dnsperf"}


def test_what_was_just_installed_does_not_start_with_the_machine(
    bin_folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But what was there before, if only without a part that is needed, is somebody's."""
    monkeypatch.setattr(peers, "_UNITS", {"nosuchd": "nosuch", "nosuchperf": "perf"})
    monkeypatch.setattr(peers, "find_tool", lambda name: None)
    _program(bin_folder, "nosuchperf")
    _program(bin_folder, "systemctl")
    commands = []

    def run(command: Sequence[str]) -> int:
        commands.append(tuple(command))
        return 0

    _ensure(bin_folder, run)
    assert [command for command in commands if command[0] == "systemctl"] == [
        ("systemctl", "--quiet", "disable", "nosuch")
    ]
