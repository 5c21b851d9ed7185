"""Gives a test two network paths to a broker: one always works, on the other packets can be dropped silently.

Three network namespaces: this one, one that forwards between it and the last, and the last, where the broker runs. Root
is needed, and Linux. Nothing here listens, and nothing is left at the end.
"""

from __future__ import annotations

import os
import pathlib
import random
import shutil
import subprocess
import uuid
from typing import Self

from tests.harness.kafka import Broker, Place

_PREFIX = "streamdns-test-"


def missing_network() -> str:
    """Why there can be no namespaces here, or nothing."""
    if shutil.which("ip") is None:
        return "not installed: iproute2"
    name = f"{_PREFIX}{os.getpid()}-try"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False, timeout=30)
    if tried.returncode:
        return f"no network namespaces here: {tried.stderr.strip()}"
    _ip("netns", "del", name)
    return ""


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()}"


def _remove_left() -> None:
    """Remove what a test run made that was killed before it could."""
    for path in pathlib.Path("/run/netns").glob(f"{_PREFIX}*"):
        maker = path.name.removeprefix(_PREFIX).partition("-")[0]
        if not pathlib.Path("/proc", maker).exists():
            subprocess.run(["ip", "netns", "del", path.name], capture_output=True, check=False, timeout=30)


class TwoWays:
    """The namespaces and their links; a context manager. The broker is at `near` by one way and at `far` by the other.

    Addresses are of 198.18.0.0/15, which is for tests of networks: a block of sixteen by chance.
    """

    def __init__(self) -> None:
        name = uuid.uuid4().hex[:8]
        self._broker, self._middle = (f"{_PREFIX}{os.getpid()}-{which}-{name}" for which in ("broker", "middle"))
        self._links = {way: (f"{way}{name}a", f"{way}{name}b") for way in ("n", "m", "f")}
        chance = random.SystemRandom()
        block = f"198.{chance.choice((18, 19))}.{chance.randrange(256)}"
        base = 16 * chance.randrange(16)
        self._here, self._router, self._beyond, self.far = (f"{block}.{base + at}" for at in (1, 2, 5, 6))
        self._beside, self.near = (f"{block}.{base + at}" for at in (9, 10))
        self._here_net, self._far_net = f"{block}.{base}/30", f"{block}.{base + 4}/30"

    def __enter__(self) -> Self:
        _remove_left()
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _build(self) -> None:
        for name in (self._broker, self._middle):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        broker, middle = self._broker, self._middle
        ends = {
            "n": (("", self._beside), (broker, self.near)),
            "m": (("", self._here), (middle, self._router)),
            "f": ((middle, self._beyond), (broker, self.far)),
        }
        for way, both in ends.items():
            links = self._links[way]
            _ip("link", "add", links[0], "type", "veth", "peer", "name", links[1])
            for link, (namespace, address) in zip(links, both, strict=True):
                where = ("-n", namespace) if namespace else ()
                if namespace:
                    _ip("link", "set", link, "netns", namespace)
                _ip(*where, "addr", "add", f"{address}/30", "dev", link)
                _ip(*where, "link", "set", link, "up")
        _ip("netns", "exec", middle, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        _ip("route", "add", self._far_net, "via", self._router)
        _ip("-n", broker, "route", "add", self._here_net, "via", self._beyond)

    def drop(self) -> None:
        """From now on packets of the far way get lost in the middle, in both directions; nobody is told."""
        for address in (self._here, self.far):
            _ip("-n", self._middle, "route", "add", "blackhole", f"{address}/32")

    def pass_on(self) -> None:
        """Packets get through again."""
        for address in (self._here, self.far):
            _ip("-n", self._middle, "route", "del", "blackhole", f"{address}/32")

    def broker(self, folder: pathlib.Path, version: str) -> Broker:
        """One that listens at PLAIN by the near way and at FAR by the far one; not started."""
        place = Place(
            listeners=("PLAIN", "CONTROLLER", "FAR"), hosts={"PLAIN": self.near, "FAR": self.far},
            inside=("ip", "netns", "exec", self._broker),
        )
        return Broker(folder, version, place=place)

    def __exit__(self, *exc: object) -> None:
        # A link is gone with either of its ends; only what a failure left halfway has to be looked for.
        for name in (self._middle, self._broker):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False, timeout=30)
        for left, _ in self._links.values():
            subprocess.run(["ip", "link", "del", left], capture_output=True, check=False, timeout=30)
