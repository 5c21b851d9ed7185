"""Events whose metadatas are larger than all they say of them."""

from tests.attacks.producing import produce
from tests.attacks.target import Target
from tests.attacks.zone import as_json

WHAT = "5 events a second of 1,500 records and 900 KB of metadatas each"


def run(target: Target) -> None:
    """What `/search` once multiplied by the number of records."""
    records = [{"name": "bomb.example.org.", "type": "A", "content": f"10.0.{n >> 8}.{n & 255}"} for n in range(1500)]
    records[0]["metadatas"] = {"producer": "p" * 900_000}  # type: ignore[assignment]
    value = as_json(records)
    produce(target, lambda number: (b"bomb.example.org.|A", value), rate=5, most=50)
