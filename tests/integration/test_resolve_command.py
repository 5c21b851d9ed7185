"""`streamdns resolve` in a tree of real servers, and without any."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests.harness import ROOT
from tests.integration.test_resolver import Tree, tree

__all__ = ["tree"]


def resolve(folder: pathlib.Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DNS_", "LOG_"))}
    return subprocess.run(
        [sys.executable, "-m", "streamdns", "resolve", *arguments], cwd=ROOT, capture_output=True, text=True,
        timeout=60, check=False, env=kept | {"DNS_PATHDB": str(folder / "view")} | settings,
    )


@pytest.mark.peers("nsd", "knotd")
def test_every_step_is_shown(tree: Tree, tmp_path: pathlib.Path) -> None:
    done = resolve(tmp_path, "Alias.example.org", "--trace", **tree.settings())
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    asked = [line for line in lines if line.startswith("; asking ")]
    assert [re.split(" for ", line)[1] for line in asked] == ["org. A", "example.org. A", "alias.example.org. A"]
    assert [line for line in lines if "referral to" in line] == [
        f"; {tree.at(1)} (.) for org. A: referral to org., servers: 1, addresses: 1",
        f"; {tree.at(2)} (org.) for example.org. A: referral to example.org., servers: 1, addresses: 1",
    ]
    assert "org. 3600 IN NS a.nic.org." in lines, done.stdout
    assert lines[-3:-1] == ["alias.example.org. 300 IN CNAME www.example.org.", "www.example.org. 300 IN A 192.0.2.1"]
    assert re.fullmatch(r"; NOERROR, 3 queries, \d+ ms", lines[-1])


@pytest.mark.peers("nsd", "knotd")
def test_without_an_answer_it_says_why(tree: Tree, tmp_path: pathlib.Path) -> None:
    gone = resolve(tmp_path, "nothing.example.org", "AAAA", **tree.settings())
    assert gone.returncode == 1
    assert gone.stdout.startswith("; example.org. 60 IN SOA ")
    assert "NXDOMAIN" in gone.stdout
    lame = resolve(tmp_path, "www.lame.org", "--trace", **tree.settings())
    assert (lame.returncode, "connection refused" in lame.stderr) == (1, True), lame
    assert "(extended error 2" in lame.stderr


def test_what_is_answered_here_and_wrong_usage(tmp_path: pathlib.Path) -> None:
    done = resolve(tmp_path, "localhost", "aaaa", "--trace")
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, "localhost. 10800 IN AAAA ::1")
    for arguments, sentence in ((("www.example.org", "NONSENSE"), "NONSENSE"), (("a..b",), "empty label")):
        wrong = resolve(tmp_path, *arguments)
        assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1), wrong
        assert sentence in wrong.stderr


def test_forwarders_are_asked_for_recursion(tmp_path: pathlib.Path) -> None:
    """Nobody listens there: that is told at once."""
    done = resolve(tmp_path, "www.example.org", "--trace", DNS_RESOLVER_ADDRESS="127.0.0.1:9",
                   DNS_RECURSION_ALLOW="127.0.0.1")
    assert done.returncode == 1
    assert "; asking 127.0.0.1, a server of ., for www.example.org. A" in done.stdout
    assert "connection refused (extended error 23)" in done.stderr
