"""Builds scenarios: chooses the addresses of their servers and writes the zones that fit."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.harness.misbehaving import Host, Script
from tests.harness.scenarios.scenario import Scenario, Step

HEAD = "$TTL 300\n@ SOA ns1 host 1 3600 600 604800 60\n"
#: The address of the server that does all right.
LEAF = "127.53.0.5"
#: In these networks every scenario has one of 256 addresses.
_NETWORKS = itertools.count(10)
_NETWORKS_6 = itertools.count(10)


class Place:
    """The addresses of one scenario."""

    def __init__(self) -> None:
        self._third = next(_NETWORKS)

    def at(self, number: int) -> str:
        """One of them, from 1 on."""
        return f"127.53.{self._third}.{number}"

    def at6(self, number: int) -> str:
        """One of IPv6."""
        return f"fd00:53::{self._third:x}:{number:x}"


def delegation(zone: str, addresses: Sequence[str]) -> str:
    """Lines of the zone above for a zone of one label: a server ns1, ns2, ... with glue for each address."""
    lines = ""
    for number, address in enumerate(addresses, 1):
        rdtype = "AAAA" if ":" in address else "A"
        lines += f"{zone} NS ns{number}.{zone}\nns{number}.{zone} {rdtype} {address}\n"
    return lines


def zone_text(addresses: Sequence[str], records: str = "www A 192.0.2.1\n") -> str:
    """A zone with servers ns1, ns2, ..."""
    lines = HEAD
    for number, address in enumerate(addresses, 1):
        rdtype = "AAAA" if ":" in address else "A"
        lines += f"@ NS ns{number}\nns{number} {rdtype} {address}\n"
    return lines + records


def servers(
    name: str, about: str, *scripts: Script | Host, place: Place | None = None, records: str = "www A 192.0.2.1\n",
    steps: Sequence[Step] = (), addresses: Sequence[str] = (), **more: Any,
) -> Scenario:
    """A zone below org. with one scripted server for each script; www is asked for unless there are other steps."""
    place = place or Place()
    hosts = {place.at(number): script if isinstance(script, Host) else Host(script)
             for number, script in enumerate(scripts, 1)} | dict(more.pop("hosts", {}))
    addresses = addresses or [place.at(number) for number in range(1, len(scripts) + 1)]
    behind = {f"{name}.org.": zone_text(addresses, records)} | dict(more.pop("behind", {}))
    return Scenario(
        name, about, tuple(steps) or (Step(f"www.{name}.org"),), hosts=hosts,
        org=delegation(name, addresses) + more.pop("org", ""), behind=behind, **more,
    )


def one_of(
    count: int, name: str, about: str, script: Script | Host, *, bad: int = 1, place: Place | None = None, **more: Any
) -> Scenario:
    """So many servers, of which the first that are asked do as the script says, and the others what is right."""
    its = script if isinstance(script, Host) else Host(script)
    host = replace(its, group=name, bad=bad)
    return servers(name, about, *[host] * count, place=place, **more)


def data(name: str, about: str, records: str, *steps: Step, head: str = HEAD, **more: Any) -> Scenario:
    """A zone below org. with these records at a server that does all right."""
    text = f"{head}@ NS ns1\nns1 A {LEAF}\n{records}"
    leaf = {f"{name}.org.": text} | dict(more.pop("leaf", {}))
    return Scenario(name, about, steps, org=delegation(name, [LEAF]) + more.pop("org", ""), leaf=leaf, **more)
