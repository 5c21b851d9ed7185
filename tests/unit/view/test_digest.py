"""The digest: what it depends on, what it does not, and that it is the one the model computes."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.dns.node import pack_records
from streamdns.view import hashes
from streamdns.view.digest import MODULUS_MASK, rrset_hash, to_hex
from tests.harness.model import Data
from tests.harness.model import rrset_hash as expected_hash

rdatas = st.lists(st.binary(max_size=300), min_size=1, max_size=5, unique=True)
OWNER = b"\3www\7example\3org\0"


@given(found=rdatas, ttl=st.integers(0, 2**31 - 1))
def test_the_hash_is_the_one_of_the_model(found: list[bytes], ttl: int) -> None:
    assert rrset_hash(OWNER, pack_records(16, ttl, found)) == expected_hash((OWNER, "TXT"), Data(ttl, tuple(found)))


@pytest.mark.parametrize("sizes", [(1, 244), (2, 500), (261, 244), (512, 500), (0, 0), (0, 5), (255, 256), (65_000,)])
def test_several_records_are_never_taken_for_one(sizes: tuple[int, ...]) -> None:
    """Whatever their lengths come to, together or octet by octet."""
    for found in ([bytes((255 - at,)) * size for at, size in enumerate(sizes)], [b"\x0c" * size for size in sizes]):
        assert rrset_hash(OWNER, pack_records(16, 5, found)) == expected_hash((OWNER, "TXT"), Data(5, tuple(found)))


@given(found=rdatas, chance=st.randoms())
def test_the_order_of_records_does_not_count(found: list[bytes], chance: random.Random) -> None:
    mixed = list(found)
    chance.shuffle(mixed)
    assert rrset_hash(OWNER, pack_records(16, 1, mixed)) == rrset_hash(OWNER, pack_records(16, 1, found))


def test_owner_type_ttl_and_every_record_count() -> None:
    base = rrset_hash(OWNER, pack_records(16, 300, [b"\1a", b"\1b"]))
    others = [
        rrset_hash(b"\3www\7example\3net\0", pack_records(16, 300, [b"\1a", b"\1b"])),
        rrset_hash(OWNER, pack_records(99, 300, [b"\1a", b"\1b"])),
        rrset_hash(OWNER, pack_records(16, 301, [b"\1a", b"\1b"])),
        rrset_hash(OWNER, pack_records(16, 300, [b"\1a"])),
        rrset_hash(OWNER, pack_records(16, 300, [b"\1a", b"\1c"])),
        rrset_hash(OWNER, pack_records(16, 300, [b"\1a\1b"])),
    ]
    assert len({base, *others}) == 7


def test_the_text_has_64_digits_whatever_the_number() -> None:
    assert to_hex(0) == "0" * 64
    assert to_hex(MODULUS_MASK) == "f" * 64


@pytest.mark.skipif(bool(hashes.NOT_COMPILED), reason=f"not compiled here: {hashes.NOT_COMPILED}")
@pytest.mark.parametrize("labels", [0, 1, 2, 3])
def test_what_is_compiled_gives_the_same_hash(labels: int) -> None:
    """Of one record of any length: in one block of 128 octets, in two, just filling them, and in more; and of many."""
    chance, owner = random.Random(7), (b"\x3f" + b"x" * 63) * labels + OWNER
    for size in [*range(300), 65_000]:
        for found in ([chance.randbytes(size)], [chance.randbytes(size), b"", chance.randbytes(3)]):
            records = pack_records(chance.randrange(65536), chance.randrange(2**31), found)
            assert hashes.rrset_hash(owner, records) == rrset_hash(owner, records)


@pytest.mark.skipif(bool(hashes.NOT_COMPILED), reason=f"not compiled here: {hashes.NOT_COMPILED}")
@pytest.mark.parametrize("length", [0, 2, 10, 11, 12, 15])
def test_what_is_compiled_makes_no_hash_of_records_that_are_cut_off(length: int) -> None:
    """It reads nothing behind them: it does what is done in Python."""
    records = pack_records(1, 5, [b"\1\2\3\4"])[:length]

    def outcome(of: Callable[[bytes, bytes], int]) -> object:
        try:
            return of(OWNER, records)
        except IndexError:
            return IndexError

    assert outcome(hashes.rrset_hash) == outcome(rrset_hash)
