"""Calls of the admin API as its clients make them, and tokens good and bad."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt

from tests.harness import Server

SECRET = "a secret of the tests that is long enough for every hash: sixty-four octets"
KID = "secret"


class Answer(NamedTuple):
    """Status, headers (a name that comes twice has a list's text) and the document."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The word of an error."""
        found: str = self.document["error"]["code"]
        return found


def call(
    server: Server, method: str, path: str, *, token: str | None = None, body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request over a connection of its own."""
    sent = dict(headers or {})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    content = None
    if body is not None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=30)
    try:
        connection.request(method, path, body=content, headers=sent)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def claims(role: str = "admin", **changes: Any) -> dict[str, Any]:
    """What a token that is good says; None takes a claim out."""
    now_s = int(time.time())
    said = {
        "sub": "test", "role": role, "jti": "an-id", "iss": "streamdns", "aud": "streamdns-admin", "iat": now_s,
        "exp": now_s + 600,
    } | changes
    return {name: value for name, value in said.items() if value is not None}


def token(role: str = "admin", *, secret: str = SECRET, algorithm: str = "HS256", kid: str | None = KID,
          **changes: Any) -> str:
    """A token signed here."""
    headers = None if kid is None else {"kid": kid}
    return jwt.encode(claims(role, **changes), secret, algorithm=algorithm, headers=headers)


def unsigned(**changes: Any) -> str:
    """A token of the algorithm none (RFC 7519 §6)."""
    parts = ({"alg": "none", "typ": "JWT", "kid": KID}, claims(**changes))
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def tampered(good: str) -> str:
    """A token with another claim than the one that was signed."""
    head, _, signature = good.split(".")
    said = base64.urlsafe_b64encode(json.dumps(claims("admin", jti="another")).encode()).rstrip(b"=").decode()
    return f"{head}.{said}.{signature}"
