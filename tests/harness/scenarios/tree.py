"""Starts the hierarchy of zones: BIND has the root and the honest zones, Knot org., NSD net. and the scripts' zones."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from contextlib import ExitStack

from tests.harness.misbehaving import Host, Misbehaving
from tests.harness.peers import Bind, Knot, Nsd
from tests.harness.scenarios.build import LEAF
from tests.harness.scenarios.scenario import Scenario

ROOTS = ("127.53.0.1", "127.53.0.2")
ORG, NET, BEHIND = "127.53.0.3", "127.53.0.4", "127.53.0.6"
PORT = 53
#: Asked for to see whether a resolver is there.
READY, READY_ADDRESS = "ready.org.", "192.0.2.99"
_HEAD = "$TTL 86400\n@ SOA a.root. host.root. 1 3600 600 604800 60\n"
#: All servers' addresses that have to be given to the network: BIND listens where there is one, not just where it may.
ADDRESSES = (*ROOTS, LEAF)


def start(stack: ExitStack, folder: pathlib.Path, scenarios: Sequence[Scenario]) -> Misbehaving:
    """Start all servers, which end with `stack`; hints() tells resolvers where to begin."""
    roots = "".join(f"@ NS {name}\n{name} A {address}\n" for name, address in _roots())
    root = (
        f"{_HEAD}{roots}org. NS a.nic.org.\na.nic.org. A {ORG}\nnet. NS a.nic.net.\na.nic.net. A {NET}\n"
    )
    org = f"{_HEAD}@ NS a.nic\na.nic A {ORG}\nready A {READY_ADDRESS}\n" + "".join(each.org for each in scenarios)
    net = f"{_HEAD}@ NS a.nic\na.nic A {NET}\n" + "".join(each.net for each in scenarios)
    leaf = {origin: text for each in scenarios for origin, text in each.leaf.items()}
    behind = {origin: text for each in scenarios for origin, text in each.behind.items()}
    hosts: dict[str, Host] = {address: host for each in scenarios for address, host in each.hosts.items()}
    for server in (
        Bind(folder / "root", {".": root}, host=ROOTS[0], port=PORT, more_hosts=ROOTS[1:]),
        Knot(folder / "org", {"org.": org}, host=ORG, port=PORT),
        Nsd(folder / "net", {"net.": net}, host=NET, port=PORT),
        Bind(folder / "leaf", leaf, host=LEAF, port=PORT),
        Nsd(folder / "behind", behind, host=BEHIND, port=PORT, options="  tcp-count: 1000\n"),
    ):
        stack.enter_context(server)
    return stack.enter_context(Misbehaving(hosts, behind=BEHIND, port=PORT))


def _roots() -> list[tuple[str, str]]:
    return list(zip(("a.root.", "b.root."), ROOTS, strict=True))


def hints(folder: pathlib.Path) -> pathlib.Path:
    """Write the file of root hints and return where."""
    path = folder / "hints.zone"
    path.write_text("".join(f". 86400 NS {name}\n{name} 86400 A {address}\n" for name, address in _roots()))
    return path
