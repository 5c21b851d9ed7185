"""Values that cost a decoder most: nesting, long numbers, thousands of unknown members, what is no JSON at all."""

from tests.attacks.producing import produce
from tests.attacks.target import Target

WHAT = "10 events a second of 1 MB each that are nested, odd or no JSON"


def run(target: Target) -> None:
    """All of them end in the quarantine."""
    values = [b"[" * 200_000 + b"]" * 200_000, b"[" + b"1e400," * 100_000 + b"1]", b'[{"name":"' + b"\\u0000" * 150_000,
              b'[{"x":' + b'{"x":' * 100_000 + b"1" + b"}" * 100_000 + b"}]", b"[" + b"{}," * 300_000 + b"{}]",
              b'[{"name":"a","type":"A","content":"' + b"9" * 900_000 + b'"}]']
    produce(target, lambda number: (b"odd%d.example.org.|A" % number, values[number % len(values)]), rate=10, most=60)
