"""`streamdns import` and `streamdns export`: what changes, what stays, and that every type survives the way through."""

from __future__ import annotations

import os
import pathlib
import pty
import shutil
import subprocess
import sys

import dns.rdataclass
import dns.rdatatype
import dns.zone
import pytest

from streamdns.dns import name, rdata
from streamdns.view.writer import LocalRRset
from tests.harness import ROOT
from tests.unit.commands.test_cli import Commands
from tests.unit.dns.test_rdata import EXAMPLES

HEAD = """\
$TTL 300
@    SOA ns1 host 1 7200 3600 1209600 300
@    NS  ns1
ns1  A   192.0.2.1
"""
#: Two hashes, for NSEC3 stands at no other owner.
HASHES = ("2t7b4g4vsa5smi47k61mv5bv1a22bojr", "35mthgpgcu1qg68fab165klnsnk3dpvl")
CHECKZONE = shutil.which("named-checkzone")


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(tmp_path, monkeypatch)


def bring(run: Commands, text: str, *options: str, origin: str = "example.org") -> str:
    """Import a zone file of this text; what was said."""
    file = run.folder / "zone"
    file.write_text(text)
    return run.ok("import", str(file), "--origin", origin, *options).out


def records(text: str, origin: str = "example.org.") -> set[tuple[str, str, int, bytes]]:
    """The records of a zone file as dnspython reads them."""
    zone = dns.zone.from_text(text, origin, relativize=False, check_origin=False)
    return {
        (str(owner), dns.rdatatype.to_text(each.rdtype), ttl, each.to_wire())
        for owner, ttl, each in zone.iterate_rdatas()
    }


def check_zone(run: Commands, text: str, zone: str = "example.org") -> None:
    """named-checkzone accepts it."""
    if CHECKZONE is None:
        pytest.skip("named-checkzone is not installed")
    file = run.folder / "exported"
    file.write_text(text)
    done = subprocess.run([CHECKZONE, zone, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("served", [False, True])
def test_only_what_changes_is_written(run: Commands, served: bool) -> None:
    """The same with a view, with a view that is behind, and with none."""
    assert bring(run, HEAD + "a TXT x\nb TXT x\n") == "example.org.: 5 added, 0 changed, 0 deleted, 0 unchanged\n"
    if served:
        run.apply()
    assert bring(run, HEAD + "a TXT x\nb TXT x\n").endswith("0 added, 0 changed, 0 deleted, 5 unchanged\n")
    count = len(run.events())
    assert count == 5
    said = bring(run, HEAD + "a TXT y\nb 5 TXT x\nc TXT x\n", "--dry-run")
    assert said.splitlines() == [
        "+ c.example.org. TXT", "~ a.example.org. TXT", "~ b.example.org. TXT",
        "example.org.: 1 added, 2 changed, 0 deleted, 3 unchanged (dry run)",
    ]
    assert len(run.events()) == count
    bring(run, HEAD + "a TXT y\nb 5 TXT x\nc TXT x\n")
    assert bring(run, HEAD + "a TXT y\nb 5 TXT x\nc TXT x\n").endswith("0 changed, 0 deleted, 6 unchanged\n")
    assert [each["key"].split(".")[0] for each in run.events()[count:]] == ["c", "a", "b"]


@pytest.mark.parametrize("served", [False, True])
def test_replace_deletes_what_is_not_in_the_file_and_nothing_of_others(run: Commands, served: bool) -> None:
    bring(run, HEAD + 'a TXT x\na CNAME b\nchild NS ns.child\nns.child A 192.0.2.5\nother NS ns1\n')
    child = "$TTL 5\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.5\nwww A 192.0.2.6\n"
    bring(run, child, origin="child.example.org")
    run.ok("publish", "child.example.org", "DS", "1 13 2 " + "ab" * 32)
    run.ok("publish", "example.com", "A", "192.0.2.1")
    run.ok("publish", "xexample.org", "A", "192.0.2.1")
    if served:
        run.apply()
    run.ok("publish", "late.example.org", "A", "192.0.2.1")
    run.ok("publish", "gone.example.org", "A", "192.0.2.1")
    run.ok("publish", "gone.example.org", "A", "--delete")
    said = bring(run, HEAD + "child NS ns.child\n", "--replace", "--dry-run").splitlines()
    assert set(said[:-1]) == {
        "- a.example.org. TXT", "- a.example.org. CNAME", "- other.example.org. NS", "- late.example.org. A",
        "- child.example.org. DS",
    }
    assert "0 deleted" in bring(run, child, "--replace", "--dry-run", origin="child.example.org"), "DS is the parent's"
    bring(run, HEAD + "child NS ns.child\n", "--replace")
    said_again = bring(run, HEAD + "child NS ns.child\n", "--replace")
    assert said_again.endswith("0 added, 0 changed, 0 deleted, 4 unchanged\n")
    assert [each["value"] for each in run.events()[-5:]] == [None] * 5


def test_replace_needs_a_soa(run: Commands) -> None:
    file = run.folder / "zone"
    file.write_text("a 5 TXT x\n")
    done = run("import", str(file), "--origin", "example.org", "--replace")
    assert done.code == 1
    assert "has no SOA at example.org." in done.err
    assert "no SOA" in run.ok("import", str(file), "--origin", "example.org").err


def test_the_soa_goes_last(run: Commands) -> None:
    bring(run, HEAD.replace("@    SOA", "a TXT x\n@    SOA"))
    assert run.events()[-1]["key"] == "example.org.|SOA"
    bring(run, HEAD.replace("host 1", "host 2") + "a TXT y\n")
    assert run.events()[-1]["key"] == "example.org.|SOA"


def keys(run: Commands, begin: int = 0) -> list[str]:
    """The keys of the log from an event on, without the zone; deletes with a minus."""
    return [
        ("" if each["value"] else "-") + each["key"].replace(".example.org.", "") for each in run.events()[begin:]
    ]


def test_sets_come_before_deletes_and_targets_before_aliases(run: Commands) -> None:
    """Whoever asks in between sees the old or the new RRset of every name that is in both."""
    bring(run, HEAD + "a CNAME via\nvia CNAME to\nto A 192.0.2.1\nb A 192.0.2.2\ngone A 192.0.2.3\n")
    begin = len(run.events())
    new = HEAD.replace("host 1", "host 2") + "a A 192.0.2.4\nb CNAME w\nw CNAME t\nt A 192.0.2.5\n*.x TXT x\nm MX 1 t\n"
    bring(run, new, "--replace")
    written = keys(run, begin)
    assert written[:8] == ["*.x|TXT", "a|A", "t|A", "m|MX", "w|CNAME", "b|CNAME", "-a|CNAME", "-via|CNAME"]
    assert sorted(written[8:11]) == ["-b|A", "-gone|A", "-to|A"]
    assert written[11:] == ["example.org.|SOA"]
    stamps = [each["timestamp"] for each in run.events()[begin:]]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) == 7, "one for each phase: between partitions readers go by that"


def test_a_new_zone_within_another_is_one_before_its_names_are_referred(run: Commands) -> None:
    bring(run, HEAD + "www.sub A 192.0.2.1\n")
    begin = len(run.events())
    bring(run, HEAD + "www A 192.0.2.1\n", origin="sub.example.org")
    assert keys(run, begin) == ["ns1.sub|A", "sub|SOA", "sub|NS"]


@pytest.mark.parametrize("served", [False, True])
def test_what_belongs_to_a_zone_below_is_left_alone(run: Commands, served: bool) -> None:
    """The NS and glue at a cut have two owners and one key in the log: the child's word counts."""
    parent = HEAD + "sub 86400 NS ns1.sub\nsub 86400 NS ns.old.example.\nns1.sub 86400 A 192.0.2.53\nsub DS 1 13 2 "
    parent += "ab" * 32
    child = "$TTL 300\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\n@ NS ns2\nns1 A 192.0.2.54\nns2 A 192.0.2.55\n"
    bring(run, parent + "\n")
    bring(run, child, origin="sub.example.org")
    if served:
        run.apply()
    for options in ((), ("--replace",)):
        file = run.folder / "zone"
        file.write_text(parent + "\n")
        done = run.ok("import", str(file), "--origin", "example.org", *options)
        assert done.out == "example.org.: 0 added, 0 changed, 0 deleted, 4 unchanged, 2 left alone\n"
        assert "sub.example.org. is a zone of its own: " in done.err
        assert "sub.example.org. NS, ns1.sub.example.org. A" in done.err
    said = bring(run, HEAD, "--replace", "--dry-run")
    assert said == "- sub.example.org. DS\nexample.org.: 0 added, 0 changed, 1 deleted, 3 unchanged (dry run)\n"
    assert ": 0 added, 0 changed, 0 deleted, 4 unchanged" in bring(run, child, "--replace", origin="sub.example.org")


def test_a_listed_zone_below_is_one_without_its_soa(run: Commands) -> None:
    bring(run, HEAD + "sub NS ns.sub\nns.sub A 192.0.2.9\n")
    run.set(DNS_ZONES="example.org sub.example.org")
    assert ", 0 deleted, " in bring(run, HEAD, "--replace", "--dry-run")


def test_bad_records_can_be_left_out(run: Commands) -> None:
    """Each is named; nothing is deleted in their place."""
    bring(run, HEAD + "a TXT x\nb A 192.0.2.1\nc TXT x\n")
    file = run.folder / "zone"
    file.write_text(HEAD + "d A 192.0.2.4\nb A 192.0.2\nc FROB x\n")
    done = run("import", str(file), "--origin", "example.org", "--replace")
    assert (done.code, done.out) == (1, "")
    assert [line.partition("zone:")[2].partition(":")[0] for line in done.err.splitlines()] == ["6", "7", ""]
    assert done.err.endswith("nothing was imported: 2 bad records (see --skip-bad)\n")
    done = run.ok("import", str(file), "--origin", "example.org", "--replace", "--skip-bad")
    assert done.out == "example.org.: 1 added, 0 changed, 1 deleted, 3 unchanged, 2 bad records left out\n"
    assert "that a bad record may have been meant for: b.example.org. A, c.example.org. TXT" in done.err
    assert run.events()[-1]["key"] == "a.example.org.|TXT"
    file.write_text(HEAD + "..x A 192.0.2.4\n")
    done = run.ok("import", str(file), "--origin", "example.org", "--replace", "--skip-bad")
    assert " 0 deleted, " in done.out, "whose record it was is not known"


def test_what_is_served_otherwise_than_elsewhere_is_said(run: Commands) -> None:
    file = run.folder / "zone"
    signature = "c RRSIG CNAME 13 3 5 20300101000000 20200101000000 1 @ AAAA\n"
    file.write_text(HEAD + "a CNAME b\na TXT x\nc CNAME d\n\u00e9 A 192.0.2.1\n" + signature)
    err = run.ok("import", str(file), "--origin", "example.org").err
    assert "a CNAME hides the other types of its name" in err
    assert "a.example.org. TXT\n" in err
    assert "the zone is signed" in err
    assert "1 names have octets beyond ASCII, the first is \\195\\169.example.org." in err


def test_a_mistake_in_the_file_imports_nothing(run: Commands) -> None:
    file = run.folder / "zone"
    for bad, said in (
        ("b CNAME x\nb CNAME y\n", "zone:6: b.example.org. CNAME: 2 CNAME records where only one may be"),
        ("b.example.net. A 192.0.2.1\n", "zone:6: b.example.net. is not in the zone"),
    ):
        file.write_text(HEAD + "a TXT x\n" + bad)
        done = run("import", str(file), "--origin", "example.org")
        assert done.code == 1
        assert said in done.err
        assert done.err.count("\n") == 1
        assert not run.log.exists()
    assert run("import", str(file), "--origin", "exa..mple").code == 1


def test_an_rrset_whose_newest_event_was_rejected_is_written_again(run: Commands) -> None:
    bring(run, HEAD)
    run.apply()
    with run.log.open("a") as log:
        log.write('{"key": "ns1.example.org.|A", "value": "[broken", "timestamp": 1}\n')
    assert bring(run, HEAD, "--dry-run").startswith("~ ns1.example.org. A\n"), "the view is behind"
    run.apply()
    assert "rejected" in run.ok("lookup", "ns1.example.org").out
    assert "1 changed" in bring(run, HEAD)
    run.apply()
    assert "rejected" not in run.ok("lookup", "ns1.example.org").out
    assert run.ok("quarantine", "--json").json == []


def test_a_view_of_another_log_does_not_count(run: Commands) -> None:
    bring(run, HEAD)
    run.apply()
    run.log.unlink()
    assert "3 added" in bring(run, HEAD)


def test_candidates_of_several_partitions(run: Commands) -> None:
    """The newest timestamp stands, also where a newer delete hides what another partition still has."""
    run.log.mkdir()
    name_ = "www.example.org."
    value = f'[{{"name": "{name_}", "type": "A", "content": "192.0.2.1", "ttl": 300}}]'
    (run.log / "0.jsonl").write_text(f'{{"key": "{name_}|A", "value": {value}, "timestamp": 5}}\n')
    (run.log / "1.jsonl").write_text(f'{{"key": "{name_}|A", "value": null, "timestamp": 9}}\n')
    for step in ("without a view", "with one"):
        assert bring(run, "www 300 A 192.0.2.1\n", "--dry-run").startswith("+ www"), step
        run.apply()
    (run.log / "1.jsonl").write_text("")
    assert "1 unchanged" in bring(run, "www 300 A 192.0.2.1\n", "--dry-run")


def test_records_of_this_instance_are_not_the_log_s(run: Commands) -> None:
    bring(run, HEAD)
    owner = name.from_text("ns1.example.org.")
    run.apply(local=(LocalRRset(owner, 1, 5, (bytes((192, 0, 2, 9)),)),))
    assert "3 unchanged" in bring(run, HEAD)
    exported = run.ok("export", "example.org").out
    assert "\n; local: ns1.example.org. 5 IN A 192.0.2.9\n" in exported
    assert "\nns1.example.org. 300 IN A 192.0.2.1\n" in exported
    assert "0 added, 0 changed, 0 deleted, 3 unchanged" in bring(run, exported, "--replace")
    older = exported.replace("300 IN A 192.0.2.1", "5 IN A 192.0.2.9 ; local").replace("; local: ", ";")
    assert "0 added, 0 changed, 0 deleted, 2 unchanged" in bring(run, older, "--dry-run")
    check_zone(run, exported)


def zone_of_every_type() -> str:
    """One owner for each example of each type, as named-checkzone wants them."""
    lines = [HEAD]
    hashes = iter(HASHES)
    for mnemonic, texts in EXAMPLES.items():
        if mnemonic == "SOA":
            continue
        for number, text in enumerate(texts):
            # BIND wants at least one type in NSEC; the wire form without any is tested elsewhere.
            shown = "host.example.com. A" if text == "host.example.com." else text
            owner = next(hashes) if mnemonic == "NSEC3" else f"{mnemonic}-{number}"
            lines.append(f"{owner} {mnemonic} {shown or chr(92) + '# 0'}\n")
    lines += ["TYPE-65280 TYPE65280 \\# 4 01020304\n", 'long TXT "' + "y" * 255 + '" "' + "\\001" * 255 + '"\n']
    odd = (
        "*", "*.w", "a\\.b", "\\000\\001", "with\\ space", "\\@", "\\$x", "\\;\\(\\)\\\"", "UPPER", "\\195\\169",
        "x" * 63,
    )
    lines += [f'{owner} TXT "odd"\n' for owner in odd]
    return "".join(lines)


def test_every_type_survives_import_view_and_export(run: Commands) -> None:
    text = zone_of_every_type()
    bring(run, text)
    run.apply()
    assert run.ok("quarantine", "--json").json == []
    exported = run.ok("export", "example.org").out
    assert exported.isascii()
    assert [line.split()[3] for line in exported.splitlines()[2:4]] == ["SOA", "NS"]
    assert records(exported) == {(owner.lower(), *rest) for owner, *rest in records(text)}
    assert len(records(exported)) > 120
    assert ", 0 deleted, " in bring(run, exported, "--replace")
    assert bring(run, exported, "--replace").startswith("example.org.: 0 added, 0 changed, 0 deleted, ")
    assert {rdata.type_from_text(each["key"].rpartition("|")[2]) for each in run.events()} >= {
        rdata.type_from_text(mnemonic) for mnemonic in EXAMPLES
    }
    check_zone(run, exported)


def test_export_leaves_out_what_is_not_the_zone_s(run: Commands) -> None:
    cuts = "child NS ns.child\nns.child A 192.0.2.5\nlab NS ns.lab\nns.lab A 192.0.2.7\n"
    bring(run, HEAD + "a CNAME b\na TXT x\n" + cuts)
    child = "$TTL 5\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.5\nwww A 192.0.2.6\n"
    bring(run, child, origin="child.example.org")
    run.ok("publish", "child.example.org", "DS", "1 13 2 " + "ab" * 32, "--ttl", "5")
    run.ok("publish", "example.org", "CNAME", "www.example.org")
    run.apply()
    parent = run.ok("export", "Example.ORG.").out
    assert "; shadowed: a.example.org. 300 IN TXT \"x\"\n" in parent
    assert "; shadowed: example.org. 3600 IN CNAME www.example.org.\n" in parent
    assert "a.example.org. 300 IN CNAME b.example.org.\n" in parent
    assert "child.example.org. 5 IN NS " in parent
    assert "child.example.org. 5 IN DS " in parent
    assert "www.child" not in parent
    assert "ns.lab.example.org. 300 IN A 192.0.2.7\n" in parent
    assert "\nns.child.example.org. 5 IN A 192.0.2.5\n" in parent, "the delegation needs it, whose ever it is"
    assert ": 0 added, 0 changed, 0 deleted, " in bring(run, parent, "--replace")
    child = run.ok("export", "child.example.org").out
    assert "; of the zone above: child.example.org. 5 IN DS " in child
    assert "www.child.example.org. 5 IN A 192.0.2.6\n" in child
    check_zone(run, parent)
    check_zone(run, child, "child.example.org")
    listed = run.ok("export", "example.org", "--json").json
    assert listed[0]["type"] == "SOA"
    assert {each["type"] for each in listed if each["shadowed"]} == {"TXT", "CNAME"}


SIGNED = (
    "www CNAME web.example.net.\nwww RRSIG CNAME 13 3 300 20300101000000 20200101000000 1 @ AAAA\n"
    "www NSEC x CNAME RRSIG NSEC\nwww TXT hidden\n"
)


def shadowed(run: Commands, owner: str) -> dict[str, bool]:
    """By type, whether lookup says that an RRset is not answered."""
    return {each["type"]: each["shadowed"] for each in run.ok("lookup", owner, "--json").json["rrsets"]}


def test_an_export_loses_nothing(run: Commands) -> None:
    """What is not answered comes back with the import, what is answered is no comment, a local record stays here."""
    bring(run, HEAD + SIGNED + "over CNAME ns1\nover TXT x\n")
    run.ok("publish", "example.org", "CNAME", "ns1.example.org", "--ttl", "300")
    run.apply(local=(LocalRRset(name.from_text("over.example.org."), 1, 5, (bytes((192, 0, 2, 9)),)),))
    for apex in ("shadow", "flatten"):
        run.set(DNS_APEX_CNAME=apex)
        exported = run.ok("export", "example.org").out
        kept = [line for line in exported.splitlines()[1:] if line.startswith(";")]
        assert kept == [
            f"; {'flattened' if apex == 'flatten' else 'shadowed'}: example.org. 300 IN CNAME ns1.example.org.",
            '; shadowed: over.example.org. 300 IN TXT "x"', "; local: over.example.org. 5 IN A 192.0.2.9",
            '; shadowed: www.example.org. 300 IN TXT "hidden"',
        ]
        assert "\nover.example.org. 300 IN CNAME ns1.example.org.\n" in exported
        assert "\nwww.example.org. 300 IN RRSIG CNAME " in exported
        check_zone(run, exported)
        assert bring(run, exported, "--replace").endswith("0 added, 0 changed, 0 deleted, 10 unchanged\n")
        assert shadowed(run, "www.example.org") == {"CNAME": False, "RRSIG": False, "NSEC": False, "TXT": True}
        assert shadowed(run, "example.org") == {"NS": False, "SOA": False, "CNAME": apex == "shadow"}
        assert shadowed(run, "over.example.org") == {"A": False, "TXT": False, "CNAME": True}
    listed = {(each["name"], each["detail"]) for each in run.ok("conflicts", "--json").json}
    assert listed == {
        ("www.example.org.", "a CNAME shadows the other types"),
        ("over.example.org.", "records of this instance's own hide the CNAME of the log"),
        ("example.org.", "a CNAME at a zone apex, which is not served, or flattened to addresses (DNS_APEX_CNAME)"),
    }
    bring(run, HEAD + SIGNED.replace("www TXT hidden\n", ""), "--replace")
    run.apply(local=())
    assert run.ok("conflicts", "--json").json == [], "DNSSEC records beside a CNAME are as they should be"


def test_export_of_what_is_no_zone_is_one_sentence(run: Commands) -> None:
    done = run("export", "example.org")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "there is no view" in done.err
    bring(run, HEAD)
    run.apply()
    sentences = {"ns1.example.org": "in the zone example.org.", "net": "net. is not a zone", "a..b": "empty"}
    for zone, said in sentences.items():
        done = run("export", zone)
        assert (done.code, done.out) == (1, "")
        assert said in done.err


def test_a_zone_is_deleted_with_all_that_is_its_own(run: Commands) -> None:
    """SOA first, so that names are refused and not denied; the delegation and zones below it stay."""
    bring(run, HEAD + "sub NS ns.sub\nns.sub A 192.0.2.9\n")
    bring(run, "$TTL 5\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.9\nwww A 192.0.2.6\n", origin="sub.example.org")
    bring(run, "$TTL 5\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.9\n", origin="low.sub.example.org")
    run.ok("publish", "sub.example.org", "DS", "1 13 2 " + "ab" * 32)
    begin = len(run.events())
    done = run("delete-zone", "sub.example.org")
    assert (done.code, "--yes" in done.err) == (1, True)
    done = run.ok("delete-zone", "Sub.Example.org", "--dry-run")
    assert set(done.out.splitlines()) == {
        "- sub.example.org. SOA", "- ns.sub.example.org. A", "- www.sub.example.org. A",
        "sub.example.org.: 3 RRsets would be deleted",
    }
    assert "NS and DS of sub.example.org. stay: they are the delegation in example.org." in done.err
    assert "zones below it stay: low.sub.example.org." in done.err
    assert len(run.events()) == begin
    run.ok("delete-zone", "sub.example.org", "--yes")
    assert keys(run, begin)[0] == "-sub|SOA"
    assert sorted(keys(run, begin)) == ["-ns.sub|A", "-sub|SOA", "-www.sub|A"]
    assert run("delete-zone", "sub.example.org", "--yes").code == 1
    run.ok("delete-zone", "low.sub.example.org", "--yes", "--with-delegation")
    assert keys(run, begin)[-1] != "-low.sub|SOA"
    assert {"-low.sub|SOA", "-low.sub|NS"} < set(keys(run, begin))
    run.ok("delete-zone", "example.org", "--yes")
    run.apply()
    assert run.ok("digest", "--json").json["rrsets"] == 0


def test_a_zone_is_deleted_when_somebody_at_a_terminal_says_yes(run: Commands) -> None:
    bring(run, HEAD)
    begin = len(run.events())
    for answer, deleted in (("no", 0), ("y", 3)):
        main, terminal = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "streamdns", "delete-zone", "example.org"], stdin=terminal, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=ROOT,
        ) as process:
            os.write(main, f"{answer}\n".encode())
            out, _ = process.communicate(timeout=60)
        os.close(main)
        os.close(terminal)
        assert b"delete them? [y/N]" in out
        assert process.returncode == (0 if deleted else 1)
        assert len(run.events()) == begin + deleted
