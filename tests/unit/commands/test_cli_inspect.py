"""`streamdns lookup`, `digest`, `quarantine` and `conflicts`."""

from __future__ import annotations

import json
import pathlib

import lmdb
import pytest

from streamdns.dns import name
from streamdns.view.writer import LocalRRset
from tests.unit.commands.test_cli import Commands

SOA = "ns1.example.org. host.example.org. 1 2 3 4 5"


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """A log of two partitions with something of everything."""
    run = Commands(tmp_path, monkeypatch)
    run.log.mkdir()
    a_record = {"name": "two.example.org.", "type": "A", "content": "192.0.2.1"}
    spelt = {"name": "odd.example.org", "type": "a", "content": "192.0.2.1"}
    many = [
        {"name": "m.example.org.", "type": "TXT", "content": text, "metadatas": {"producer": text}}
        for text in ("p", "q\x1b")
    ]
    events = {
        0: [
            ("two.example.org.|A", [a_record], 1_579_024_540_000),
            ("odd.example.org|a", [spelt], 0),
            ("m.example.org.|TXT", many, 0),
            ("gone.example.org.|A", None, 1_579_024_540_000),
        ],
        1: [
            ("two.example.org.|A", [a_record | {"content": "192.0.2.2"}], 1_579_024_541_000),
            ("two.example.org.|A", "\x1b[31mbroken", 1_579_024_542_000),
            (None, [a_record], 0),
        ],
    }
    for number, lines in events.items():
        text = "".join(json.dumps({"key": k, "value": v, "timestamp": t}) + "\n" for k, v, t in lines)
        (run.log / f"{number}.jsonl").write_text(text)
    run.ok("publish", "example.org", "SOA", SOA, "--ttl", "300", "--producer", "me", "--timestamp", "1579024540000")
    run.ok("publish", "www.example.org", "CNAME", "two.example.org", "--timestamp", "5")
    run.ok("publish", "www.example.org", "TXT", "shadowed", "--timestamp", "5")
    run.apply()
    return run


def test_lookup_shows_records_with_their_origin(run: Commands) -> None:
    (rrset,) = run.ok("lookup", "EXAMPLE.org", "soa", "--json").json["rrsets"]
    partition, position = rrset["partition"], rrset["position"]
    assert run.ok("lookup", "EXAMPLE.org").out == (
        f"example.org. 300 IN SOA {SOA}\n"
        f"    from file/{partition} at {position}, 2020-01-14T17:55:40.000Z, by me\n"
    )
    assert (run.log / f"{partition}.jsonl").read_bytes()[position:].startswith(b'{"key":"example.org.|SOA"')
    assert rrset["records"] == [SOA]
    assert rrset["metadatas"]["producer"] == "me"
    assert not any(rrset[flag] for flag in ("shadowed", "rejected", "local"))


def test_lookup_marks_what_is_shadowed_and_what_was_rejected_since(run: Commands) -> None:
    lines = run.ok("lookup", "www.example.org").out.splitlines()
    assert lines[0] == "www.example.org. 3600 IN CNAME two.example.org."
    assert not lines[1].endswith("shadowed")
    assert lines[2] == 'www.example.org. 3600 IN TXT "shadowed"'
    assert lines[3].endswith(", shadowed")
    assert "a newer event was rejected" in run.ok("lookup", "two.example.org", "A").out
    assert [each["shadowed"] for each in run.ok("lookup", "www.example.org", "--json").json["rrsets"]] == [False, True]


def test_lookup_shows_candidates_and_tombstones(run: Commands) -> None:
    done = run.ok("lookup", "two.example.org", "--candidates")
    assert done.out.splitlines()[0] == "two.example.org. 3600 IN A 192.0.2.2"
    assert done.out.count("    candidate file/") == 2
    assert "its newest event was rejected" in done.out.splitlines()[-1]
    listed = run.ok("lookup", "two.example.org", "--candidates", "--json").json["candidates"]
    assert [(each["partition"], each["rejected"], each["records"]) for each in listed] == [
        (0, False, ["192.0.2.1"]), (1, True, ["192.0.2.2"])
    ]
    assert run("lookup", "gone.example.org").code == 1
    for arguments in (("gone.example.org",), ("gone.example.org", "A")):
        done = run.ok("lookup", *arguments, "--candidates")
        assert done.out.splitlines()[0] == "A: no RRset stands"
        assert done.out.splitlines()[1].endswith("a delete")
    (uncontested,) = run.ok("lookup", "example.org", "--candidates", "--json").json["candidates"]
    assert uncontested["kind"] == "set"


def test_lookup_shows_records_of_this_instance(run: Commands) -> None:
    run.apply(local=(LocalRRset(name.from_text("two.example.org."), 1, 7, (b"\x0a\0\0\1",)),))
    done = run.ok("lookup", "two.example.org", "--candidates")
    assert done.out.startswith("two.example.org. 7 IN A 10.0.0.1\n    local, from DNS_LOCAL_RECORDS\n")
    assert "    candidate local" in done.out
    (rrset,) = run.ok("lookup", "two.example.org", "--json").json["rrsets"]
    assert (rrset["local"], rrset["topic"], rrset["partition"], rrset["position"]) == (True, None, None, None)


def test_lookup_of_nothing_is_exit_1(run: Commands) -> None:
    done = run("lookup", "none.example.org")
    assert (done.code, done.out) == (1, "")
    assert "nothing at none.example.org., which is in the zone example.org." in done.err
    assert "no zone" in run("lookup", "example.net", "A").err
    assert run("lookup", "none.example.org", "--json").json == {
        "name": "none.example.org.", "zone": "example.org.", "rrsets": []
    }
    assert "FROB" in run("lookup", "example.org", "FROB").err


def test_producers_of_several_records(run: Commands) -> None:
    assert "by p and q\\x1b\n" in run.ok("lookup", "m.example.org").out


def test_digest_of_the_view_and_of_a_zone(run: Commands) -> None:
    total, zone = run.ok("digest").out.splitlines()
    listed = run.ok("digest", "--json").json
    assert total.startswith(f"{listed['digest']}  the view at file/0:")
    assert total.endswith(": 1 zones, 6 RRsets, 7 records")
    assert zone.startswith(f"{listed['zones'][0]['digest']}  example.org.: 6 RRsets, 7 records")
    assert run.ok("digest", "example.org").out == zone + "\n"
    assert {each["partition"]: each["position"] for each in listed["positions"]} == {
        number: (run.log / f"{number}.jsonl").stat().st_size for number in (0, 1)
    }
    assert "not a zone" in run("digest", "www.example.org").err


def test_verify_says_where_the_view_differs(run: Commands) -> None:
    done = run.ok("digest", "--verify")
    assert done.out.endswith("verified: the nodes give every stored value\n")
    assert run.ok("digest", "--verify", "--json").json["differences"] == []
    (environment,) = run.view.glob("view-*")
    with lmdb.open(str(environment), max_dbs=16) as opened:
        nodes = opened.open_db(b"nodes")
        with opened.begin(db=nodes, write=True) as txn, txn.cursor() as cursor:
            assert cursor.first()
            txn.delete(cursor.key())
    done = run("digest", "--verify")
    assert done.code == 1
    assert "digest stored as" in done.err
    assert "verified" not in done.out
    assert run("digest", "--verify", "--json").json["differences"]


def test_quarantine(run: Commands) -> None:
    lines = run.ok("quarantine").out.splitlines()
    assert len(lines) == 2
    assert ", key two.example.org.|A: " in lines[0]
    assert ", no key: the event has no key" in lines[1]
    assert "\x1b" not in run.ok("quarantine", "--payload").out
    assert "\n    \\x1b[31mbroken\n" in run.ok("quarantine", "--payload").out
    broken, keyless = run.ok("quarantine", "--payload", "--json").json
    assert (broken["payload"], broken["partition"], keyless["key"]) == ("\x1b[31mbroken", 1, None)
    assert "payload" not in run.ok("quarantine", "--json").json[0]


def test_conflicts(run: Commands) -> None:
    listed = run.ok("conflicts", "--json").json
    assert [(each["kind"], each["name"], each["type"]) for each in listed] == [
        ("spelling", "odd.example.org.", "A"), ("partitions", "two.example.org.", "A"),
        ("cname", "www.example.org.", "CNAME"),
    ]
    assert len(run.ok("conflicts").out.splitlines()) == 3


def test_nothing_to_tell(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Commands(tmp_path, monkeypatch)
    assert "there is no view" in run("conflicts").err
    run.apply()
    assert (run.ok("conflicts").out, run.ok("quarantine").out) == ("", "")
    assert run.ok("digest").out == "0" * 64 + "  the view at the beginning: 0 zones, 0 RRsets, 0 records\n"
