"""What a token says of its bearer: read without a key, for the console only to know what it need not ask for. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import msgspec

from .model import Caller, Role

_ROLES: Final = {"viewer": Role.VIEWER, "operator": Role.OPERATOR, "admin": Role.ADMIN}
MOST_OCTETS: Final = 8192


def caller_of(token: str) -> Caller:
    """Who the bearer of a token is; somebody who may do everything where there is none or it cannot be read.

    The node decides: this is only so that nothing is offered that it would refuse.
    """
    claims = _claims(token)
    if claims is None:
        return Caller()
    zones = claims.get("zones")
    expires = claims.get("exp")
    return Caller(
        name=str(claims.get("sub", "")),
        role=_ROLES.get(str(claims.get("role")), Role.VIEWER),
        zones=tuple(map(str, zones)) if isinstance(zones, list) else None,
        expires_s=float(expires) if isinstance(expires, int | float) else None,
    )


def check_token(text: str) -> str:
    """A token as it goes into a header; raises ValueError with one phrase."""
    text = text.strip()
    if not text:
        raise ValueError("holds no token")
    if len(text) > MOST_OCTETS or not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("is no token")
    return text


def _claims(token: str) -> dict[str, Any] | None:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        decoded = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        return None
    return decoded if isinstance(decoded, dict) else None
