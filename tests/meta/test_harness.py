"""The harness itself: peers really answer, ports really are free, waiting really ends."""

from __future__ import annotations

import os
import pathlib
import socket
from collections.abc import Callable

import dns.message
import pytest

import tests
from tests.harness import ROOT, Knot, Nsd, check_zone, free_port, wait_until
from tests.harness.peers import find_tool, missing_tools
from tests.harness.shown import likeness

EXAMPLE = ROOT / "examples" / "example.org.zone"


def test_these_are_our_tests() -> None:
    """A dependency installs a package called `tests`; it must not be the one that is imported."""
    assert pathlib.Path(tests.__file__).parent == ROOT / "tests"


@pytest.mark.peers
def test_nsd_and_knot_answer_the_same(nsd: Callable[..., Nsd], knot: Callable[..., Knot]) -> None:
    """Both serve a zone as it was given, over UDP and TCP, and a second zone beside it."""
    other = "@ 60 IN SOA ns hostmaster 1 2 3 4 5\n@ 60 IN NS ns\nns 60 IN A 192.0.2.53\n"
    zones = {"example.org.": EXAMPLE.read_text(), "other.test.": other}
    first, second = nsd(zones), knot(zones)
    for name in ("www.example.org", "ns.other.test"):
        query = dns.message.make_query(name, "A")
        replies = [first.udp(query), first.tcp(query), second.udp(query), second.tcp(query)]
        assert all(reply.answer == replies[0].answer for reply in replies)
        assert replies[0].answer


@pytest.mark.peers("named-checkzone")
def test_check_zone_accepts_and_refuses(tmp_path: pathlib.Path) -> None:
    """The example zone is fine for BIND's checker; a zone without an SOA is not."""
    assert check_zone("example.org", EXAMPLE)[0]
    bad = tmp_path / "bad.zone"
    bad.write_text("www 60 IN A 192.0.2.1\n")
    assert not check_zone("example.org", bad)[0]


def test_a_free_port_can_be_bound_for_udp_and_tcp() -> None:
    """What free_port() gives is free for both."""
    port = free_port()
    with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind(("127.0.0.1", port))
        tcp.bind(("127.0.0.1", port))


@pytest.mark.parametrize(("printed", "written"), [
    ("message 27:0:0, position 115964116993", "message 8:0:0, position 34359738369"),
    ("digest 0a1b2c3d4e5f", "digest 123456789012"),
    ("serial 7", "serial 2026113001"),
    ("200 KiB in 3.5 ms", "1024 octets in 12 s"),
])
def test_what_is_another_in_each_run_is_alike(printed: str, written: str) -> None:
    """Whatever its length: else a page about a small number is wrong on the day on which it is large."""
    assert likeness(printed) == likeness(written)
    assert likeness(printed) != likeness(f"no {written}")


def test_waiting_names_what_did_not_come() -> None:
    """A condition that never holds ends as a failure that says which it was."""
    with pytest.raises(AssertionError, match="pigs fly"):
        wait_until(lambda: False, "pigs fly", timeout_s=0.05)


@pytest.mark.parametrize(("modules", "found"), [("Modules available:\nbind\ngsqlite3", True), ("bind\ngmysql", False)])
def test_a_peer_is_found_by_what_it_can_do(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, modules: str, found: bool
) -> None:
    """PowerDNS may be installed without the backend that is measured: it is no peer then."""
    program = tmp_path / "pdns_server"
    program.write_text(f"#!/bin/sh\nprintf '{modules}\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_tool("pdns_server") == (str(program) if found else None)
    assert ("pdns-backend-sqlite3" in missing_tools("pdns_server")) != found
