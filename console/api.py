"""The admin API of one node over HTTP, HTTPS or a unix socket: documents and server-sent events, with httpx."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncGenerator
from typing import Any, Final, TypeVar

import httpx
import msgspec

from streamdns.admin.schema.requests import Event, EventLines, parameters, refusal

from .calls import Call
from .lines import printable

T = TypeVar("T")
_TIMEOUT_S: Final = 10.0
_CONNECT_S: Final = 3.0
#: A stream that is silent for longer than this is over: the node says something every 15 seconds.
_SILENCE_S: Final = 40.0
_MOST_OCTETS: Final = 64 << 20


class ApiProblem(Exception):
    """A node gave no answer that can be used; its text is one sentence."""


class Unreachable(ApiProblem):
    """Nobody answered, or not in time."""


class NotUnderstood(ApiProblem):
    """The node answered in another form than this console knows: it is of another version."""


class Refused(ApiProblem):
    """The node answered with an error; `status` is that of HTTP, `code` the API's word for it."""

    def __init__(self, sentence: str, *, status: int, code: str = "") -> None:
        self.status, self.code = status, code
        super().__init__(sentence)

    @property
    def unknown_caller(self) -> bool:
        """Whether a token is missing or taken no more."""
        return self.status == 401


class Api:
    """Asks one node. The token is kept in memory only and can be changed at any time."""

    def __init__(self, url: str, *, token: str = "", ca: str = "") -> None:
        self.url, self.token = url, token
        verify: ssl.SSLContext | bool = False
        transport: httpx.AsyncHTTPTransport | None = None
        if url.startswith("unix:"):
            transport = httpx.AsyncHTTPTransport(uds=url[5:])
        elif url.startswith("https:"):
            verify = ssl.create_default_context(cafile=ca or None)
        self._client = httpx.AsyncClient(
            base_url="http://localhost" if url.startswith("unix:") else url,
            transport=transport,
            verify=verify,
            trust_env=False,
            timeout=httpx.Timeout(_TIMEOUT_S, connect=_CONNECT_S),
            limits=httpx.Limits(max_connections=8, keepalive_expiry=25.0),
        )

    async def ask(self, call: Call[T]) -> T:
        """The answer to a call; raises ApiProblem."""
        options: dict[str, Any] = {"params": parameters(call.parameters), "headers": self._headers()}
        if call.body is not None:
            options["content"] = msgspec.json.encode(call.body)
            options["headers"]["Content-Type"] = "application/json"
        if call.timeout_s is not None:
            options["timeout"] = httpx.Timeout(call.timeout_s, connect=_CONNECT_S)
        try:
            response = await self._client.request(call.method, call.path, **options)
        except httpx.HTTPError as error:
            raise Unreachable(_cause(error)) from error
        if response.status_code >= 400:
            raise _refused(response.status_code, response.content)
        if len(response.content) > _MOST_OCTETS:
            raise Unreachable(f"answered {call.path} with more than {_MOST_OCTETS >> 20} MiB")
        try:
            return call.decode(response.content)
        except msgspec.ValidationError as error:
            raise NotUnderstood(f"answers {call.path} in another way than this console knows: {error}") from error
        except msgspec.MsgspecError as error:
            raise Unreachable("does not answer with JSON: is it the admin API of a streamdns?") from error

    async def events(self, path: str, wanted: dict[str, str]) -> AsyncGenerator[Event, None]:
        """Server-sent events until the node ends them; raises ApiProblem."""
        timeout = httpx.Timeout(_SILENCE_S, connect=_CONNECT_S)
        headers = {**self._headers(), "Accept": "text/event-stream"}
        try:
            async with self._client.stream(
                "GET", path, params=wanted, headers=headers, timeout=timeout
            ) as response:
                if response.status_code >= 400:
                    raise _refused(response.status_code, await response.aread())
                lines = EventLines()
                async for line in response.aiter_lines():
                    if (event := lines.line(line)) is not None:
                        yield event
        except httpx.HTTPError as error:
            raise Unreachable(_cause(error)) from error

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def _refused(status: int, body: bytes) -> Refused:
    told = refusal(body)
    if told is None:
        return Refused(f"answers with HTTP status {status}", status=status)
    code, message = told
    return Refused(printable(message), status=status, code=code)


def _cause(error: httpx.HTTPError) -> str:
    """Why nobody answered, in a few words."""
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection within three seconds"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {seen.verify_message}"
        if isinstance(seen, OSError) and seen.errno:
            return os.strerror(seen.errno).lower()
        seen = seen.__cause__ or seen.__context__
    text = str(error).lower()
    if "refused" in text or "all connection attempts failed" in text:
        return "connection refused"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the connection was closed"
    return printable(text) or "the connection broke"
