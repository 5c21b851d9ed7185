"""Signs a short-lived token with the keys of the local settings, for commands that ask their own node."""

from __future__ import annotations

import time
from typing import Final

from streamdns.admin.http.route import Role
from streamdns.errors import ConfigError
from streamdns.settings import Settings

_TOKEN_S: Final = 3600


def token_of(settings: Settings, role: Role = Role.VIEWER, *, subject: str = "command line") -> str:
    """Sign a token with these settings: who may read the key may do everything anyway. "" where no key can sign.

    Raises ConfigError for keys that cannot be used.
    """
    if not settings.admin_jwtsecret and not settings.admin_jwtkeys:
        return ""
    from streamdns.admin.access.tokens import keyring_of

    keyring = keyring_of(settings)
    try:
        return keyring.issue(subject, role, now_s=time.time(), expires_s=_TOKEN_S)[0]
    except ConfigError:
        # Keys that only verify: somebody else signs.
        return ""
