"""Accidents that may happen to any octets, for runs without a fuzzing engine."""

from __future__ import annotations

import random
from collections.abc import Sequence

_ODD = (
    b"\0", b"\xff", b"\x7f", b"\x80", b"\xc0\x0c", b"\xff\xff", b"\0\0", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\\", b'"',
)


def accident(data: bytes, others: Sequence[bytes], rng: random.Random, *, most: int) -> bytes:
    """The input after one to four accidents: bits, gaps, repetitions, and pieces of other inputs."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(made) + 1)
        kind = rng.randrange(8)
        if kind <= 1 and made:
            made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
        elif kind == 2 and made:
            made[rng.randrange(len(made))] = rng.randrange(256)
        elif kind == 3:
            del made[at : at + rng.choice((1, 2, 8, 1 << 16))]
        elif kind == 4:
            made[at:at] = rng.choice(_ODD) * rng.choice((1, 1, 2, 30))
        elif kind == 5:
            made[at:at] = made[at : at + rng.randrange(1, 40)] * rng.choice((1, 1, 3))
        elif kind == 6 and others:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            made[at:at] = other[start : start + rng.randrange(1, 60)]
        elif kind == 7:
            made[at : at + 2] = rng.randbytes(2)
    return bytes(made[:most])
