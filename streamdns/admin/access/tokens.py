"""Issues and verifies the tokens of the admin API: JSON Web Tokens (RFC 7519), each key with its one algorithm."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from streamdns.admin.access.users import role_of
from streamdns.admin.http.route import Principal, Role
from streamdns.dns import name
from streamdns.errors import ConfigError
from streamdns.named_files import open_named
from streamdns.settings import Settings
from streamdns.settings.admin import MIN_SECRET_BYTES, KeyFile

ISSUER: Final = "streamdns"
AUDIENCE: Final = "streamdns-admin"
SECRET_KID: Final = "secret"  # noqa: S105 - its name, as DNS_ADMIN_JWTSECRET has it
MAX_TOKEN: Final = 4096
#: Clocks of nodes differ.
_LEEWAY_S: Final = 5
#: Tokens that were taken and are not looked at in full again, for that takes as long as some answers.
_KNOWN: Final = 256
_CLAIMS: Final = ["exp", "iat", "iss", "aud", "jti", "sub"]


class BadToken(ValueError):
    """A token that is refused; the text tells its holder why."""


class Claims(msgspec.Struct, frozen=True):
    """The claims of a token; `zones` are the names it is limited to, None for every zone.

    `generation` ties the token of somebody who signed in to his password, and `csrf` has to come along in a header
    where the token comes as a cookie.
    """

    sub: str
    role: str
    jti: str
    exp: int
    iat: int
    zones: list[str] | None = None
    generation: str = ""
    csrf: str = ""

    def principal(self) -> Principal:
        """Return the caller whom the claims describe; raises BadToken for an unknown role or a bad name."""
        try:
            zones = None if self.zones is None else tuple(name.from_text(zone).lower() for zone in self.zones)
            return Principal(self.sub, role_of(self.role), zones)
        except ValueError as error:
            raise BadToken(f"the token says what cannot be: {error}") from error


@dataclass(frozen=True, slots=True)
class Key:
    """A key and the one algorithm it is used with; `sign` is None where it can only verify."""

    kid: str
    algorithm: str
    verify: Any
    sign: Any


class Keyring:
    """The keys that tokens are verified with, by key id; the first one that can sign signs new tokens."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        # It brings a large library with it, for those who have tokens.
        import jwt

        self._jwt = jwt
        self._keys = {key.kid: key for key in keys}
        self._signing = next((key for key in keys if key.sign is not None), None)
        self._known: dict[str, Claims] = {}

    def issue(
        self, subject: str, role: Role, *, now_s: float, expires_s: float, zones: tuple[str, ...] | None = None,
        generation: str = "", csrf: str = "",
    ) -> tuple[str, Claims]:
        """Sign a token that is valid for a time; raises ConfigError where no key can sign."""
        key = self._signing
        if key is None:
            problem = "no key can sign tokens: set DNS_ADMIN_JWTSECRET, or a private key in DNS_ADMIN_JWTKEYS"
            raise ConfigError([problem])
        claims = Claims(
            subject, role.name.lower(), secrets.token_hex(12), int(now_s + expires_s), int(now_s),
            None if zones is None else list(zones), generation, csrf,
        )
        said = {key: value for key, value in msgspec.to_builtins(claims).items() if value not in (None, "")}
        token = self._jwt.encode(said | {"iss": ISSUER, "aud": AUDIENCE}, key.sign, algorithm=key.algorithm,
                           headers={"kid": key.kid})
        return token, claims

    def verify(self, token: str) -> Claims:
        """Return the claims of a token; raises BadToken unless one of the keys signed it and it is still valid."""
        if len(token) > MAX_TOKEN:
            raise BadToken(f"the token is longer than {MAX_TOKEN} characters")
        known = self._known.get(token)
        if known is not None and time.time() < known.exp:
            return known
        self._known.pop(token, None)
        claims = self._decoded(token)
        if len(self._known) >= _KNOWN:
            del self._known[next(iter(self._known))]
        self._known[token] = claims
        return claims

    def _decoded(self, token: str) -> Claims:
        jwt = self._jwt
        try:
            key = self._keys.get(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                raise BadToken("the token is of no key that is known here")
            said = jwt.decode(
                token, key.verify, algorithms=[key.algorithm], audience=AUDIENCE, issuer=ISSUER, leeway=_LEEWAY_S,
                options={"require": _CLAIMS, "strict_aud": True},
            )
            return msgspec.convert(said, Claims)
        except jwt.ImmatureSignatureError as error:
            raise BadToken(
                "the token is of the future: the clock of who made it or of this node is wrong, and this one says "
                + datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            ) from error
        except jwt.ExpiredSignatureError as error:
            raise BadToken("the token has ended") from error
        except (jwt.InvalidTokenError, msgspec.ValidationError, RecursionError) as error:
            raise BadToken("the token is not valid here") from error


def keyring_of(settings: Settings) -> Keyring:
    """Load the keys that the settings name; raises ConfigError with every problem."""
    keys, problems = [], []
    for file in settings.admin_jwtkeys:
        try:
            keys.append(_read(file))
        except OSError as error:
            problems.append(f"DNS_ADMIN_JWTKEYS: {file.path} cannot be read: {(error.strerror or str(error)).lower()}")
        except ValueError as error:
            problems.append(f"DNS_ADMIN_JWTKEYS: {file.path} {error}")
    if problems:
        raise ConfigError(problems)
    if settings.admin_jwtsecret:
        keys.append(_secret(SECRET_KID, settings.admin_jwtsecret.encode("utf-8", "surrogateescape")))
    return Keyring(tuple(keys))


def random_keyring() -> Keyring:
    """Make a keyring with a random key, which ends with the process."""
    return Keyring((_secret(f"start-{secrets.token_hex(4)}", secrets.token_bytes(64)),))


def _secret(kid: str, secret: bytes) -> Key:
    return Key(kid, "HS256", secret, secret)


def _read(file: KeyFile) -> Key:
    with open_named(file.path) as opened:
        content = opened.read(1 << 16)
    if not content.lstrip().startswith(b"-----BEGIN"):
        secret = content.rstrip(b"\r\n")
        if len(secret) < MIN_SECRET_BYTES or not secret.strip():
            raise ValueError(f"holds a secret of fewer than {MIN_SECRET_BYTES} octets")
        return _secret(file.kid, secret)
    # A large library, for those who have such keys.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        if b"PRIVATE KEY" in content:
            private = serialization.load_pem_private_key(content, password=None)
            if isinstance(private, ed25519.Ed25519PrivateKey):
                return Key(file.kid, "EdDSA", private.public_key(), private)
        elif isinstance(public := serialization.load_pem_public_key(content), ed25519.Ed25519PublicKey):
            return Key(file.kid, "EdDSA", public, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("holds no PEM key without a password") from error
    raise ValueError("holds a key that is not Ed25519")
