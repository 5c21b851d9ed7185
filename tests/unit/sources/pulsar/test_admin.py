"""Questions to the admin API, asked of a real HTTP server: which broker is asked, and what is said of each refusal."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from streamdns.errors import SourceError
from streamdns.sources.pulsar.admin import Admin, policies_of
from streamdns.sources.pulsar.config import PulsarConfig
from streamdns.sources.pulsar.token import Token

_TOPIC = "persistent://dns/production/zones"
_STATS = {"ledgers": [{"ledgerId": 3}], "currentLedgerEntries": 8}


class _Api(BaseHTTPRequestHandler):
    """Says to each path what its server has for it."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append((self.path, self.headers.get("Authorization")))
        status, body = server.said.get(self.path, server.otherwise)
        self.send_response(status)
        if isinstance(body, str):
            self.send_header("Location", body)
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *_: Any) -> None:
        """Nothing is written beside the tests' own output."""


@contextmanager
def api(said: dict[str, Any], otherwise: tuple[int, Any] = (404, None)) -> Iterator[Any]:
    """A running admin API; `url` is its address, `asked` has each path with the log-in that came with it."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    server.said, server.otherwise, server.asked = said, otherwise, []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def config(admin: str, **more: Any) -> PulsarConfig:
    return PulsarConfig(url="pulsar://127.0.0.1:1", topic=_TOPIC, admin=admin, **more)


def asking(admin: str, **more: Any) -> Admin:
    made = config(admin, **more)
    return Admin(made, Token(made))


def test_the_broker_that_has_the_partition_is_asked() -> None:
    """Another one answers with where that is; the token goes along."""
    path = "/admin/v2/persistent/dns/production/zones-partition-2/internalStats"
    with api({path: (200, _STATS)}) as owner, api({path: (307, owner.url + path)}) as other:
        extent = asking(other.url, token="a.b.c").extent(f"{_TOPIC}-partition-2")
        assert extent is not None
        assert extent.behind(0) == 8
        assert other.asked == owner.asked == [(path, "Bearer a.b.c")]


def test_nobody_is_sent_in_circles() -> None:
    with api({}) as server:
        server.otherwise = 307, "/admin/v2/somewhere"
        with pytest.raises(SourceError, match="it says 307 for"):
            asking(server.url).get("/elsewhere")
        assert len(server.asked) == 3


def test_a_token_is_not_sent_where_there_is_no_tls() -> None:
    admin = asking("https://pulsar.example:8443")
    with pytest.raises(SourceError, match=r"it sends us to http://pulsar\.example:8080/x, which has no TLS"):
        admin._followed("https://pulsar.example:8443/x", "http://pulsar.example:8080/x")
    assert admin._followed("https://a.example/x", "https://b.example/x") == "https://b.example/x"


@pytest.mark.parametrize(("answer", "token", "said"), [
    ((401, None), "a.b.c", "it does not accept the token (DNS_PULSAR_TOKEN), which is wrong or has expired"),
    ((401, None), "", "it wants a log-in: DNS_PULSAR_TOKEN"),
    ((403, None), "a.b.c", "no permission to look at"),
    ((500, None), "", "it says 500 for"),
    ((200, b"<html>"), "", "it gives no JSON for"),
    ((200, b"[1]"), "", "it gives another document than is expected for"),
    ((200, b'{"ledgers": [{}]}'), "", "it gives another document than is expected for"),
    ((200, b'{"ledgers": [{"ledgerId": "x"}]}'), "", "it gives another document than is expected for"),
], ids=["token", "no token", "role", "error", "no JSON", "list", "no id", "no number"])
def test_what_is_refused_is_said(answer: tuple[int, Any], token: str, said: str) -> None:
    """One sentence, with the address and without the token."""
    with api({}, answer) as server:
        with pytest.raises(SourceError) as raised:
            asking(server.url, token=token).extent(_TOPIC)
        text = str(raised.value)
        assert text.startswith(f"the admin API of Pulsar at {server.url}: {said}")
        assert "a.b.c" not in text
        assert "\n" not in text


def test_who_is_not_there_is_said() -> None:
    found = policies_of(made := config("http://127.0.0.1:1"), Token(made), 65)
    assert found[1] == "the admin API of Pulsar at http://127.0.0.1:1: connection refused"
    assert "65 partitions" in found[0][0]
    found = policies_of(made := config("http://nowhere.invalid:80"), Token(made), 1)
    assert "the name nowhere.invalid is not known" in found[1]


def test_policies_are_those_of_the_topic_before_those_of_its_namespace() -> None:
    topic, namespace = "/admin/v2/persistent/dns/production/zones", "/admin/v2/namespaces/dns/production"
    for_ever, week = ({"retentionTimeInMinutes": at, "retentionSizeInMB": -1} for at in (-1, 10080))
    said = {f"{namespace}/retention": (200, week), f"{namespace}/compactionThreshold": (200, 1 << 20)}
    with api(said) as server:
        made = config(server.url)
        (warning,), fault = policies_of(made, Token(made), 1)
        assert ("7 days" in warning, fault) == (True, "")
        said[f"{topic}/retention?applied=true"] = (200, for_ever)
        assert policies_of(made, Token(made), 1) == ([], "")
