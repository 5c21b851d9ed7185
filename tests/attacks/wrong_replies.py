"""Wrong replies under the right id, large and costly to read, then a failure over TCP."""

from tests.attacks.resolving import ask
from tests.attacks.target import Target

WHAT = "a question a second whose ten servers send three large wrong replies each, then fail over TCP"


def run(target: Target) -> None:
    """From one address."""
    ask(target, "{}.wrong.evil.example", rate=1, sources=1)
