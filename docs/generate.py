"""Write the pages that are made from tables: settings.md, metrics.md, log-messages.md.

Run it from the top of the checkout with `python docs/generate.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from streamdns import settings  # noqa: E402 - the checkout has to be on the path first
from streamdns.metrics import catalogue  # noqa: E402
from streamdns.runtime import log_events  # noqa: E402

PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings.markdown,
    "metrics.md": catalogue.markdown,
    "log-messages.md": log_events.markdown,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
