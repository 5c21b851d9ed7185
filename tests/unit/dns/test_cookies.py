"""Server cookies: the vectors of RFC 9018, appendix A, and what makes a cookie be renewed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from streamdns.dns.cookies import Cookies, hash_of

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
CLIENT = ip_address("198.51.100.100").packed
LEARNT = bytes.fromhex("2464c4abcf10c957010000005cf79f111f8130c3eee29480")


def test_siphash_vectors() -> None:
    """The first and last of the vectors that SipHash's authors publish for 2-4: key 00..0f, data 00, 00 01, ..."""
    key = bytes(range(16))
    assert hash_of(key, b"").hex() == "310e0edd47db6f72"
    assert hash_of(key, bytes(range(8))).hex() == "6224939a79f5f593"
    assert hash_of(key, bytes(range(15))).hex() == "e545be4961ca29a1"


@pytest.mark.parametrize(
    ("secret", "client", "received", "now", "answered"),
    [
        (  # A.1: learning a new server cookie
            "e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", "2464c4abcf10c957", 1559731985,
            "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
        ),
        (  # A.2: the same client learning a renewed one
            "e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
            1559734385, "2464c4abcf10c957010000005cf7a871d4a564a1442aca77",
        ),
        (  # A.3: another client, with reserved octets set, learning a renewed one
            "e5e973e5a6b2a43f48e7dc849e37bfcf", "203.0.113.203", "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
            1559734700, "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
        ),
        (  # A.4: IPv6, after the secret was rolled over
            "445536bcd2513298075a5d379663c962", "2001:db8:220:1:59de:d0f4:8769:82b8",
            "22681ab97d52c298010000005cf7c57926556bd0934c72f8", 1559741961,
            "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
        ),
    ],
)
def test_vectors_of_the_rfc(secret: str, client: str, received: str, now: int, answered: str) -> None:
    """RFC 9018, appendix A."""
    cookies = Cookies(bytes.fromhex(secret), lambda: float(now))
    made = cookies.answer(bytes.fromhex(received), ip_address(client).packed)
    assert made is not None
    assert made.hex() == answered


@pytest.mark.parametrize(("age_s", "kept"), [(0, True), (1800, True), (1801, False), (-300, True), (-301, False)])
def test_a_young_cookie_is_kept(age_s: int, kept: bool) -> None:
    """RFC 9018 §4.3: half an hour, and five minutes into the future; an older one is made anew and is good again."""
    now = 1559731985 + age_s
    made = Cookies(SECRET, lambda: float(now)).answer(LEARNT, CLIENT)
    assert made is not None
    assert (made == LEARNT) == kept
    assert Cookies(SECRET, lambda: float(now)).answer(made, CLIENT) == made


def test_reserved_octets_are_not_enforced() -> None:
    """RFC 9018 §4.2: they count in the hash, and need not be zero."""
    head = LEARNT[:8] + b"\1\xab\xcd\xef" + LEARNT[12:16]
    received = head + hash_of(SECRET, head + CLIENT)
    assert Cookies(SECRET, lambda: 1559731985.0).answer(received, CLIENT) == received


@pytest.mark.parametrize("change", [0, 8, 12, 16, 23])
def test_a_changed_cookie_is_made_anew(change: int) -> None:
    """Any octet that differs, another client or another secret makes the hash wrong."""
    received = bytearray(LEARNT)
    received[change] ^= 4
    cookies = Cookies(SECRET, lambda: 1559731985.0)
    made = cookies.answer(bytes(received), CLIENT)
    assert made is not None
    assert made != bytes(received)
    assert made[:8] == received[:8]
    assert cookies.answer(LEARNT, b"\xc0\0\2\1") != LEARNT
    assert Cookies(bytes(16), lambda: 1559731985.0).answer(LEARNT, CLIENT) != LEARNT


@pytest.mark.parametrize("size", [*range(42)])
def test_lengths(size: int) -> None:
    """RFC 7873 §5.2.2: 8 octets, or 16 to 40; anything else is a format error."""
    made = Cookies(SECRET, lambda: 1.0).answer(bytes(size), CLIENT)
    assert (made is not None) == (size == 8 or 16 <= size <= 40)
    assert made is None or len(made) == 24


def test_only_a_cookie_made_here_for_this_client_is_good() -> None:
    """What makes a client known: not its own half, nor a guess, nor another's, nor one that is too old."""
    cookies = Cookies(SECRET, lambda: 1559731985.0)
    assert cookies.is_good(LEARNT, CLIENT)
    for received in (b"", LEARNT[:8], LEARNT[:23], LEARNT + b"x", LEARNT[:16] + bytes(8), bytes(24)):
        assert not cookies.is_good(received, CLIENT)
    another_version = LEARNT[:8] + b"\2" + LEARNT[9:16]
    assert not cookies.is_good(another_version + hash_of(SECRET, another_version + CLIENT), CLIENT)
    assert not cookies.is_good(LEARNT, ip_address("198.51.100.101").packed)
    assert not Cookies(SECRET, lambda: 1559731985.0 + 1801).is_good(LEARNT, CLIENT)
    assert not Cookies(bytes(16), lambda: 1559731985.0).is_good(LEARNT, CLIENT)
