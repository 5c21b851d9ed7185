"""Signs users in and out: POST /signin answers with a token and sets it as a cookie, POST /signout revokes it."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

import bottle

from streamdns.admin.access.accounts import Accounts
from streamdns.admin.access.auth import CLAIMS, COOKIE, CSRF_COOKIE
from streamdns.admin.access.revoked import Entry, Revoked
from streamdns.admin.access.throttle import Throttle, network_of
from streamdns.admin.access.tokens import Claims, Keyring
from streamdns.admin.access.unauthenticated import refuse_foreign_page
from streamdns.admin.http.route import Call, Reply, Role, Route
from streamdns.admin.schema.edge import Error, ErrorDetail, SignedIn, SignedOut, SignIn
from streamdns.errors import ApiError
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.runtime.native import in_thread

_WRONG: Final = "the name or the password is wrong"
_log = logs.get("admin")


class Signing:
    """The handlers of POST /signin and POST /signout; `now` gives seconds since 1970."""

    def __init__(
        self, *, keyring: Callable[[], Keyring], accounts: Accounts, revoked: Revoked, throttle: Throttle,
        registry: Registry, session_s: float, now: Callable[[], float],
    ) -> None:
        self._keyring, self._accounts, self._revoked, self._throttle = keyring, accounts, revoked, throttle
        self._session_s, self._now = session_s, now
        self._counts = {outcome: registry.counter("admin.signins", outcome=outcome)
                        for outcome in ("ok", "wrong", "delayed")}

    def sign_in(self, call: Call) -> Reply:
        """Issue a token to a user who gives the right password; raises ApiError."""
        environ = bottle.request.environ
        refuse_foreign_page(environ)
        if self._accounts.empty:
            raise ApiError(404, "not_found", "there is nobody to sign in as: neither DNS_ADMIN_USERS nor "
                           "DNS_ADMIN_USERNAME is set")
        name, address = call.body.username, environ["REMOTE_ADDR"]
        wait_s = self._throttle.wait_s(address, name)
        if wait_s > 0:
            self._counts["delayed"].add()
            seconds = math.ceil(wait_s)
            detail = ErrorDetail("too_many_requests", f"after wrong passwords the next is looked at in {seconds} s")
            return Reply(Error(detail), status=429, headers=(("Retry-After", str(seconds)),))
        # Counted as wrong until it was right: who asks many times at once is not looked at many times.
        known = self._throttle.knows(address, name)
        counted = self._throttle.failed(address, name)
        try:
            user = self._accounts.check(name, call.body.password, network=network_of(address), known=known)
        except ApiError:
            # Nobody has looked at it.
            self._throttle.take_back(counted)
            raise
        if user is None:
            self._counts["wrong"].add()
            # A name that nobody has may be a password in the wrong place.
            known = self._accounts.find(name) is not None
            _log.warning("admin.signin_refused", user=name if known else "unknown", address=address)
            raise ApiError(401, "unauthorized", _WRONG)
        self._throttle.succeeded(address, name)
        self._counts["ok"].add()
        _log.info("admin.signed_in", user=user.name, address=address, role=user.role.name.lower())
        csrf = secrets.token_urlsafe(16)
        token, claims = self._keyring().issue(
            user.name, user.role, now_s=self._now(), expires_s=self._session_s, csrf=csrf,
            generation=user.password.generation(),
        )
        return Reply(SignedIn(token, claims.exp, csrf), headers=(
            _cookie(environ, COOKIE, token, age_s=int(self._session_s), hidden=True),
            _cookie(environ, CSRF_COOKIE, csrf, age_s=int(self._session_s), hidden=False),
        ))

    def sign_out(self, call: Call) -> Reply:
        """Revoke the token of the request; raises ApiError."""
        environ = bottle.request.environ
        claims: Claims | None = environ.get(CLAIMS)
        if claims is not None:
            try:
                # In a native thread: it waits for the disk.
                in_thread(self._revoke, claims, int(self._now()))
            except (OSError, ValueError) as error:
                _log.error("admin.file_unreadable", path=self._revoked.path, error=str(error))
                raise ApiError(503, "not_ready", "the list of revoked tokens cannot be written: the token is still "
                               "good") from error
        return Reply(SignedOut(claims is not None), headers=(
            _cookie(environ, COOKIE, "", age_s=0, hidden=True),
            _cookie(environ, CSRF_COOKIE, "", age_s=0, hidden=False),
        ))

    def _revoke(self, claims: Claims, now_s: int) -> None:
        if claims.generation:
            self._revoked.sign_out(claims.jti, exp=claims.exp, now_s=now_s, user=claims.sub)
        else:
            self._revoked.add(Entry(claims.jti, claims.exp, now_s, claims.sub))

    def routes(self) -> tuple[Route, ...]:
        """Return the rows of both routes."""
        return (
            Route("POST", "/signin", self.sign_in, "Sign in: a token, also as a cookie", SignedIn, role=Role.PUBLIC,
                  body=SignIn),
            Route("POST", "/signout", self.sign_out, "Have the token that comes along revoked", SignedOut),
        )


def _cookie(environ: Mapping[str, Any], name: str, value: str, *, age_s: int, hidden: bool) -> tuple[str, str]:
    attributes = [f"{name}={value}", f"Max-Age={age_s}", "Path=/", "SameSite=Strict"]
    if hidden:
        attributes.append("HttpOnly")
    if environ["wsgi.url_scheme"] == "https":
        attributes.append("Secure")
    return "Set-Cookie", "; ".join(attributes)
