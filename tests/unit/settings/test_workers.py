"""What several processes need of the settings, and the environment that they are started with."""

from __future__ import annotations

import os
import re

import pytest

from streamdns.errors import ConfigError
from streamdns.settings import environment_of_workers, load
from streamdns.settings.workers import MOST_KEPT_SOCKETS, MOST_WORKERS, cpus_of_machine, missing_cpus
from tests.harness import ROOT


def test_auto_is_one_for_each_cpu_that_may_be_used() -> None:
    assert load({"DNS_WORKERS": "AUTO"}).workers == len(os.sched_getaffinity(0))
    assert load({}).workers == 0


def test_a_port_that_the_kernel_chooses_cannot_be_shared() -> None:
    address = {"DNS_ADDRESS": "127.0.0.1:0 127.0.0.1:5353"}
    assert load(address).workers == 0
    with pytest.raises(ConfigError) as caught:
        load(address | {"DNS_WORKERS": "2"})
    (problem,) = caught.value.problems
    assert problem.startswith("DNS_ADDRESS=127.0.0.1:0 leaves the port to the kernel")


def test_cpus_without_workers_are_warned_of() -> None:
    assert load({"DNS_WORKER_CPUS": "0"}).warnings == ("DNS_WORKER_CPUS has no effect without DNS_WORKERS",)
    assert not load({"DNS_WORKER_CPUS": "0", "DNS_WORKERS": "1"}).warnings


def test_more_sockets_than_systemd_keeps_are_warned_of() -> None:
    """Each worker has sockets of its own: two of each address, one where a transport is switched off."""
    def warnings(addresses: int, **settings: str) -> tuple[str, ...]:
        where = " ".join(f"127.0.0.{number}:5353" for number in range(1, addresses + 1))
        return load({"DNS_ADDRESS": where, "DNS_WORKERS": "64"} | settings).warnings

    assert not warnings(32)
    assert not warnings(64, DNS_TCP="false")
    (warning,) = warnings(33)
    assert warning.startswith("DNS_ADDRESS and DNS_WORKERS make 4224 sockets, and systemd keeps no more than 4096")


def test_the_unit_has_as_many_sockets_kept_as_are_taken_over() -> None:
    unit = (ROOT / "streamdns.service").read_text()
    assert re.findall(r"^FileDescriptorStoreMax=(.*)$", unit, re.M) == [str(MOST_KEPT_SOCKETS)]
    assert MOST_KEPT_SOCKETS >= 2 * MOST_WORKERS * 32


def test_cpus_that_are_not_there_are_named_beside_those_that_are() -> None:
    assert missing_cpus((0, 1), {0, 1, 2}) == ""
    assert missing_cpus((), {0}) == ""
    assert missing_cpus((9, 3, 1), {0, 1, 2, 7}) == "CPUs 3, 9, only CPUs 0-2, 7"
    assert missing_cpus(range(4, 8), {0}) == "CPUs 4-7, only CPU 0"


def test_the_cpus_of_the_machine_are_at_least_those_that_may_be_used() -> None:
    assert cpus_of_machine() >= os.sched_getaffinity(0)


def test_secrets_and_what_systemd_tells_one_process_are_not_handed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DNS_COOKIE_SECRET", "STREAMDNS_TOKEN", "NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("ANYTHING_ELSE", "y")
    handed = environment_of_workers()
    assert handed["ANYTHING_ELSE"] == "y"
    assert "x" not in handed.values()
