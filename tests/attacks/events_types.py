"""More types at one name than anybody can need, 60 KB each."""

from tests.attacks.producing import produce
from tests.attacks.target import Target
from tests.attacks.zone import as_json

WHAT = "40 events a second of 60 KB each, all at one name, 400 types"


def run(target: Target) -> None:
    """Each query for the name copies what is served of it."""
    def event(number: int) -> tuple[bytes, bytes]:
        rdtype = f"TYPE{45000 + number % 400}"
        record = {"name": "many.example.org.", "type": rdtype, "content": "\\# 60000 " + "ab" * 60_000}
        return b"many.example.org.|" + rdtype.encode(), as_json([record])

    produce(target, event, rate=40, most=400)
