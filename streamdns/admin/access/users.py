"""Reads and writes the users file: one line a user, `name:role:scrypt$N$r$p$salt$hash`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streamdns.admin.access import files
from streamdns.admin.http.route import Role
from streamdns.settings.admin import parse_user

#: 16 MiB and about 0.2 s of one core: what OWASP's password storage advice has for this memory.
_N: Final = 1 << 14
_R: Final = 8
_P: Final = 5
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_MOST_MEMORY: Final = 64 << 20
_HEADER: Final = "# Users of the admin API; `streamdns user` writes this file.\n"


@dataclass(frozen=True, slots=True)
class Hashed:
    """A password as scrypt hashes it, with the parameters and the salt."""

    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def matches(self, password: str) -> bool:
        """Return whether a password is this one; slow on purpose, so call it in a native thread."""
        return hmac.compare_digest(_scrypt(password, self.salt, n=self.n, r=self.r, p=self.p), self.digest)

    def generation(self) -> str:
        """Return a short text that changes with the password and reveals nothing about it."""
        return hashlib.sha256(b"generation" + self.salt + self.digest).hexdigest()[:16]

    def __str__(self) -> str:
        salt, digest = (base64.b64encode(part).decode() for part in (self.salt, self.digest))
        return f"scrypt${self.n}${self.r}${self.p}${salt}${digest}"


@dataclass(frozen=True, slots=True)
class User:
    """A user who may sign in."""

    name: str
    role: Role
    password: Hashed


def hashed(password: str) -> Hashed:
    """Hash a password with a new salt."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return Hashed(_N, _R, _P, salt, _scrypt(password, salt, n=_N, r=_R, p=_P))


def nobody() -> Hashed:
    """Return a hash that no password matches, so that an unknown user costs as much time as a known one."""
    return Hashed(_N, _R, _P, bytes(_SALT_BYTES), bytes(_HASH_BYTES))


def role_of(text: str) -> Role:
    """Parse the name of a role that users and tokens may have; raises ValueError."""
    try:
        role = Role[text.upper()]
    except KeyError:
        role = Role.PUBLIC
    if role == Role.PUBLIC or text != role.name.lower():
        raise ValueError(f"{text} is no role; there are viewer, operator and admin")
    return role


def parse(content: bytes) -> Mapping[str, User]:
    """Parse a users file into users by name; raises ValueError that names the line."""
    found: dict[str, User] = {}
    for number, line in enumerate(content.decode("utf-8-sig").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split(":")
        try:
            if len(parts) != 3 or parts[0] in found:
                raise ValueError("is not of the form name:role:scrypt$N$r$p$salt$hash, or has a name again")
            found[parts[0]] = User(parse_user(parts[0]), role_of(parts[1]), _parse_hash(parts[2]))
        except ValueError as error:
            raise ValueError(f"line {number} {error}") from error
    return found


def add(path: str, name: str, *, role: Role, password: str) -> bool:
    """Add a user to the file or replace the one of this name; returns whether it is new. Raises OSError."""
    user = User(parse_user(name), role, hashed(password))
    with files.changing(path):
        users = dict(_read(path))
        new = name not in users
        files.replace(path, _render(users | {name: user}))
    return new


def remove(path: str, name: str) -> bool:
    """Remove a user from the file; returns whether there was one. Raises OSError."""
    with files.changing(path):
        users = dict(_read(path))
        if users.pop(name, None) is None:
            return False
        files.replace(path, _render(users))
    return True


def _read(path: str) -> Mapping[str, User]:
    try:
        return files.Watched(path, parse).get()
    except ValueError as error:
        raise OSError(0, f"{error}", path) from error


def _render(users: Mapping[str, User]) -> bytes:
    lines = [f"{user.name}:{user.role.name.lower()}:{user.password}\n" for user in users.values()]
    return "".join([_HEADER, *lines]).encode()


def _parse_hash(text: str) -> Hashed:
    try:
        kind, n, r, p, salt, digest = text.split("$")
        found = Hashed(int(n), int(r), int(p), *(base64.b64decode(part, validate=True) for part in (salt, digest)))
    except (ValueError, binascii.Error):
        raise ValueError("has no scrypt$N$r$p$salt$hash") from None
    sane = found.n > 1 and found.n & (found.n - 1) == 0 and 0 < found.r <= 64 and 0 < found.p <= 64
    if kind != "scrypt" or not sane or 128 * found.n * found.r > _MOST_MEMORY or len(found.digest) != _HASH_BYTES:
        raise ValueError("has parameters of scrypt that are not taken")
    return found


def _scrypt(password: str, salt: bytes, *, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, dklen=_HASH_BYTES,
                          maxmem=2 * _MOST_MEMORY)
