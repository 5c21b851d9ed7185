"""The commands that are documented exist, and those that exist are documented."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.harness import ROOT

COMMANDS = ("run", "check", "settings", "publish", "import", "export", "delete-zone", "lookup", "digest", "quarantine",
            "conflicts", "rebuild", "resolve", "status", "zones", "records", "search", "consumer", "journal", "wait",
            "nodes", "compare", "endpoint", "completion", "user", "token", "version")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def streamdns(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m streamdns`."""
    return subprocess.run(
        [sys.executable, "-m", "streamdns", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )


def pages() -> str:
    """README.md and docs/cli.md, where it is there."""
    paths = [path for path in (ROOT / "README.md", ROOT / "docs" / "cli.md") if path.exists()]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_help_lists_exactly_these_commands() -> None:
    """A new command is entered here, and so in the documentation."""
    done = streamdns("--help")
    assert done.returncode == 0, done.stderr
    listed = set(re.findall(r"^ {2,6}([a-z][a-z-]*) {2,}\S", done.stdout, re.MULTILINE))
    assert listed == set(COMMANDS), done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_help_and_is_documented(command: str) -> None:
    """`streamdns COMMAND --help` works and says what it does; README.md or docs/cli.md names the command."""
    done = streamdns(command, "--help")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 3, done.stdout
    assert re.search(rf"\bstreamdns {command}\b", pages()), f"streamdns {command} is documented nowhere"


def test_wrong_usage_is_one_sentence_and_exit_2() -> None:
    """An unknown command is refused without a traceback."""
    done = streamdns("frobnicate")
    assert done.returncode == 2
    assert "frobnicate" in done.stderr
    assert "Traceback" not in done.stderr


def test_documented_make_targets_exist() -> None:
    """Every `make X` of the README is a target, and every target but help is in the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z-]+)\b(?=[`\s]*(?:$|[`#,.;:)]| {2,}))", readme, re.MULTILINE))
    assert named <= TARGETS, named - TARGETS
    assert {"run", "run-kafka", "kafka", "test", "lint", "bench"} <= set(re.findall(r"\bmake ([a-z-]+)", readme))


def test_make_alone_lists_every_target() -> None:
    """`make` without a target explains the others."""
    done = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^make ([a-z-]+)", done.stdout, re.MULTILINE))
    assert listed == TARGETS - {"help"}
