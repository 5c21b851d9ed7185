"""Sets up who may use the admin API, from the settings: the gate that admits callers, and the routes to sign in."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from typing import Any

from streamdns.admin.access.accounts import Accounts
from streamdns.admin.access.auth import TokenGate
from streamdns.admin.access.revoked import Revoked
from streamdns.admin.access.signing import Signing
from streamdns.admin.access.throttle import Throttle
from streamdns.admin.access.tokens import Keyring, keyring_of, random_keyring
from streamdns.admin.access.unauthenticated import OpenGate
from streamdns.admin.http.application import Gate
from streamdns.admin.http.route import Call, Principal, Role, Route
from streamdns.admin.schema.edge import TokenQuery, TokenState
from streamdns.errors import ApiError
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.settings import Settings
from streamdns.settings.admin import is_local, needs_login

_log = logs.get("admin")


class Access:
    """Builds the gate from the settings, and takes over new keys while the node runs. Raises ConfigError."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._registry = registry
        # From now on it is this very file, in whatever directory a command works.
        self._revoked = Revoked(os.path.abspath(settings.admin_revoked))
        self._revoked.remember()
        if needs_login(settings):
            self._look_at_the_list()
        self._accounts = Accounts(settings)
        self._keyring: Keyring | None = None
        self._made: Keyring | None = None
        self._gate = self._gate_of(settings)
        self._signing = Signing(
            keyring=self._signs, accounts=self._accounts, revoked=self._revoked,
            throttle=Throttle(time.monotonic, secrets.token_bytes), registry=registry,
            session_s=settings.admin_session_s, now=time.time,
        )
        if settings.admin_address is not None and not is_local(settings.admin_address) and not needs_login(settings):
            _log.warning("admin.open", address=str(settings.admin_address))

    def principal(self, environ: Mapping[str, Any], needed: Role) -> Principal:
        """Return the caller as the gate knows it; raises ApiError."""
        return self._gate.principal(environ, needed)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes to sign in and out, and to see whether a token is revoked."""
        return (
            *self._signing.routes(),
            Route("GET", "/v1/tokens/revoked", self._token_state, "Whether a token is in this node's list of revoked "
                  "ones, and where the list is", TokenState, query=TokenQuery, unscoped=True),
        )

    def _look_at_the_list(self) -> None:
        """Say at the start where no token will be taken."""
        try:
            self._revoked.has("")
        except (OSError, ValueError) as error:
            _log.error("admin.file_unreadable", path=self._revoked.path, error=str(error))

    def _token_state(self, call: Call) -> TokenState:
        if isinstance(self._gate, OpenGate):
            raise ApiError(404, "not_found", "this node asks nobody for a token")
        try:
            revoked = self._revoked.has(call.query.id)
        except (OSError, ValueError) as error:
            raise ApiError(503, "not_ready", f"the list of revoked tokens cannot be read: {error}") from error
        return TokenState(id=call.query.id, revoked=revoked, list=self._revoked.path)

    def reload(self, settings: Settings) -> None:
        """Take over the keys of new settings; a gate that asks for tokens goes on asking. Raises ConfigError."""
        self._accounts.look()
        if isinstance(self._gate, TokenGate):
            self._gate.keyring = self._keyring = self._keys(settings)
        else:
            self._gate = self._gate_of(settings)

    def close(self) -> None:
        """Release the native thread of the password checks."""
        self._accounts.close()

    def _keys(self, settings: Settings) -> Keyring:
        if settings.admin_jwtsecret or settings.admin_jwtkeys:
            return keyring_of(settings)
        if self._made is None:
            self._made = random_keyring()
            _log.info("admin.key_made")
        return self._made

    def _signs(self) -> Keyring:
        assert self._keyring is not None, "who signs in somewhere has a gate there"
        return self._keyring

    def _gate_of(self, settings: Settings) -> Gate:
        if not needs_login(settings):
            return OpenGate()
        self._keyring = self._keys(settings)
        return TokenGate(self._keyring, self._revoked, self._accounts, self._registry)
