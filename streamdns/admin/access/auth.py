"""Authenticates a caller by the token in the header Authorization or in the cookie `token`."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from streamdns.admin.access.accounts import Accounts
from streamdns.admin.access.revoked import Revoked
from streamdns.admin.access.tokens import BadToken, Claims, Keyring
from streamdns.admin.access.unauthenticated import refuse_foreign_page
from streamdns.admin.http.route import Principal, Role
from streamdns.errors import ApiError
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs

COOKIE: Final = "token"
CSRF_COOKIE: Final = "csrf"
CSRF_HEADER: Final = "X-CSRF-Token"
#: Where the gate leaves the claims of a token that was taken, for POST /signout.
CLAIMS: Final = "streamdns.claims"
NOBODY: Final = Principal("nobody", Role.PUBLIC, ())
_SAFE: Final = ("GET", "HEAD")
_log = logs.get("admin")


class TokenGate:
    """Admits callers whose token is valid, not revoked, and of a sufficient role."""

    def __init__(self, keyring: Keyring, revoked: Revoked, accounts: Accounts, registry: Registry) -> None:
        self.keyring, self.revoked, self.accounts = keyring, revoked, accounts
        self._denied = registry.counter("admin.denied")

    def principal(self, environ: Mapping[str, Any], needed: Role) -> Principal:
        """Return the caller; raises ApiError: 401 without a valid token, 403 where its role is not enough."""
        if needed == Role.PUBLIC:
            return NOBODY
        try:
            claims, by_cookie = self._claims(environ)
            principal = self._checked(claims)
            if by_cookie:
                _check_page(environ, claims)
            if principal.role < needed:
                raise ApiError(403, "forbidden", f"this needs the role {needed.name.lower()}, and you are "
                               f"{principal.role.name.lower()}")
        except ApiError as error:
            if error.status in (401, 403):
                self._denied.add()
            raise
        except BadToken as error:
            self._denied.add()
            raise ApiError(401, "unauthorized", str(error)) from error
        environ[CLAIMS] = claims  # type: ignore[index] # the environment of WSGI is a dict
        return principal

    def _claims(self, environ: Mapping[str, Any]) -> tuple[Claims, bool]:
        header = environ.get("HTTP_AUTHORIZATION")
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise ApiError(401, "unauthorized", "the header Authorization has to be: Bearer TOKEN")
            return self.keyring.verify(token.strip()), False
        found = cookies_of(environ.get("HTTP_COOKIE", ""), COOKIE)
        if not found:
            raise ApiError(401, "unauthorized", "this needs a token, as Authorization: Bearer TOKEN or from POST "
                           "/signin")
        if len(found) > 1:
            raise ApiError(401, "unauthorized", f"there are several cookies {COOKIE}")
        return self.keyring.verify(found.pop()), True

    def _checked(self, claims: Claims) -> Principal:
        try:
            session_of = claims.sub if claims.generation else ""
            if self.revoked.has(claims.jti, session_of=session_of, begun_s=claims.iat):
                raise BadToken("the token was revoked")
        except (OSError, ValueError) as error:
            if isinstance(error, BadToken):
                raise
            _log.error("admin.file_unreadable", path=self.revoked.path, error=str(error))
            raise ApiError(503, "not_ready", "the list of revoked tokens cannot be read: no token is taken") from error
        principal = claims.principal()
        if not claims.generation:
            return replace(principal, holder=f"token {claims.jti}")
        user = self.accounts.find(claims.sub)
        if user is None or user.password.generation() != claims.generation:
            raise BadToken("sign in again: the user is gone or has another password")
        # A role that was changed since counts.
        return replace(principal, role=user.role, holder=f"user {user.name}")


def cookies_of(header: str, wanted: str) -> set[str]:
    """Return the values of a cookie; several, where the header has it several times (RFC 6265 §4.2.1)."""
    pairs = (piece.strip().partition("=") for piece in header.split(";"))
    return {value.strip('"') for name, _, value in pairs if name == wanted}


def _check_page(environ: Mapping[str, Any], claims: Claims) -> None:
    """Refuse a change that has only the cookie: a browser sends that for the pages of other sites, too (CSRF)."""
    refuse_foreign_page(environ)
    if environ["REQUEST_METHOD"] in _SAFE:
        return
    given = environ.get("HTTP_" + CSRF_HEADER.upper().replace("-", "_"), "")
    if not claims.csrf or not hmac.compare_digest(given.encode("latin-1", "replace"), claims.csrf.encode()):
        raise ApiError(403, "csrf", f"with the cookie alone nothing is changed: the header {CSRF_HEADER} has to be the "
                       "csrf that POST /signin gave")
