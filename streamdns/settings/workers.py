"""Settings of the processes that answer queries beside the main process; rows of the table, and what must hold."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from streamdns.settings.row import Setting, seconds_row

MOST_WORKERS: Final = 64
#: What streamdns.service has systemd keep at a restart (FileDescriptorStoreMax): 64 workers at 32 addresses, over UDP
#: and TCP. More are not taken over, either.
MOST_KEPT_SOCKETS: Final = 4096
_MOST_CPU: Final = 1023
_ONLINE: Final = "/sys/devices/system/cpu/online"
_RANGE = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")


def parse_workers(text: str) -> int:
    """Parse a number of processes; `auto` is as many as there are CPUs that this process may use."""
    if text.lower() == "auto":
        return min(len(os.sched_getaffinity(0)), MOST_WORKERS)
    if not (text.isascii() and text.isdigit()) or len(text) > 4:
        raise ValueError("is neither a whole number nor auto")
    if int(text) > MOST_WORKERS:
        raise ValueError("is out of range")
    return int(text)


def parse_cpus(text: str) -> tuple[int, ...]:
    """Parse numbers of CPUs and ranges of them, as taskset(1) takes them; the order is kept."""
    found: list[int] = []
    for word in text.replace(",", " ").split():
        match = _RANGE.fullmatch(word)
        if match is None:
            raise ValueError(f"has {word}, which is neither a number nor a range")
        first, last = int(match[1]), int(match[2] or match[1])
        if last > _MOST_CPU or last < first:
            raise ValueError(f"has {word}, which is out of range")
        found += range(first, last + 1)
    if not found:
        raise ValueError("is an empty list")
    return tuple(dict.fromkeys(found))


def cpus_of_machine() -> frozenset[int]:
    """Return the numbers of the CPUs that are online."""
    try:
        with open(_ONLINE, encoding="ascii") as file:
            return frozenset(parse_cpus(file.read()))
    except (OSError, ValueError):
        return frozenset(range(os.cpu_count() or 1))


def missing_cpus(wanted: Iterable[int], there: Collection[int]) -> str:
    """Say in a phrase which CPUs of DNS_WORKER_CPUS are not there, and which are; "" where all of them are."""
    missing = sorted(set(wanted) - set(there))
    return f"{_named(missing)}, only {_named(sorted(there))}" if missing else ""


def _named(cpus: Sequence[int]) -> str:
    """Numbers in ascending order as `CPU 3` or `CPUs 0-2, 5`."""
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and runs[-1][-1] == cpu - 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    text = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"CPU{'s' if len(cpus) != 1 else ''} {text or 'none'}"


WORKERS: Final[tuple[Setting, ...]] = (
    Setting(
        name="DNS_WORKERS", attribute="workers", parse=parse_workers, default="0",
        description="The number of processes that answer queries beside the main process, which then only reads the "
                    "log, writes the view and has the admin API. auto: one for each CPU that this process may use. 0: "
                    "one process does everything. Limits on queries, connections and the resolver's cache are divided "
                    "among them.",
        allowed=f"a whole number from 0 to {MOST_WORKERS}, or auto",
    ),
    Setting(
        name="DNS_WORKER_CPUS", attribute="worker_cpus", parse=parse_cpus, default="", unset=(),
        unset_means="every worker may run on every CPU",
        description="The CPUs that the workers are bound to: the first worker to the first of them, and so on, from "
                    "the beginning again where there are more workers.",
        allowed="numbers of CPUs and ranges of them, such as 0-3,8, separated by space or comma",
    ),
    seconds_row("DNS_WORKER_TIMEOUT", "worker_timeout_s", (0.5, 3600), "5",
                "How long a worker may give no sign of life before it is killed and replaced.", reload=True),
)


def settle(values: dict[str, Any], *, problems: list[str], warnings: list[str]) -> None:
    """Find what several processes cannot do, and sockets that are too many to be kept."""
    transports = (values.get("udp") is not False) + (values.get("tcp") is not False)
    sockets = len(values.get("address") or ()) * transports * max(1, values.get("workers") or 0)
    if sockets > MOST_KEPT_SOCKETS:
        warnings.append(f"DNS_ADDRESS and DNS_WORKERS make {sockets} sockets, and systemd keeps no more than "
                        f"{MOST_KEPT_SOCKETS} at a restart: what comes to the others meanwhile is lost")
    if not values.get("workers"):
        if values.get("worker_cpus"):
            warnings.append("DNS_WORKER_CPUS has no effect without DNS_WORKERS")
        return
    for address in values.get("address") or ():
        if address.port == 0:
            problems.append(f"DNS_ADDRESS={address} leaves the port to the kernel, which would give each worker "
                            "another one; allowed: a port, or DNS_WORKERS=0")
