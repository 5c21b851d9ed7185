"""What the admin API says of a node's data, asked over HTTP of a server with a file log."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from streamdns.admin.fleet.client import Client, NodeError
from tests.harness import Server, event_line, wait_until
from tests.harness.server import HOST

SOA = "ns.example.org. host.example.org. {} 2 3 4 5"


def fill(server: Server) -> None:
    """Two zones, one below the other with a cut, and what is wrong with the data."""
    server.publish("example.org", "SOA", [SOA.format(7)], timestamp=1)
    server.publish("example.org", "NS", ["ns.example.org."], timestamp=2)
    server.publish("sub.example.org", "NS", ["ns.sub.example.org."], timestamp=3)
    server.publish("sub.example.org", "SOA", [SOA.format(8)], timestamp=4)
    server.publish("ns.sub.example.org", "A", ["192.0.2.8"], timestamp=5)
    for number in range(30):
        server.publish(f"host{number:02d}.example.org", "A", [f"192.0.2.{number}"], ttl=60 + number, timestamp=100)
    server.publish("zzz.example.org", "TXT", ["the last one"], timestamp=9)
    server.publish("example.net", "SOA", [SOA.format(1)], timestamp=1)


def ask(server: Server, path: str, **parameters: Any) -> Any:
    """The document of a path."""
    query = urlencode(parameters)
    status, body = server.get(path + (f"?{query}" if query else ""), timeout_s=30)
    assert status == 200, (path, status, body)
    return json.loads(body)


def refused(server: Server, path: str, **parameters: Any) -> tuple[int, str]:
    """The status and the code of an error."""
    status, body = server.get(f"{path}?{urlencode(parameters)}", timeout_s=30)
    return status, json.loads(body)["error"]["code"]


def pages(server: Server, path: str, rows: str, **parameters: Any) -> Iterator[list[dict[str, Any]]]:
    """The rows of one page after the other."""
    cursor = None
    while True:
        page = ask(server, path, **parameters, **({} if cursor is None else {"cursor": cursor}))
        yield page[rows]
        cursor = page["next"]
        if cursor is None:
            return


def started(serve: Callable[..., Server]) -> Server:
    """A server with the zones above."""
    server = serve(start=False)
    fill(server)
    server.start()
    server.wait_applied()
    return server


@pytest.fixture(scope="module")
def filled(serve_all: Callable[..., Server]) -> Server:
    """A server with the zones above, which all tests ask and none changes."""
    return started(serve_all)


@pytest.fixture
def own(serve: Callable[..., Server]) -> Server:
    """The same for one test, which may change it."""
    return started(serve)


def test_zones_have_their_soa_counts_and_digests(filled: Server) -> None:
    found = ask(filled, "/v1/zones")
    assert [zone["name"] for zone in found["zones"]] == ["example.net.", "example.org.", "sub.example.org."]
    assert (found["total"], found["next"]) == (3, None)
    zone = found["zones"][1]
    assert zone["soa"] == {
        "mname": "ns.example.org.", "rname": "host.example.org.", "serial": 7, "refresh": 2, "retry": 3, "expire": 4,
        "minimum": 5, "ttl": 300,
    }
    assert (zone["rrsets"], zone["records"]) == (33, 33)
    assert not zone["stale"]
    assert zone["stale_seconds"] == 0
    assert zone["changed"] > 1_600_000_000_000
    assert ask(filled, "/v1/zones/EXAMPLE.org") == zone
    digest = ask(filled, "/v1/digest/example.org.")
    assert digest["digest"] == zone["digest"] != found["zones"][2]["digest"]
    assert refused(filled, "/v1/zones/www.example.org.") == (404, "not_found")
    assert refused(filled, "/v1/digest/nowhere.") == (404, "not_found")
    assert refused(filled, "/v1/zones/a..b") == (400, "bad_name")


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_zones_come_page_by_page(filled: Server, limit: int) -> None:
    found = [[zone["name"] for zone in page] for page in pages(filled, "/v1/zones", "zones", limit=limit)]
    names = ["example.net.", "example.org.", "sub.example.org."]
    assert found == [names[at : at + limit] for at in range(0, 3, limit)]
    below = [page[0]["name"] for page in pages(filled, "/v1/zones", "zones", limit=1, below="example.org")]
    assert below == names[1:]


def test_records_of_a_zone_are_those_that_it_answers(filled: Server) -> None:
    whole = ask(filled, "/v1/zones/example.org/records", limit=500)["rrsets"]
    assert [(rrset["name"], rrset["type"]) for rrset in whole[:4]] == [
        ("example.org.", "NS"), ("example.org.", "SOA"), ("host00.example.org.", "A"), ("host01.example.org.", "A"),
    ]
    assert [(rrset["name"], rrset["type"]) for rrset in whole[-2:]] == [
        ("sub.example.org.", "NS"), ("zzz.example.org.", "TXT"),
    ]
    for limit in (1, 2, 7, 33, 34):
        paged = pages(filled, "/v1/zones/example.org/records", "rrsets", limit=limit)
        assert [each for page in paged for each in page] == whole
    sub = ask(filled, "/v1/zones/sub.example.org/records")["rrsets"]
    assert [rrset["name"] for rrset in sub] == ["sub.example.org."] * 2 + ["ns.sub.example.org."]


def test_a_record_says_where_it_came_from(own: Server) -> None:
    line = event_line("www.example.org.|A", [
        {"name": "www.example.org.", "type": "A", "content": "192.0.2.1", "metadatas": {"producer": "deployd"}},
    ], 1234)
    position = own.ends()[0]
    own.append(line)
    own.publish("www.example.org", "CNAME", ["example.net."], timestamp=5)
    own.append(event_line("www.example.org.|A", "[no json", 1235))
    own.wait_applied()
    found = ask(own, "/v1/zones/example.org/records/www.example.org")
    assert (found["name"], found["zone"]) == ("www.example.org.", "example.org.")
    address, alias = found["rrsets"]
    assert address == {
        "name": "www.example.org.", "type": "A", "ttl": 3600, "records": ["192.0.2.1"], "topic": address["topic"],
        "partition": 0, "position": position, "timestamp": 1234, "producer": "deployd",
        "metadatas": {"producer": "deployd"}, "shadowed": True, "rejected": True, "local": False,
    }
    assert (alias["type"], alias["shadowed"], alias["records"]) == ("CNAME", False, ["example.net."])
    only = ask(own, "/v1/zones/example.org/records/www.example.org", type="cname")["rrsets"]
    assert only == [alias]
    assert ask(own, "/v1/zones/example.org/records/none.example.org")["rrsets"] == []
    assert refused(own, "/v1/zones/example.org/records/www.example.net") == (404, "not_found")
    assert refused(own, "/v1/zones/example.org/records/www.example.org", type="NONSENSE") == (400, "bad_type")


def test_a_name_with_a_slash_is_found(own: Server) -> None:
    own.publish("0/25.example.org", "A", ["192.0.2.1"])
    own.wait_applied()
    found = ask(own, f"/v1/zones/example.org/records/{quote('0/25.example.org.', safe='')}")
    assert [rrset["records"] for rrset in found["rrsets"]] == [["192.0.2.1"]]


@pytest.mark.parametrize(("parameters", "names"), [
    ({"name": "OST1"}, [f"host{number}" for number in range(10, 20)]),
    ({"name": "host2", "content": "2.2"}, [f"host{number}" for number in (2, *range(20, 30)) if number > 9]),
    ({"glob": "host?5.*"}, ["host05", "host15", "host25"]),
    ({"glob": "host07.example.org"}, ["host07"]),
    ({"type": "TXT"}, ["zzz"]),
    ({"content": "LAST"}, ["zzz"]),
    ({"type": "A", "zone": "sub.example.org"}, ["ns"]),
    ({"name": "t01.ex"}, ["host01"]),
    ({"glob": "host[12]0.*"}, ["host10", "host20"]),
    ({"name": "nothing"}, []),
])
def test_search_finds(filled: Server, parameters: dict[str, str], names: list[str]) -> None:
    for limit in (3, 500):
        found = [each for page in pages(filled, "/v1/search", "rrsets", limit=limit, **parameters) for each in page]
        assert [rrset["name"].split(".")[0] for rrset in found] == names


def test_the_search_of_the_first_version(own: Server) -> None:
    """Lists of records with the names of fields and the order that scripts for it expect."""
    own.append(event_line("mail.host1.example.org.|MX", [
        {"name": "mail.host1.example.org.", "type": "MX", "content": "a.example.org.", "priority": 10, "ttl": 60,
         "metadatas": {"createdAt": 1579024540, "producer": "deployd"}},
        {"name": "mail.host1.example.org.", "type": "MX", "content": "20 b.example.org.", "ttl": 60,
         "metadatas": {"producer": "other"}},
    ], 1))
    own.wait_applied()
    found = ask(own, "/search", pattern="host1")
    names = [f"host{number}.example.org." for number in range(10, 20)]
    assert [[record["Name"] for record in rrset] for rrset in found] == [
        *([name] for name in names), ["mail.host1.example.org."] * 2,
    ]
    nothing = {"CreatedAt": 0, "Producer": ""}
    assert found[0] == [{"Name": "host10.example.org.", "Type": "A", "Content": "192.0.2.10", "Ttl": 70, "Priority": 0,
                         "Metadatas": nothing}]
    first, second = found[-1]
    assert first == {"Name": "mail.host1.example.org.", "Type": "MX", "Content": "a.example.org.", "Ttl": 60,
                     "Priority": 10, "Metadatas": {"CreatedAt": 1579024540, "Producer": "deployd"}}
    assert (second["Content"], second["Priority"], second["Metadatas"]) == (
        "b.example.org.", 20, nothing | {"Producer": "other"},
    )
    assert ask(own, "/search", pattern="nothing-at-all") == []
    assert refused(own, "/search") == refused(own, "/search", pattern="") == (400, "bad_request")

@pytest.mark.parametrize(("path", "rows", "parameters"), [
    ("/v1/zones", "zones", {}),
    ("/v1/zones", "zones", {"below": "example.org"}),
    ("/v1/zones/example.org/records", "rrsets", {}),
    ("/v1/search", "rrsets", {"name": "host"}),
    ("/v1/search", "rrsets", {"zone": "example.org"}),
    ("/v1/quarantine", "quarantined", {}),
    ("/v1/conflicts", "conflicts", {}),
    ("/v1/journal", "changes", {}),
    ("/v1/journal", "changes", {"zone": "sub.example.org"}),
])
def test_every_list_comes_from_its_end_too(
    own: Server, path: str, rows: str, parameters: dict[str, str]
) -> None:
    for number in range(5):
        own.append(event_line(f"bad{number}.example.org.|A", "[", 7))
        own.publish(f"host0{number}.example.org", "CNAME", ["host09.example.org."])
    own.wait_applied()
    whole = [each for page in pages(own, path, rows, limit=500, **parameters) for each in page]
    for limit in (1, 2, 3, 500):
        paged = pages(own, path, rows, limit=limit, backwards="true", **parameters)
        assert [each for page in paged for each in page] == whole[::-1]
    first = ask(own, path, limit=1, **parameters)
    back = ask(own, path, backwards="true", cursor=first["next"], **parameters)
    assert back[rows] == first[rows][::-1]
    assert back["next"] is None


def test_changes_up_to_a_moment(filled: Server) -> None:
    whole = ask(filled, "/v1/journal", limit=500)["changes"]
    middle = whole[len(whole) // 2]["time"]
    until = ask(filled, "/v1/journal", limit=500, until=middle)["changes"]
    assert until == [change for change in whole if change["time"] <= middle]
    assert ask(filled, "/v1/journal", limit=500, until=middle, backwards="true")["changes"] == until[::-1]
    since = ask(filled, "/v1/journal", limit=500, since=middle, backwards="true")["changes"]
    assert since == [change for change in whole if change["time"] >= middle][::-1]
    assert ask(filled, "/v1/journal", until=whole[-1]["time"] - 1)["changes"] == []


def test_parameters_are_looked_at(filled: Server) -> None:
    for parameters in ({"limit": 0}, {"limit": 501}, {"limit": "x"}, {"cursr": ""}, {"cursor": "x" * 3000}):
        assert refused(filled, "/v1/zones", **parameters)[0] == 400
    assert refused(filled, "/v1/zones", cursor="!") == (400, "bad_cursor")
    assert refused(filled, "/v1/quarantine", cursor="-1") == (400, "bad_cursor")
    assert refused(filled, "/v1/search", glob="*", type="A B") == (400, "bad_type")


def test_the_consumer(filled: Server) -> None:
    found = ask(filled, "/v1/consumer")
    end = filled.ends()[0]
    assert (found["state"], found["client"], found["unit"]) == ("following", "file", "octets")
    (partition,) = found["partitions"]
    assert (partition["position"], partition["end"], partition["lag_events"], partition["state"]) == (
        end, end, 0, "at the end",
    )
    assert found["catch_up"] is None
    assert found["lag"]["events"] == 0


def test_quarantine_and_conflicts(own: Server) -> None:
    for number in range(5):
        own.append(event_line(f"bad{number}.example.org.|A", "[", 7))
    own.publish("host01.example.org", "CNAME", ["host02.example.org."])
    own.wait_applied()
    found = [each for page in pages(own, "/v1/quarantine", "quarantined", limit=2) for each in page]
    assert [entry["key"] for entry in found] == [f"bad{number}.example.org.|A" for number in (4, 3, 2, 1, 0)]
    assert ask(own, "/v1/quarantine")["total"] == 5
    assert found[0]["payload"] == "["
    assert found[0]["reason"]
    (conflict,) = ask(own, "/v1/conflicts")["conflicts"]
    assert (conflict["kind"], conflict["name"]) == ("cname", "host01.example.org.")


def test_the_journal_has_before_and_after(own: Server) -> None:
    own.publish("host01.example.org", "A", ["192.0.2.99"], ttl=5)
    own.publish("host01.example.org", "A", None)
    own.append(event_line("by.example.org.|A", [
        {"name": "by.example.org.", "type": "A", "content": "192.0.2.1", "metadatas": {"producer": "deployd"}},
    ], 1234))
    own.wait_applied()
    whole = [each for page in pages(own, "/v1/journal", "changes", limit=7) for each in page]
    assert [change["id"] for change in whole] == list(range(len(whole) - 1, -1, -1))
    gone, changed, first = [change for change in whole if change["name"] == "host01.example.org."]
    assert first["before"] is None
    assert (first["after"]["ttl"], first["after"]["records"]) == (61, ["192.0.2.1"])
    assert (changed["before"], changed["after"]["records"]) == (first["after"], ["192.0.2.99"])
    assert (gone["before"], gone["after"]) == (changed["after"], None)
    assert ask(own, "/v1/journal", name="host01.example.org")["changes"] == [gone, changed, first]
    (by,) = ask(own, "/v1/journal", producer="deployd")["changes"]
    assert by["name"] == "by.example.org."
    sub = ask(own, "/v1/journal", zone="sub.example.org")["changes"]
    assert {change["name"] for change in sub} == {"sub.example.org.", "ns.sub.example.org."}
    newest = whole[0]["time"]
    assert ask(own, "/v1/journal", since=newest + 1)["changes"] == []
    assert whole[0] in ask(own, "/v1/journal", since=newest)["changes"]


def test_the_stream_of_changes_goes_on_where_it_ended(own: Server) -> None:
    client = Client(f"http://{HOST}:{own.admin_port}")
    seen: list[tuple[str, str]] = []
    began = threading.Event()

    def listen(after: str, most: int) -> None:
        events = client.events("/v1/journal/stream", {"after": after, "zone": "example.org"}, silence_s=30)
        began.set()
        for event in events:
            if not event.kind:
                continue
            seen.append((event.id, event.document["name"]))
            if len(seen) >= most:
                return

    before = ask(own, "/v1/journal")["end"]
    listener = threading.Thread(target=listen, args=("", 2), daemon=True)
    listener.start()
    wait_until(began.is_set, "the stream is asked for")
    number = 0
    while listener.is_alive():
        own.publish(f"new{number}.example.org", "A", ["192.0.2.1"])
        own.publish(f"new{number}.example.net", "A", ["192.0.2.1"])
        own.wait_applied()
        number += 1
        listener.join(0.05)
    assert len(seen) == 2
    first = seen[0][0]
    assert int(first.split("-")[1]) >= before
    names = [name for _, name in seen]
    seen.clear()
    listen(first, 1)
    assert [name for _, name in seen] == names[1:]
    _, lost = itertools.islice(client.events("/v1/journal/stream", {"after": "77-3"}, silence_s=30), 2)
    assert (lost.kind, lost.document) == ("lost", {"first": 0})
    with pytest.raises(NodeError):
        next(client.events("/v1/journal/stream", {"after": "nonsense"}, silence_s=30))


def test_digest_settings_and_metrics(serve: Callable[..., Server]) -> None:
    server = serve(start=False, DNS_COOKIE_SECRET="0123456789abcdef0123456789abcdef")
    fill(server)
    server.start()
    server.wait_applied()
    status, digest = server.status(), ask(server, "/v1/digest")
    assert (digest["digest"], digest["rrsets"], digest["zones"]) == (status["digest"], status["rrsets"], 3)
    assert [each["position"] for each in digest["positions"]] == [server.ends()[0]]
    assert digest["positions"] == ask(server, "/v1/nodes/self")["positions"]
    assert all(each["digest"] for each in digest["positions"])
    settings = {row["name"]: row for row in ask(server, "/v1/settings")["settings"]}
    assert settings["DNS_COOKIE_SECRET"]["value"] == "***"
    assert settings["DNS_PATHDB"]["value"] == str(server.view)
    assert (settings["DNS_PATHDB"]["given"], settings["DNS_ROTATE"]["given"]) == (True, False)
    metrics = {row["name"]: row for row in ask(server, "/v1/metrics")["metrics"]}
    assert metrics["view.zones"]["series"] == [{"labels": {}, "value": 3}]
    commits = metrics["consumer.apply_seconds"]["series"][0]
    assert commits["count"] == commits["buckets"]["+Inf"] > 0


def test_a_rebuild_is_asked_for(own: Server) -> None:
    asked = Client(f"http://{HOST}:{own.admin_port}").post("/v1/rebuild")
    wait_until(
        lambda: (own.status()["view"]["last_rebuild"] or {}).get("request") == asked["id"], "the rebuild serves",
        timeout_s=60,
    )
    assert len(ask(own, "/v1/zones")["zones"]) == 3
