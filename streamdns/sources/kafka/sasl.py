"""What a client says to log in over SASL: PLAIN (RFC 4616) and SCRAM (RFC 5802), without I/O."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

_HASHES: Final = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
_MAX_ITERATIONS: Final = 1_000_000  # A broker that asks for more wants our time, not our password.


class ScramError(ValueError):
    """The broker did not keep to SCRAM, or does not know the password either."""


def plain(user: str, password: str) -> bytes:
    """The one message of PLAIN."""
    return f"\0{user}\0{password}".encode()


class Scram:
    """One exchange: first(), then final() of the broker's answer, then verify() of its last one; raises ScramError."""

    def __init__(self, mechanism: str, *, user: str, password: str, nonce: str) -> None:
        self._hash, self._password, self._nonce = _HASHES[mechanism], password, nonce
        name = user.replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={name},r={nonce}"
        self._signature = b""

    def first(self) -> bytes:
        return f"n,,{self._bare}".encode()

    def final(self, challenge: bytes) -> bytes:
        """The proof that the password is known."""
        fields = _fields(challenge)
        nonce = fields.get("r", "")
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise ScramError("the broker answered to another exchange")
        try:
            salt, iterations = base64.b64decode(fields["s"]), int(fields["i"])
        except (KeyError, ValueError):
            raise ScramError("the broker's challenge makes no sense") from None
        if not 0 < iterations <= _MAX_ITERATIONS:
            raise ScramError(f"the broker asks for {iterations} iterations")
        salted = hashlib.pbkdf2_hmac(self._hash, self._password.encode(), salt, iterations)
        without_proof = f"c=biws,r={nonce}"
        message = ",".join((self._bare, challenge.decode(), without_proof)).encode()
        client_key = self._hmac(salted, b"Client Key")
        mask = self._hmac(hashlib.new(self._hash, client_key).digest(), message)
        proof = bytes(left ^ right for left, right in zip(client_key, mask, strict=True))
        self._signature = self._hmac(self._hmac(salted, b"Server Key"), message)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, last: bytes) -> None:
        """Raise unless the broker knows the password, too."""
        try:
            signature = base64.b64decode(_fields(last).get("v", ""))
        except ValueError:
            signature = b""
        if not hmac.compare_digest(signature, self._signature):
            raise ScramError("the broker did not prove that it knows the password")

    def _hmac(self, key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, self._hash)


def _fields(message: bytes) -> dict[str, str]:
    try:
        text = message.decode()
    except UnicodeDecodeError:
        raise ScramError("the broker's challenge is no text") from None
    return {part[0]: part[2:] for part in text.split(",") if part[1:2] == "="}
