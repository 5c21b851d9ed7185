"""The client of the admin API: what of an answer becomes a document, an event or one sentence."""

from __future__ import annotations

import ast
import http.server
import pathlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from streamdns import settings
from streamdns.admin.fleet.client import Client, NodeError
from streamdns.admin.http import cursors
from streamdns.admin.http.route import Principal, Role
from streamdns.admin.routes import scope
from streamdns.admin.routes.search import wanted_of
from streamdns.commands.tables import octets, print_array, print_pairs, print_table, span
from streamdns.dns.node import Origin, encode_single, pack_records
from streamdns.errors import ApiError
from streamdns.view.keys import behind, node_key
from tests.harness import ROOT
from tests.harness.model import wire_name

Serve = Callable[[int, bytes], str]


@pytest.fixture
def answering() -> Iterator[Serve]:
    """A function that gives the URL of a server which answers everything with this status and body."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def serve(status: int, body: bytes) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "body", "sentence"), [
    (200, b"<html>", "does not answer with JSON: is it a streamdns?"),
    (404, b'{"error": {"code": "not_found", "message": "there is no such zone"}}', ": there is no such zone"),
    (500, b"<html>", "answers with HTTP status 500"),
    (503, b'{"error": 5}', "answers with HTTP status 503"),
])
def test_what_is_no_answer_is_one_sentence(answering: Serve, status: int, body: bytes, sentence: str) -> None:
    url = answering(status, body)
    with pytest.raises(NodeError) as caught:
        Client(url).get("/v1/status")
    assert str(caught.value).startswith(url)
    assert str(caught.value).endswith(sentence)
    assert caught.value.status == (0 if status == 200 else status)


def test_documents_and_events(answering: Serve) -> None:
    assert Client(answering(200, b'{"a": [1]}')).get("/x") == {"a": [1]}
    stream = b': here\n\nid: 1-5\n\nevent: change\nid: 1-6\ndata: {"n": 1}\n\n: here\n\nevent:lost\ndata:{}\n\n'
    events = list(Client(answering(200, stream)).events("/x", silence_s=20))
    assert [tuple(event) for event in events] == [("", "1-5", None), ("change", "1-6", {"n": 1}), ("lost", "", {})]


def test_the_schema_and_the_client_need_no_server() -> None:
    """The console has the one, commands have the other: neither may bring the event loop or LMDB with it."""
    code = (
        "import sys, pkgutil, importlib, streamdns.admin.schema as schema\n"
        "names = [each.name for each in pkgutil.iter_modules(schema.__path__)]\n"
        "for name in names: importlib.import_module(f'streamdns.admin.schema.{name}')\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] == 'streamdns'))\n"
        "import streamdns.admin.fleet.client\n"
        "print({'gevent', 'lmdb', 'bottle'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules, heavy = done.stdout.splitlines()
    # How positions are written is the same for everybody, and needs nothing else.
    also = ("streamdns", "streamdns.admin", "streamdns.events", "streamdns.events.message_id")
    assert all(name in also or "schema" in name for name in ast.literal_eval(modules))
    assert heavy == "set()"


def test_a_unix_socket(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

        server = threading.Thread(target=serve)
        server.start()
        assert Client(f"unix:{path}").get("/x") == []
        server.join()


@pytest.mark.parametrize(("url", "warned"), [
    ("http://192.0.2.1:1", True), ("ns2.example.org:1", True), ("https://ns2.example.org", False),
    ("127.0.0.1:1", False), ("[::1]:1", False), ("localhost:1", False), ("unix:/run/ns2", False),
])
def test_a_token_that_others_can_read_is_warned_of(url: str, warned: bool) -> None:
    loaded = settings.load({"DNS_PEERS": f"127.0.0.1:9 {url}", "DNS_PEERS_TOKEN": "secret-token"})
    assert any("without https others on the network can read the token" in each for each in loaded.warnings) is warned
    assert not any("secret-token" in warning for warning in loaded.warnings)
    assert not any("on its way" in warning for warning in settings.load({"DNS_PEERS": url}).warnings)


@pytest.mark.parametrize("key", [b"", b"org\0", bytes(range(256))])
def test_cursors(key: bytes) -> None:
    cursor = cursors.encode(key)
    assert cursor is not None
    assert cursors.decode(cursor) == key
    assert cursors.encode(None) is None


@pytest.mark.parametrize("cursor", ["!", "a", "é", "a b", "A" * 1000])
def test_cursors_that_nobody_gave(cursor: str) -> None:
    with pytest.raises(ApiError):
        cursors.decode(cursor)


def test_what_a_caller_may_look_through() -> None:
    everybody = Principal("x", Role.VIEWER)
    some = Principal("x", Role.VIEWER, tuple(map(wire_name, ("example.org.", "a.example.org.", "example.net."))))
    keys = [node_key(wire_name(name)) for name in ("example.net.", "example.org.")]
    assert scope.prefixes(everybody, "") == [b""]
    assert scope.prefixes(everybody, "example.net") == keys[:1]
    assert scope.prefixes(some, "") == keys
    assert scope.prefixes(some, "deep.a.example.org") == [node_key(wire_name("deep.a.example.org."))]
    with pytest.raises(ApiError):
        scope.prefixes(some, "org")


def test_where_to_go_on_in_what_a_caller_may_look_through() -> None:
    """Forwards from the cursor on, backwards from before it, and nothing of what lies on its other side."""
    net, org = (node_key(wire_name(name)) for name in ("example.net.", "example.org."))
    both = [net, org]
    between = node_key(wire_name("zz.example.net."))
    assert [*scope.parts(both, b"", backwards=False)] == [(net, net), (org, org)]
    assert [*scope.parts(both, between, backwards=False)] == [(net, between), (org, org)]
    assert [*scope.parts(both, org, backwards=False)] == [(org, org)]
    assert [*scope.parts(both, behind(org), backwards=False)] == []
    assert [*scope.parts(both, b"", backwards=True)] == [(org, behind(org)), (net, behind(net))]
    assert [*scope.parts(both, org, backwards=True)] == [(net, behind(net))]
    assert [*scope.parts(both, between, backwards=True)] == [(net, between)]
    assert [*scope.parts(both, net, backwards=True)] == []
    assert [*scope.parts([b""], b"", backwards=True)] == [(b"", b"")]
    assert [*scope.parts([b""], org, backwards=True)] == [(b"", org)]


NODE = encode_single(1, 0, 1, pack_records(1, 60, [b"\1\2\3\4"]), Origin(0, 0, 0, 0, b""))


@pytest.mark.parametrize(("substring", "glob", "rdtype", "found"), [
    ("", "", None, True), ("", "", 1, True), ("", "", 28, False), ("WWW.exa", "", None, True), ("w.e", "", None, True),
    ("w-e", "", None, False), ("org.", "", None, True), ("", "*.org", None, True), ("", "www", None, False),
    ("", "www*", None, True), ("", "w??.example.org.", 1, True), ("", "w[vw]w.*", None, True),
    ("", "[!w]*", None, False), ("www", "*.net", None, False), ("\\", "", None, False),
])
def test_names_that_are_looked_for(substring: str, glob: str, rdtype: int | None, found: bool) -> None:
    wanted = wanted_of(substring, glob, rdtype)
    assert wanted(node_key(wire_name("www.example.org.")), NODE) is found


def test_tables_are_safe_and_in_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "LONGER", "C"), [("one", None, "\x1b[31m"), ("a longer one", True, [1, 2])])
    print_table(("A",), [])
    print_pairs([("name", 5), ("n", "\n")])
    print_array([{"a": 1}, 2])
    print_array([])
    assert capsys.readouterr().out == (
        "A             LONGER  C\none           -       \\x1b[31m\na longer one  yes     1, 2\n"
        'name  5\nn     \\n\n[\n  {"a": 1},\n  2\n]\n[]\n'
    )
    assert [span(1.5), span(300), span(86400 * 3)] == ["1.5 s", "5 min", "3 d"]
    assert [octets(5), octets(2048), octets(3 << 30)] == ["5 B", "2.0 KiB", "3.0 GiB"]
