"""Starts servers with an admin API and many zones: streamdns with tokens, and PowerDNS with its database."""

from __future__ import annotations

import http.client
import pathlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import msgspec

from benchmarks.options import Options
from benchmarks.powerdns import MeasuredPowerDns, write_database
from benchmarks.servers import Streamdns, Subject
from benchmarks.zone import TTL, event
from tests.harness import free_port

_SECRET = "the secret of a benchmark, which is long enough"
_KEY = "the key of a benchmark"
NEEDLE = "needle"
"""A label that one name alone has."""


@dataclass(frozen=True, slots=True)
class ManyZones:
    """Zones of a hundred records each: SOA, NS and hosts; one of the hosts has another name than all others."""

    zones: int
    hosts: int = 98

    @property
    def records(self) -> int:
        """How many there are in all."""
        return self.zones * (self.hosts + 2)

    def apex(self, zone: int) -> str:
        """The name of a zone."""
        return f"z{zone:06d}.example."

    def host(self, zone: int, number: int) -> str:
        """The name of a host; what is looked for stands at three quarters of the zones."""
        rare = zone == 3 * self.zones // 4 and number == 0
        return f"{NEEDLE if rare else f'h{number:02d}'}.{self.apex(zone)}"

    def rows(self) -> Iterator[tuple[int, str, str, str]]:
        """Zone, owner, type and content of every record."""
        for zone in range(self.zones):
            apex = self.apex(zone)
            yield zone, apex, "SOA", f"ns1.{apex} hostmaster.{apex} 1 3600 600 604800 300"
            yield zone, apex, "NS", f"{self.host(zone, 1)}"
            for number in range(self.hosts):
                yield zone, self.host(zone, number), "A", f"10.{zone >> 8 & 255}.{zone & 255}.{number}"

    def write_log(self, path: pathlib.Path) -> None:
        """The file log."""
        with path.open("w", encoding="ascii") as file:
            file.writelines(event(owner, rdtype, (content,)) for _, owner, rdtype, content in self.rows())

    def write_database(self, path: pathlib.Path) -> None:
        """The tables of PowerDNS; raises OSError where its schema is not installed."""
        write_database(path, [self.apex(zone) for zone in range(self.zones)],
                       ((zone, owner, rdtype, content, TTL) for zone, owner, rdtype, content in self.rows()))

    def write_queries(self, path: pathlib.Path, count: int) -> None:
        """A file for dnsperf that asks for hosts that are there."""
        rng = random.Random(2)
        with path.open("w", encoding="ascii") as file:
            for _ in range(count):
                file.write(f"{self.host(rng.randrange(self.zones), rng.randrange(1, self.hosts))} A\n")


class Administered(Subject, Protocol):
    """A server with an API."""

    def open(self) -> Api:
        """A client of its own."""
        ...

    def list_zones(self, api: Api) -> int:
        """Ask for the first page of the zones, or for all where there are no pages; how many came."""
        ...

    def find(self, api: Api) -> int:
        """Look for the rare name to the end of the data; how often it was found."""
        ...


class Api:
    """Requests to one server over connections of their own; `each_ms` has how long each of them took."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._port, self._headers = port, headers

    def get(self, path: str) -> bytes:
        """The body of an answer; AssertionError for a refusal."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            connection.request("GET", path, headers=self._headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        assert response.status == 200, f"{path}: {response.status} {body[:300]!r}"
        return body


class _Page(msgspec.Struct):
    """What of a page says whether there is another one."""

    rrsets: list[msgspec.Raw]
    next: str | None


class GuardedStreamdns(Streamdns):
    """streamdns that takes no request without a token."""

    def __init__(self, folder: pathlib.Path, *, options: Options, log: pathlib.Path, **settings: str) -> None:
        super().__init__(folder, options=options, log=log, DNS_ADMIN_JWTSECRET=_SECRET, **settings)
        self._token = ""

    def open(self) -> Api:
        """A client with a token."""
        if not self._token:
            done = self.command("token", "create", "--role", "admin")
            assert done.returncode == 0, done.stderr
            self._token = done.stdout.strip()
        return Api(self.admin_port, {"Authorization": f"Bearer {self._token}"})

    def get(self, path: str, *, timeout_s: float = 5.0) -> tuple[int, bytes]:
        """As the harness does, but with the token where one is needed."""
        if path in ("/health", "/ready"):
            return super().get(path, timeout_s=timeout_s)
        return 200, self.open().get(path)

    def list_zones(self, api: Api) -> int:
        """The first page."""
        return api.get("/v1/zones").count(b'"serial"')

    def find(self, api: Api) -> int:
        """Page by page."""
        return sum(len(page.rrsets) for page in self.pages(api))

    def records(self, api: Api, apex: str) -> int:
        """All records of a zone; how many RRsets came."""
        page = msgspec.json.decode(api.get(f"/v1/zones/{apex}/records?limit=500"), type=_Page)
        assert page.next is None
        return len(page.rrsets)

    def pages(self, api: Api) -> Iterator[_Page]:
        """The pages of the search."""
        cursor = ""
        while True:
            page = msgspec.json.decode(api.get(f"/v1/search?name={NEEDLE}{cursor}"), type=_Page)
            yield page
            if page.next is None:
                return
            cursor = f"&cursor={page.next}"


class PowerDns(MeasuredPowerDns):
    """PowerDNS with its HTTP API."""

    def __init__(self, folder: pathlib.Path, database: pathlib.Path, *, server_core: int) -> None:
        super().__init__(folder, {})
        self.database, self.server_core = database, server_core
        self._api_port = free_port()

    def configuration(self) -> str:
        """As without the API, and its settings."""
        return super().configuration() + (
            f"api=yes\napi-key={_KEY}\nwebserver=yes\nwebserver-address=127.0.0.1\n"
            f"webserver-port={self._api_port}\nwebserver-allow-from=127.0.0.0/8\n"
        )

    def open(self) -> Api:
        """A client with the key."""
        return Api(self._api_port, {"X-API-Key": _KEY})

    def list_zones(self, api: Api) -> int:
        """All of them: it has no pages."""
        return api.get("/api/v1/servers/localhost/zones?dnssec=false").count(b'"serial"')

    def find(self, api: Api) -> int:
        """One request."""
        path = f"/api/v1/servers/localhost/search-data?q=*{NEEDLE}*&max=100&object_type=record"
        return api.get(path).count(b'"object_type"')
