"""DNS cookies: the server's half, interoperable between nodes that share a secret (RFC 7873, RFC 9018)."""

from __future__ import annotations

import struct
from collections.abc import Callable

_MASK = 0xFFFFFFFFFFFFFFFF
_VERSION = b"\1\0\0\0"
_RENEW_AFTER_S = 1800
_FUTURE_S = 300
_REMEMBERED = 4096


def siphash24(key: bytes, data: bytes) -> bytes:
    """SipHash-2-4 of data under a key of 16 octets: 8 octets, little endian."""
    k0, k1 = struct.unpack("<QQ", key)
    v0, v1, v2, v3 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    padded = data + b"\0" * (7 - len(data) % 8) + bytes((len(data) & 255,))
    words = [*struct.unpack(f"<{len(padded) // 8}Q", padded)]
    for index, word in enumerate([*words, 0]):
        final = index == len(words)
        if final:
            v2 ^= 0xFF
        v3 ^= word
        for _ in range(4 if final else 2):
            v0 = (v0 + v1) & _MASK
            v1 = ((v1 << 13) | (v1 >> 51)) & _MASK ^ v0
            v0 = ((v0 << 32) | (v0 >> 32)) & _MASK
            v2 = (v2 + v3) & _MASK
            v3 = ((v3 << 16) | (v3 >> 48)) & _MASK ^ v2
            v0 = (v0 + v3) & _MASK
            v3 = ((v3 << 21) | (v3 >> 43)) & _MASK ^ v0
            v2 = (v2 + v1) & _MASK
            v1 = ((v1 << 17) | (v1 >> 47)) & _MASK ^ v2
            v2 = ((v2 << 32) | (v2 >> 32)) & _MASK
        v0 ^= word
    return struct.pack("<Q", v0 ^ v1 ^ v2 ^ v3)


class Cookies:
    """Makes the COOKIE option of replies; `secret` is 16 octets, `now_s` gives UNIX seconds.

    A valid server cookie that is younger than half an hour is returned as it is (RFC 9018 §4.3), else a new one is
    made. Hashes are remembered for the newest few thousand inputs, because a resolver sends the same cookie each time.
    """

    def __init__(self, secret: bytes, now_s: Callable[[], float]) -> None:
        self._secret = secret
        self._now_s = now_s
        self._hashes: dict[bytes, bytes] = {}

    def _hash(self, data: bytes) -> bytes:
        value = self._hashes.get(data)
        if value is None:
            if len(self._hashes) >= _REMEMBERED:
                self._hashes.clear()
            value = self._hashes[data] = siphash24(self._secret, data)
        return value

    def answer(self, received: bytes, address: bytes) -> bytes | None:
        """The option's data for a reply to `received` from a client's address; None where its length is wrong."""
        size = len(received)
        if size != 8 and not 16 <= size <= 40:
            return None
        client = received[:8]
        now = int(self._now_s()) & 0xFFFFFFFF
        if size == 24 and received[8] == _VERSION[0]:
            age = (now - int.from_bytes(received[12:16], "big")) & 0xFFFFFFFF
            fresh = age <= _RENEW_AFTER_S or age >= 0x100000000 - _FUTURE_S
            if fresh and self._hash(received[:16] + address) == received[16:]:
                return received
        made = client + _VERSION + now.to_bytes(4, "big")
        return made + self._hash(made + address)
