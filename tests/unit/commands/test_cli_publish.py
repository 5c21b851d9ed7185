"""`streamdns publish`: what goes into the log, and that nothing bad ever does."""

from __future__ import annotations

import json
import os
import pathlib
import time

import pytest

from streamdns.commands.acceptance import Acceptance
from streamdns.commands.publish import CHUNK_EVENTS
from streamdns.events import event
from streamdns.settings import load
from tests.unit.commands.test_cli import Commands


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(tmp_path, monkeypatch)


def line(key: str | None, value: object, **more: object) -> bytes:
    return json.dumps({"key": key, "value": value} | more).encode() + b"\n"


def a_record(owner: str, content: str = "192.0.2.1") -> list[dict[str, object]]:
    return [{"name": owner, "type": "A", "content": content}]


def test_one_rrset_with_its_provenance(run: Commands) -> None:
    before_ms = time.time_ns() // 1_000_000
    done = run.ok("publish", "WWW.Example.org", "a", "192.0.2.1", "192.0.2.2", "--ttl", "60")
    assert done.out == "www.example.org.|A: partition 0, position 0\n"
    (written,) = run.events()
    assert written["key"] == "www.example.org.|A"
    assert before_ms <= written["timestamp"] <= time.time_ns() // 1_000_000
    assert [(each["content"], each["ttl"]) for each in written["value"]] == [("192.0.2.1", 60), ("192.0.2.2", 60)]
    metadatas = written["value"][0]["metadatas"]
    assert metadatas["createdAt"] == written["timestamp"] // 1000
    assert "@" in metadatas["producer"]


def test_options_may_stand_anywhere(run: Commands) -> None:
    run.ok(*"publish --ttl 60 www.example.org --producer me A 192.0.2.1 --timestamp 5 192.0.2.2".split())
    (written,) = run.events()
    assert written["timestamp"] == 5
    assert [each["content"] for each in written["value"]] == ["192.0.2.1", "192.0.2.2"]
    assert written["value"][1]["metadatas"]["producer"] == "me"


def test_without_a_ttl_a_new_rrset_has_none(run: Commands) -> None:
    run.ok("publish", "www.example.org", "A", "192.0.2.1")
    assert "ttl" not in run.events()[0]["value"][0]
    run.apply()
    run.ok("publish", "www.example.org", "AAAA", "2001:db8::1")
    assert "ttl" not in run.events()[1]["value"][0]


def test_without_a_ttl_an_rrset_keeps_the_one_it_has(run: Commands) -> None:
    run.ok("publish", "example.org", "SOA", "a. b. 1 2 3 4 5", "--ttl", "60")
    run.ok("publish", "www.example.org", "A", "192.0.2.1", "--ttl", "300")
    run.apply()
    said = run.ok("publish", "www.example.org", "A", "192.0.2.2").err
    assert said == "streamdns: note: www.example.org. A keeps its TTL of 300 seconds; --ttl sets another one\n"
    assert run.events()[-1]["value"][0]["ttl"] == 300
    assert run.ok("publish", "www.example.org", "A", "192.0.2.3", "--ttl", "60").err == ""
    run.ok("publish", "WWW.example.org", "A", "192.0.2.4")
    assert run.events()[-1]["value"][0]["ttl"] == 60, "the view is behind, the log counts"
    run.ok("publish", "www.example.org", "A", "--delete")
    run.ok("publish", "www.example.org", "A", "192.0.2.5")
    assert "ttl" not in run.events()[-1]["value"][0]


def test_a_name_in_no_zone_is_published_with_a_note(run: Commands) -> None:
    run.ok("publish", "example.org", "SOA", "a. b. 1 2 3 4 5")
    run.apply()
    for owner, known in (("www.example.org", True), ("example.org", True), ("https://www.example.org/", False),
                         ("www.exmaple.org", False)):
        said = run.ok("publish", owner, "TXT", "x").err
        assert ("is in no zone of the log, so it is not answered" in said) != known, owner
    run.ok("publish", "exmaple.org", "SOA", "a. b. 1 2 3 4 5")
    assert run.ok("publish", "www.exmaple.org", "A", "192.0.2.1").err == ""
    run.set(DNS_ZONES="example.com")
    assert run.ok("publish", "www.example.com", "A", "192.0.2.1").err == ""


def test_text_without_quotes_keeps_its_backslashes_and_says_so(run: Commands) -> None:
    assert "with its backslashes" in run.ok("publish", "a.example.org", "TXT", "v=DKIM1\\; k=rsa").err
    assert run.ok("publish", "a.example.org", "TXT", '"v=DKIM1\\; k=rsa"').err == ""


@pytest.mark.parametrize("arguments", [("--", "-all"), ("--ttl", "60", "--", "-all"), ("--ttl=60", "--", "-all")])
def test_content_that_begins_with_a_dash(run: Commands, arguments: tuple[str, ...]) -> None:
    run.ok("publish", "www.example.org", "TXT", *arguments)
    assert [each["content"] for each in run.events()[0]["value"]] == ["-all"]


def test_a_delete_is_a_tombstone(run: Commands) -> None:
    first = run.ok("publish", "www.example.org", "A", "192.0.2.1")
    second = run.ok("publish", "www.example.org", "A", "--delete")
    assert run.events()[1]["value"] is None
    assert first.out != second.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("www.example.org", "A", "192.0.2.300"), "A content"),
        (("www..example.org", "A", "192.0.2.1"), "empty label"),
        (("www.example.org", "FROB", "192.0.2.1"), "FROB"),
        (("www.example.org", "ANY", "x"), "ANY"),
        (("www.example.org", "CNAME", "a.example.org", "b.example.org"), "2 CNAME records"),
        (("www.example.org", "TXT", "two\nlines"), "one line"),
    ],
)
def test_what_the_log_would_reject_is_refused(run: Commands, words: tuple[str, ...], said: str) -> None:
    done = run("publish", *words)
    assert done.code == 1
    assert said in done.err
    assert done.err.startswith("streamdns: nothing was published: ")
    assert done.err.count("\n") == 1
    assert not run.log.exists()


@pytest.mark.parametrize(("setting", "value", "words", "said"), [
    ("DNS_ZONES_ALLOW", "example.org", ("www.example.net", "A", "192.0.2.1"),
     "www.example.net. is not below any name of DNS_ZONES_ALLOW"),
    ("DNS_TOPIC_ZONES", "file=example.org", ("www.example.net", "A", "192.0.2.1"),
     "www.example.net. is not below any name that DNS_TOPIC_ZONES has for topic file"),
    ("DNS_ZONES", "", (".", "SOA", "ns. host. 1 2 3 4 5"), "DNS_ZONES has to name it"),
])
def test_what_the_fence_of_the_nodes_keeps_out_is_refused(
    run: Commands, setting: str, value: str, words: tuple[str, ...], said: str,
) -> None:
    """By itself, in lines, and in a zone file: else it would be in the log, and in the quarantine of every node."""
    if value:
        run.set(**{setting: value})
    done = run("publish", *words)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert said in done.err
    owner, rdtype, content = words
    stored = line(f"{owner}.|{rdtype}".replace("..|", ".|"), [{"name": owner, "type": rdtype, "content": content}])
    done = run("publish", "--json", "-", stdin=stored)
    assert done.code == 1
    assert said in done.err
    assert not run.log.exists()
    run.ok("publish", *words[:2], "--delete")
    run.log.unlink()
    if value:
        zone = run.folder / "zone"
        zone.write_text("@ 300 SOA ns.example.net. host 1 2 3 4 5\n@ 300 NS ns.example.net.\n")
        done = run("import", str(zone), "--origin", "example.net")
        assert done.code == 1
        assert setting in done.err
        assert not run.log.exists()


def test_the_fence_of_a_topic_is_that_of_the_events_for_it(run: Commands) -> None:
    settings = load({"DNS_SOURCE": "kafka", "DNS_KAFKA_ADDRESS": "127.0.0.1:9", "DNS_KAFKA_TOPICS": "one two",
                     "DNS_TOPIC_ZONES": "one=example.org"})
    records = a_record("www.example.net.")
    with pytest.raises(ValueError, match="DNS_TOPIC_ZONES has for topic one"):
        Acceptance(settings, "one").encode("www.example.net.", "A", records)
    assert Acceptance(settings, "two").encode("www.example.net.", "A", records)[0] == b"www.example.net.|A"


def test_the_key_chooses_among_partitions(run: Commands) -> None:
    run.log.mkdir()
    for number in range(4):
        (run.log / f"{number}.jsonl").touch()
    outs = [run.ok("publish", f"w{number}.example.org", "A", "192.0.2.1").out for number in range(20)]
    again = [run.ok("publish", f"w{number}.example.org", "A", "192.0.2.2").out for number in range(20)]
    partitions = [out.split("partition ")[1].split(",")[0] for out in outs]
    assert len(set(partitions)) > 1
    assert partitions == [out.split("partition ")[1].split(",")[0] for out in again]


def test_many_from_a_file_or_standard_input(run: Commands) -> None:
    lines = b"".join([
        line("a.example.org.|A", a_record("a.example.org."), timestamp=7),
        b"\n",
        line("b.example.org.|A", None),
        line("c.example.org.|A", json.dumps(a_record("c.example.org."))),
    ])
    before_ms = time.time_ns() // 1_000_000
    file = run.folder / "events.jsonl"
    file.write_bytes(lines)
    for arguments in (("publish", "--json", str(file)), ("publish", "--json", "-")):
        assert run.ok(*arguments, stdin=lines).out == "3 events published\n"
    first, text, tombstone = run.events()[:3]
    assert (first["timestamp"], tombstone["value"]) == (7, None)
    assert min(tombstone["timestamp"], text["timestamp"]) >= before_ms
    assert text["value"] == a_record("c.example.org.")
    assert len(run.events()) == 6


BAD = [
    line("bad.example.org.|A", a_record("bad.example.org.", "1.2.3")),
    b"not json\n",
    line(None, a_record("a.example.org.")),
    line("bad.example.org.|A", a_record("other.example.org.")),
    b'{"key": "bad.example.org.|A"}\n',
    b"\xff\xfe\n",
    b'{"key": "bad.example.org.|TXT", "value": "' + b"x" * (9 << 20) + b'"}\n',
]


def test_a_bad_line_stops_everything(run: Commands) -> None:
    good = [line(f"w{number}.example.org.|A", a_record(f"w{number}.example.org.")) for number in range(3)]
    for bad in BAD:
        done = run("publish", "--json", "-", stdin=good[0] + good[1] + bad + good[2])
        assert done.code == 1
        assert "standard input line 3: " in done.err
        assert "nothing was published: 1 bad line" in done.err
        assert not run.log.exists()


def test_bad_lines_can_be_left_out(run: Commands) -> None:
    good = [line(f"w{number}.example.org.|A", a_record(f"w{number}.example.org.")) for number in range(len(BAD))]
    stdin = b"".join(each for pair in zip(good, BAD, strict=True) for each in pair)
    done = run.ok("publish", "--json", "-", "--skip-bad", stdin=stdin)
    assert done.out == f"{len(good)} events published, {len(BAD)} bad lines left out\n"
    assert [int(text.split("line ")[1].split(":")[0]) for text in done.err.splitlines()] == list(range(2, 15, 2))
    for written in run.events():
        event.decode(written["key"].encode(), json.dumps(written["value"]).encode(), default_ttl=1)


def test_more_events_than_one_chunk_keep_their_order(run: Commands) -> None:
    count = 2 * CHUNK_EVENTS + 1
    stdin = b"".join(line(f"w{number}.example.org.|A", a_record(f"w{number}.example.org.")) for number in range(count))
    assert run.ok("publish", "--json", "-", stdin=stdin).out == f"{count} events published\n"
    assert [each["key"] for each in run.events()] == [f"w{number}.example.org.|A" for number in range(count)]


def test_events_are_written_in_an_order_that_readers_can_bear(run: Commands) -> None:
    """Sets, what points elsewhere, deletes, SOAs; and the events of one RRset in their own order."""

    def record(owner: str, rdtype: str, content: str) -> bytes:
        return line(f"{owner}|{rdtype}", [{"name": owner, "type": rdtype, "content": content}])

    soa = "a. b. 1 2 3 4 5"
    stdin = b"".join([
        record("z.", "SOA", soa), line("a.z.|A", None), record("a.z.", "CNAME", "b.z."),
        record("b.z.", "A", "192.0.2.1"), record("c.z.", "A", "192.0.2.1"), line("c.z.|A", []),
        record("C.z.", "A", "192.0.2.2"), line("d.z.|CNAME", None), record("d.z.", "A", "192.0.2.1"),
        record("y.", "SOA", soa), line("y.|SOA", None),
    ])
    run.ok("publish", "--json", "-", stdin=stdin)
    assert [("" if each["value"] else "-") + each["key"] for each in run.events()] == [
        "b.z.|A", "d.z.|A", "a.z.|CNAME", "-a.z.|A", "c.z.|A", "-c.z.|A", "C.z.|A", "-d.z.|CNAME", "z.|SOA", "y.|SOA",
        "-y.|SOA",
    ]


def test_a_log_that_is_published_into_itself_comes_to_an_end(run: Commands) -> None:
    stdin = b"".join(line(f"w{number}.example.org.|A", None) for number in range(CHUNK_EVENTS + 1))
    run.ok("publish", "--json", "-", stdin=stdin)
    assert run.ok("publish", "--json", str(run.log)).out == f"{CHUNK_EVENTS + 1} events published\n"
    assert len(run.events()) == 2 * (CHUNK_EVENTS + 1)


def test_a_pipe_is_a_file_too(run: Commands) -> None:
    reading, writing = os.pipe()
    os.write(writing, line("a.example.org.|A", None) + b"not json\n")
    os.close(writing)
    assert run("publish", "--json", f"/dev/fd/{reading}").code == 1
    os.close(reading)
    reading, writing = os.pipe()
    os.write(writing, line("a.example.org.|A", None))
    os.close(writing)
    assert run.ok("publish", "--json", f"/dev/fd/{reading}").out == "1 event published\n"
    os.close(reading)


def test_a_file_that_cannot_be_read_is_one_sentence(run: Commands) -> None:
    done = run("publish", "--json", str(run.folder / "none.jsonl"))
    assert done.code == 1
    assert "cannot be read: no such file" in done.err
    assert done.err.count("\n") == 1


def test_a_log_that_cannot_be_written_is_one_sentence(run: Commands) -> None:
    (run.folder / "file").touch()
    run.set(DNS_FILE_LOG=run.folder / "file" / "log.jsonl")
    done = run("publish", "www.example.org", "A", "192.0.2.1")
    assert done.code == 1
    assert "cannot append" in done.err
    assert done.err.count("\n") == 1


def test_quotes_of_a_word_processor_are_kept_and_said(run: Commands) -> None:
    """They are octets as others, so text is served with them: seldom what somebody meant."""
    file = run.folder / "zone"
    file.write_text("$ORIGIN example.org.\n@ 60 IN SOA ns1 hostmaster 1 2 3 4 5\n"
                    "caa CAA 0 issuewild \u201cca.example\u201d\na A 226.128.156.1\n", encoding="utf-8")
    said = "caa.example.org. CAA has typographic quotes, which are served as they are: only \" quotes\n"
    err = run.ok("import", str(file), "--origin", "example.org").err
    assert err.endswith(said)
    assert "a.example.org. A" not in err, "the octets of an address"
    exported = run.folder / "exported"
    run.apply()
    exported.write_text(run.ok("export", "example.org").out)
    assert '"\\226\\128\\156ca.example\\226\\128\\157"' in exported.read_text()
    assert said in run.ok("publish", "caa.example.org", "CAA", "0 issue \u201cca.example\u201d").err
    assert "typographic" not in run.ok("publish", "caa.example.org", "CAA", '0 issue "ca.example"').err
