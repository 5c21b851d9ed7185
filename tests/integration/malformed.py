"""HTTP requests that are no proper ones, each with the status that it is refused with."""

from __future__ import annotations

HOST = b"Host: 127.0.0.1\r\n"
POST = b"POST /signin HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

MALFORMED: dict[str, tuple[bytes, int]] = {
    "nothing but an end of line": (b"\r\n\r\n", 400),
    "one word": (b"GET\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /health\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /health HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    "HTTP/1.7 and a letter": (b"GET /health HTTP/1.x\r\n" + HOST + b"\r\n", 400),
    "no slash": (b"GET health HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a whole URL": (b"GET http://127.0.0.1/health HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "two spaces": (b"GET  /health HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a tab": (b"GET\t/health HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a bare LF": (b"GET /health HTTP/1.1\n" + HOST + b"\r\n", 400),
    "a bare LF behind a header": (b"GET /health HTTP/1.1\r\nHost: x\n\r\n", 400),
    "a NUL": (b"GET /hea\0lth HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a NUL in a header": (b"GET /health HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n", 400),
    "a CR in a header": (b"GET /health HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n", 400),
    "octets beyond ASCII": (b"GET /h\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a fragment": (b"GET /health#x HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "no Host": (b"GET /health HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET /health HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    "a header without a colon": (b"GET /health HTTP/1.1\r\n" + HOST + b"Nothing\r\n\r\n", 400),
    "a space before the colon": (b"GET /health HTTP/1.1\r\n" + HOST + b"X : y\r\n\r\n", 400),
    "a folded header": (b"GET /health HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400),
    "a header without a name": (b"GET /health HTTP/1.1\r\n" + HOST + b": y\r\n\r\n", 400),
    "a method of signs": (b"G@T /health HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a long method": (b"A" * 40 + b" /health HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a long line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "a long header": (b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 9000 + b"\r\n\r\n", 431),
    "many headers": (b"GET /health HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 65 + b"\r\n", 431),
    "large headers": (b"GET /health HTTP/1.1\r\n" + HOST + b"".join(b"X%d: " % n + b"a" * 8000 + b"\r\n"
                                                                    for n in range(5)) + b"\r\n", 431),
    "TLS to a port without": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n", 400),
    "a method in small letters": (b"post /signin HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}", 501),
    "a method in some small letters": (b"Get /health HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    "an unknown method": (b"BREW /health HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "another method": (b"DELETE /health HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "an unknown path": (b"GET /health/../v1 HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "a wrong escape": (b"GET /v1/zones/%zz HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a path that is not UTF-8": (b"GET /v1/zones/%ff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a control character in a path": (b"GET /v1/zones/%0d%0a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "an unknown parameter": (b"GET /v1/zones?what=1 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a parameter twice": (b"GET /v1/zones?limit=1&limit=2 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a parameter of another type": (b"GET /v1/zones?limit=many HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "many parameters": (b"GET /v1/zones?" + b"a=1&" * 100 + b"b=1 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a name as Host": (b"GET /v1/status HTTP/1.1\r\nHost: example.com\r\n\r\n", 421),
    "an expectation": (POST + b"Expect: miracles\r\nContent-Length: 1\r\n\r\n", 417),
    # Bodies, and requests within requests.
    "a length of letters": (POST + b"Content-Length: ten\r\n\r\n", 400),
    "a length with a sign": (POST + b"Content-Length: +5\r\n\r\nhello", 400),
    "a length below zero": (POST + b"Content-Length: -1\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "one length twice": (POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    "a list of lengths": (POST + b"Content-Length: 1, 1\r\n\r\na", 400),
    "a length and chunks": (POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"
                            b"\r\n0\r\n\r\nGET /health HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "chunks and a length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"
                            b"\r\n0\r\n\r\nGET /health HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "another coding": (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    "two codings": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "a coding twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: "
                       b"identity\r\n\r\n0\r\n\r\n", 400),
    "a coding that nearly is one": (POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
    "chunks in HTTP/1.0": (b"POST /signin HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a body that is announced too large": (POST + b"Content-Length: 1048577\r\n\r\n", 413),
    "a body that grows too large": (CHUNKED + b"40000\r\n" + b"a" * 0x40000 + b"\r\n"
                                    + b"c0001\r\n", 413),
    "crumbs": (CHUNKED + b"1\r\na\r\n" * 5000, 413),
    "a chunk without a length": (CHUNKED + b"zz\r\n", 400),
    "a chunk of a huge length": (CHUNKED + b"fffffffffffffffff\r\n", 400),
    "a chunk longer than it says": (CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", 400),
    "a chunk with a bare LF": (CHUNKED + b"2\nab\r\n", 400),
    "trailers": (CHUNKED + b"0\r\nX: y\r\n\r\n", 400),
    "a body for who takes none": (b"GET /v1/status HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}", 400),
    "no JSON": (POST + b"Content-Length: 3\r\n\r\n{{{", 400),
    "deep JSON": (POST + b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000, 400),
    "JSON of another form": (POST + b"Content-Length: 2\r\n\r\n[]", 400),
    "a field too many": (POST + b"Content-Length: 40\r\n\r\n"
                         + b'{"username":"a","password":"b","c":"d"}'.ljust(40), 400),
    "a body of another type": (POST + b"Content-Type: text/xml\r\nContent-Length: 2\r\n"
                               b"\r\n{}", 415),
}
