"""DNS cookies: the server's half, interoperable between nodes that share a secret (RFC 7873, RFC 9018)."""

from __future__ import annotations

from collections.abc import Callable

from siphashc import siphash

_VERSION = b"\1\0\0\0"
_RENEW_AFTER_S = 1800
_FUTURE_S = 300


def hash_of(secret: bytes, data: bytes) -> bytes:
    """SipHash-2-4 under a secret of 16 octets: 8 octets, as all servers that share the secret compute them."""
    return int(siphash(secret, data)).to_bytes(8, "little")


class Cookies:
    """Makes the COOKIE option of replies; `secret` is 16 octets, `now_s` gives UNIX seconds.

    A valid server cookie that is younger than half an hour is returned as it is (RFC 9018 §4.3), else a new one is
    made.
    """

    def __init__(self, secret: bytes, now_s: Callable[[], float]) -> None:
        self._secret = secret
        self._now_s = now_s

    def answer(self, received: bytes, address: bytes) -> bytes | None:
        """The option's data for a reply to `received` from a client's address; None where its length is wrong."""
        size = len(received)
        if size != 8:
            if not 16 <= size <= 40:
                return None
            if self.is_good(received, address):
                return received
        made = received[:8] + _VERSION + (int(self._now_s()) & 0xFFFFFFFF).to_bytes(4, "big")
        return made + hash_of(self._secret, made + address)

    def is_good(self, received: bytes, address: bytes) -> bool:
        """Whether the option has a server cookie that was made here for this address: its sender is not forged."""
        if len(received) != 24 or received[8] != _VERSION[0]:
            return False
        age = (int(self._now_s()) - int.from_bytes(received[12:16], "big")) & 0xFFFFFFFF
        if _RENEW_AFTER_S < age < 0x100000000 - _FUTURE_S:
            return False
        return hash_of(self._secret, received[:16] + address) == received[16:]
