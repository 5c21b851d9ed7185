"""The resolver when nothing is said about it and no root server is in reach; and what it costs when it is off."""

from __future__ import annotations

import json
import pathlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.harness import ROOT, Server
from tests.harness.process import clean_environment, free_port, wait_until
from tests.integration.clients import ZONE

_RA = dns.flags.RA


@pytest.fixture
def nowhere(tmp_path: pathlib.Path) -> Iterator[dict[str, str]]:
    """Settings with a root server in place of the Internet's where nobody listens; nothing is said of who may ask."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        # Both are taken, so that nobody else gets them: TCP without listen(), UDP connected to elsewhere.
        place = ("127.0.0.1", free_port())
        udp.bind(place)
        tcp.bind(place)
        udp.connect(("127.0.0.1", 9))
        hints = tmp_path / "hints.zone"
        hints.write_text(". 3600 NS a.root.\na.root. 3600 A 127.0.0.1\n")
        yield {
            "DNS_RECURSION_ALLOW": "", "DNS_ROOT_HINTS": str(hints), "DNS_RESOLVER_PORT": str(place[1]),
        }


def errors(reply: dns.message.Message) -> list[int]:
    return [int(option.code) for option in reply.options if isinstance(option, dns.edns.EDEOption)]


def test_a_node_that_reaches_no_root_server(serve: Callable[..., Server], nowhere: dict[str, str]) -> None:
    """It is ready, answers for its zones, says once that nothing can be resolved, and who asks hears why."""
    server = serve(start=False, **nowhere)
    server.append(ZONE)
    server.start()
    own = server.ask("www.example.org")
    assert own.answer
    assert own.flags & (dns.flags.AA | _RA) == dns.flags.AA | _RA
    for number in range(20):
        reply = server.ask(f"www{number}.far.example", use_edns=0)
        assert (reply.rcode(), errors(reply), reply.flags & _RA) == (dns.rcode.SERVFAIL, [23], _RA)
    plain = dns.message.make_query("www.far.example", "A", flags=0, use_edns=0)
    assert (server.udp(plain).rcode(), errors(server.udp(plain))) == (dns.rcode.REFUSED, [20])
    wait_until(lambda: "resolver.priming_failed" in server.written(), "told")
    assert server.is_ready()
    lines = [line for line in server.written().splitlines() if "resolver" in line]
    assert len(lines) == 1, lines


def test_a_stop_does_not_wait_for_root_servers(serve: Callable[..., Server], nowhere: dict[str, str]) -> None:
    """Whoever is being asked at that moment: here a root server that is silent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(20)
        server = serve(**nowhere | {"DNS_RESOLVER_PORT": str(silent.getsockname()[1]), "DNS_STOP_TIMEOUT": "60"})
        silent.recv(512)
        assert server.stop(timeout_s=30) == 0
    assert "stop_timeout" not in server.written()
    assert "priming_failed" not in server.written()


def test_special_names_are_told_without_anybody(serve: Callable[..., Server], nowhere: dict[str, str]) -> None:
    server = serve(**nowhere)
    assert server.ask("something.invalid").rcode() == dns.rcode.NXDOMAIN
    assert server.answers("localhost") == ["127.0.0.1"]


_MAKE = """
import sys
from streamdns import app, settings
made = app.App(settings.from_process(), settings.from_process)
made.view.close()
print([service.name for service in made.services if service.name == "resolver"])
print(sorted(name for name in sys.modules if name.startswith("streamdns.resolver")))
"""


@pytest.mark.parametrize("allow", ["none", ""])
def test_what_is_loaded(tmp_path: pathlib.Path, allow: str) -> None:
    """Off, there is nothing of it: no service, no module. On, neither what only a file of root hints needs."""
    env = clean_environment({
        "DNS_RECURSION_ALLOW": allow, "DNS_PATHDB": str(tmp_path / "view"), "DNS_FILE_LOG": str(tmp_path / "log"),
        "DNS_ADMIN_ADDRESS": "off",
    })
    done = subprocess.run(
        [sys.executable, "-c", _MAKE + "print('dns.zonefile' in sys.modules)"], cwd=ROOT, env=env,
        capture_output=True, text=True, timeout=60, check=False,
    )
    services, modules, zone_files = done.stdout.splitlines() or (done.stderr, "", "")
    assert (services, modules == "[]", zone_files) == ("[]" if allow else "['resolver']", bool(allow), "False")


def test_a_resolver_for_everybody_is_warned_of(serve: Callable[..., Server], nowhere: dict[str, str]) -> None:
    """By the check before the start, and by the log."""
    server = serve(**nowhere | {"DNS_RECURSION_ALLOW": "127.0.0.0/8 0.0.0.0/0"}, start=False)
    server.settings["DNS_ADDRESS"] = server.fixed["DNS_ADDRESS"] = f"0.0.0.0:{free_port()}"
    server.start()
    told = "DNS_RECURSION_ALLOW has 0.0.0.0/0: everybody who reaches this server may use the resolver"
    assert told in server.written()
    assert f"warning: {told}" in server.command("check").stderr
    assert told in str(json.loads(server.command("check", "--json").stdout)["warnings"])
