"""Examples of the settings of several processes: what is taken, and as what; what is refused."""

from __future__ import annotations

from typing import Any

GOOD: dict[str, tuple[str, Any]] = {
    "DNS_WORKERS": ("3", 3),
    "DNS_WORKER_CPUS": ("2,0-1 2", (2, 0, 1)),
    "DNS_WORKER_TIMEOUT": ("0.5", 0.5),
}

BAD: dict[str, list[str]] = {
    "DNS_WORKERS": ["-1", "65", "1.5", "all", "³"],
    "DNS_WORKER_CPUS": [",", "a", "2-1", "1024", "0-", "-1", "0x1"],
    "DNS_WORKER_TIMEOUT": ["0.4", "3601", "off"],
}
