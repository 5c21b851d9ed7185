"""The service in a network of its own: without IPv6, with an address that comes later, with a port that is taken."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.harness import Server, wait_until
from tests.harness.process import refusing

pytestmark = [pytest.mark.root, pytest.mark.peers("ip", "dig")]
SOA = "ns.example.org. host.example.org. 1 2 3 4 5"
LATER = "192.0.2.53"


class Network:
    """A network namespace with nothing but a loopback device."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.inside = ("ip", "netns", "exec", name)

    def ip(self, *words: str) -> None:
        """Run `ip` there."""
        subprocess.run(["ip", "-n", self.name, *words], check=True)

    def sysctl(self, setting: str) -> None:
        """Change a setting of this network."""
        subprocess.run([*self.inside, "sysctl", "-qw", setting], check=True)

    def ask(self, address: str, port: int, *options: str) -> str:
        """The address of www.example.org, as the server at an address answers it; "" without an answer."""
        words = [*self.inside, "dig", "+short", "+time=3", "+tries=1", *options, f"@{address}", "-p", str(port)]
        done = subprocess.run([*words, "www.example.org", "A"], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""


@pytest.fixture
def network() -> Iterator[Network]:
    name = f"streamdns-{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no network namespace can be made here: {done.stderr.strip()}")
    made = Network(name)
    try:
        made.ip("link", "set", "lo", "up")
        yield made
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def prepared(serve: Callable[..., Server], network: Network, **settings: str) -> Server:
    """A server of a zone, to be started in the network."""
    server = serve(start=False, **settings)
    server.wrapper = network.inside
    server.publish("example.org", "SOA", [SOA], timestamp=1)
    server.publish("www.example.org", "A", ["192.0.2.1"], timestamp=1)
    return server


def check_code(server: Server, network: Network) -> tuple[int, str]:
    """The exit code and the words of `streamdns check` there."""
    done = subprocess.run([*server.wrapper, *server.run_command("check")], env=server.environment, capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("address", ["", ":8053"])
@pytest.mark.parametrize("without", ["addresses", "the family"])
def test_it_serves_with_its_defaults_where_there_is_no_ipv6(
    serve: Callable[..., Server], network: Network, without: str, address: str
) -> None:
    server = prepared(serve, network, DNS_ADDRESS=address, DNS_ADMIN_ADDRESS="")
    if without == "addresses":
        network.sysctl("net.ipv6.conf.all.disable_ipv6=1")
        network.sysctl("net.ipv6.conf.lo.disable_ipv6=1")
    else:
        # As `ipv6.disable=1` makes a kernel.
        server.wrapper = (*network.inside, *refusing(f"socket:{int(socket.AF_INET6)}=EAFNOSUPPORT"))
    code, said = check_code(server, network)
    assert code == 0, said
    server.start(wait=False)
    wait_until(lambda: network.ask("127.0.0.1", 8053) == "192.0.2.1", "it answers")
    assert network.ask("127.0.0.1", 8053, "+tcp") == "192.0.2.1"
    assert "app.ready" in server.written()
    expected = {("addresses", ""): "app.address_missing", ("addresses", ":8053"): "app.ready"}
    assert expected.get((without, address), "app.family_missing") in server.written()
    assert server.stop() == 0


def test_an_address_that_comes_later_is_answered_at_when_it_comes(
    serve: Callable[..., Server], network: Network
) -> None:
    server = prepared(serve, network, DNS_ADDRESS=f"127.0.0.1:5353 {LATER}:5353 [2001:db8::53]:5353",
                      DNS_ADMIN_ADDRESS=f"{LATER}:8054", DNS_ADMIN_INSECURE="true", DNS_METRICS_ADDRESS=f"{LATER}:9153")
    code, said = check_code(server, network)
    assert code == 0, said
    assert said.count("is no address of this machine") == 6
    server.start(wait=False)
    wait_until(lambda: network.ask("127.0.0.1", 5353) == "192.0.2.1", "it answers where it can")
    assert network.ask(LATER, 5353) == ""
    assert server.written().count("app.address_missing") == 6
    network.ip("address", "add", f"{LATER}/32", "dev", "lo")
    network.ip("address", "add", "2001:db8::53/128", "dev", "lo", "nodad")
    for address in (LATER, "2001:db8::53"):
        wait_until(lambda address=address: network.ask(address, 5353) == "192.0.2.1", f"{address} is answered at")  # type: ignore[misc]
        assert network.ask(address, 5353, "+tcp") == "192.0.2.1"
    network.ip("address", "del", f"{LATER}/32", "dev", "lo")
    assert network.ask("127.0.0.1", 5353) == "192.0.2.1"
    network.ip("address", "add", f"{LATER}/32", "dev", "lo")
    wait_until(lambda: network.ask(LATER, 5353) == "192.0.2.1", "and again")
    server.signal(signal.SIGTERM)
    assert server.process is not None
    assert server.process.wait(10) == 0


def test_ports_that_are_taken_are_had_when_they_become_free(serve: Callable[..., Server], network: Network) -> None:
    addresses = {"DNS_ADDRESS": "127.0.0.1:5353", "DNS_ADMIN_ADDRESS": "127.0.0.1:8054",
                 "DNS_METRICS_ADDRESS": "127.0.0.1:9153"}
    first = prepared(serve, network, **addresses)
    first.start(wait=False)
    wait_until(lambda: network.ask("127.0.0.1", 5353) == "192.0.2.1", "the first one answers")
    second = prepared(serve, network, **(addresses | {"DNS_ADDRESS": "127.0.0.1:5353 127.0.0.1:5354"}))
    code, said = check_code(second, network)
    assert (code, said.count("in use by another process")) == (0, 4), said
    second.start(wait=False)
    wait_until(lambda: network.ask("127.0.0.1", 5354) == "192.0.2.1", "the second one answers where it can")
    assert second.written().count("service.waiting") == 4
    assert second.written().count("app.ready") == 1
    second.publish("www.example.org", "A", ["192.0.2.2"], timestamp=2)
    wait_until(lambda: network.ask("127.0.0.1", 5354) == "192.0.2.2", "and follows its log")
    assert first.stop() == 0
    wait_until(lambda: network.ask("127.0.0.1", 5353) == "192.0.2.2", "it has the ports of the first")
    wait_until(lambda: network.ask("127.0.0.1", 5353, "+tcp") == "192.0.2.2", "TCP, too")
    wait_until(lambda: "admin.listening" in second.written(), "and the admin API")
    wait_until(lambda: "metrics.listening" in second.written(), "and the metrics")
    assert second.written().count("service.waiting") == 4, "each is said once"
    assert second.stop() == 0
