"""Records whose text is long to write, and everything that the resolver knows."""

from tests.attacks.requests import ask
from tests.attacks.target import Target

WHAT = "pages with records of 64 KB of text and with 200 types at a name, 6 at a time"


def run(target: Target) -> None:
    """The first needs the records of tests/attacks/zone.py LONG."""
    zone = "/v1/zones/example.org/records"
    ask(target, [*[f"{zone}/long{number}.example.org" for number in range(3)], f"{zone}/fat.example.org", zone,
                 "/v1/resolver/cache?name="], at_once=6)
