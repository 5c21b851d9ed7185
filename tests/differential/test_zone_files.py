"""Zone files of all kinds: imported, served, exported and imported again, beside BIND, NSD and Knot.

BIND serves the files themselves, streamdns what it imported of them; NSD, Knot and another BIND what it exported.
STREAMDNS_ZONEFILES_SEED makes the files of a run again, STREAMDNS_ZONEFILES=2000 makes so many.
"""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import random
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence

import dns.name
import dns.rdatatype
import pytest

from streamdns import cli
from streamdns.commands.zonefile import read
from streamdns.dns import name, rdata
from streamdns.dns.canonical import canonical
from streamdns.dns.portable import record_line
from tests.differential.outcome import Message, Outcome, outcome_of
from tests.differential.queries import ask_tcp, ask_udp
from tests.differential.zonefiles import ONLY_BIND, STYLES, ZoneFile, make
from tests.harness import Knot, Nsd, Server
from tests.harness.peers import HOST, Bind, find_tool
from tests.unit.dns.test_rdata import EXAMPLES

FILES = int(os.environ.get("STREAMDNS_ZONEFILES", "390"))
SEED = os.environ.get("STREAMDNS_ZONEFILES_SEED", "")
A_BATCH = 300
SHOWN = 6
#: EDNS with room for what is compared; what is larger is asked for over TCP.
_OPT = b"\0\0\x29\x10\0\0\0\0\0\0\0"


@pytest.mark.peers("nsd", "knotd", "named")
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_zone_files_of_all_kinds(
    tmp_path: pathlib.Path, serve: Callable[..., Server], say: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every record arrives; every answer is that of the other servers; nothing changes on the way back."""
    seed = int(SEED) if SEED else random.SystemRandom().randrange(1 << 32)
    say(f"seed {seed}")
    tally: Counter[str] = Counter()
    differences: list[str] = []
    for begin in range(0, FILES, A_BATCH):
        batch = [
            make(random.Random(f"{seed} {number}"), f"z{number}.example.", (*STYLES, *ONLY_BIND)[number % 13])
            for number in range(begin, min(begin + A_BATCH, FILES))
        ]
        _compare(batch, tmp_path / str(begin), serve, monkeypatch, tally, differences)
    summary = f"zone files, seed {seed}: " + ", ".join(f"{count} {what}" for what, count in sorted(tally.items()))
    say(summary)
    assert not differences, "\n".join([summary, f"{len(differences)} differences", *differences[:SHOWN]])
    assert tally["files"] == FILES
    assert tally["answers compared"] > 5 * FILES


#: BIND takes MD and MF in no form, and NSEC with no types; NSEC3 stands at hashes alone.
_NOT_BIND_S = ("MD", "MF", "NSEC", "NSEC3")
_OLD = {
    "MB": ["x.example."], "MG": ["x.example."], "MR": ["x."], "MINFO": ["a. b."], "NXT": ["a.example. A MX NXT"],
    "A6": ["64 ::1 p."], "NULL": ["\\# 2 beef"], "TYPE65280": ["\\# 2 beef"],
}
_YOUNG = {
    "HTTPS": [
        "0 x. alpn=h2", "1 . alpn=h2 key8", "1 . mandatory=alpn,key9 alpn=h2 key9=a key10", '1 . key7="/q{?dns}"',
        '1 . key65000="a\\"\\\\\\000,b"', '1 . alpn="a\\\\\\\\,b,c"',
        "1 . alpn=h2 no-default-alpn port=5 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=::1",
    ],
    "SVCB": ['1 . alpn=co key10="\\001x"', "1 . alpn=h2 key7=/q{?dns}"],
    "NID": ["10 14:4fff:ff20:ee64"], "RRSIG": ["A 13 2 5 21070101000000 20200101000000 1 example. AAAA"],
}


@pytest.mark.peers("nsd", "knotd", "named")
@pytest.mark.timeout(120)
def test_what_is_exported_is_read_by_bind_nsd_and_knot(tmp_path: pathlib.Path) -> None:
    """Each type there is, in the form that export gives it; all three answer with the same octets."""
    texts = [
        (mnemonic, text) for table in (EXAMPLES, _OLD, _YOUNG) for mnemonic, examples in table.items()
        for text in examples if mnemonic not in (*_NOT_BIND_S, "SOA", "CNAME", "DNAME", "NS")
    ]
    head = "$TTL 300\n@ SOA ns1 host 1 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n"
    records = []
    for number, (mnemonic, text) in enumerate(texts):
        rdtype = rdata.type_from_text(mnemonic)
        owner = name.from_text(f"r{number}.example.")
        records.append((owner, rdtype, rdata.from_text(rdtype, text)))
    zone = {"example.": head + "".join([f"{record_line(owner, 300, *rest)}\n" for owner, *rest in records])}
    questions = [owner + rdtype.to_bytes(2, "big") + b"\0\1" for owner, rdtype, _ in records]
    wires = [number.to_bytes(2, "big") + b"\0\0\0\1\0\0\0\0\0\1" + q + _OPT for number, q in enumerate(questions)]
    with (
        Bind(tmp_path / "bind", zone) as bind, Nsd(tmp_path / "nsd", zone) as nsd, Knot(tmp_path / "knot", zone) as knot
    ):
        for who, replies in zip(("BIND", "NSD", "Knot"), ask_udp([bind.port, nsd.port, knot.port], wires), strict=True):
            for (owner, rdtype, wire), reply in zip(records, replies, strict=True):
                answer = Message(reply).sections[0]
                shown = f"{who}: {record_line(owner, 300, rdtype, wire)}"
                assert [(canonical(rdtype, each[3])) for each in answer if each[1] == rdtype] == [
                    canonical(rdtype, wire)
                ], shown


@pytest.mark.peers("named-compilezone")
@pytest.mark.parametrize("form", ["full", "relative"])
def test_what_named_compilezone_makes_of_them_is_read_as_the_files_are(
    tmp_path: pathlib.Path, say: Callable[[str], None], form: str
) -> None:
    seed = int(SEED) if SEED else random.SystemRandom().randrange(1 << 32)
    say(f"seed {seed}")
    for number in range(26):
        file = make(random.Random(f"{seed} {number}"), f"z{number}.example.", (*STYLES, *ONLY_BIND)[number % 13])
        path = _written(tmp_path / "files", file)
        dump = tmp_path / "dump"
        command = [str(find_tool("named-compilezone")), "-q", "-i", "none", "-k", "ignore", "-s", form, "-o", str(dump)]
        done = subprocess.run(
            [*command, file.origin, str(path)], cwd=path.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (done.stdout, file.text)
        assert _misread(file, dump) == []


class _Giving(Bind):
    """BIND that gives its zones to whoever asks for them."""

    def configuration(self) -> str:
        """As others have it but for transfers."""
        return super().configuration().replace("allow-transfer { none; };", "allow-transfer { any; };")


@pytest.mark.peers("named", "dig", "kdig")
def test_what_dig_and_kdig_print_of_a_zone_is_read_as_the_file_is(
    tmp_path: pathlib.Path, say: Callable[[str], None]
) -> None:
    """As it comes from a server that gives the zone away: the way of those who have no access to the file."""
    seed = int(SEED) if SEED else random.SystemRandom().randrange(1 << 32)
    say(f"seed {seed}")
    files = [make(random.Random(f"{seed} {n}"), f"z{n}.example.", STYLES[n % len(STYLES)]) for n in range(22)]
    with _Giving(tmp_path / "bind", {file.origin: file.text for file in files}) as bind:
        for number, file in enumerate(files):
            program, *options = _DUMPS[number % len(_DUMPS)]
            command = [program, f"@{HOST}", "-p", str(bind.port), file.origin, "AXFR", *options]
            done = subprocess.run(command, capture_output=True, check=False, timeout=20)
            dump = tmp_path / "dump"
            dump.write_bytes(done.stdout)
            assert _misread(file, dump) == [], (command, done.stdout.decode())


_DUMPS = (
    ("dig",), ("dig", "+multiline"), ("dig", "+ttlunits"), ("dig", "+unknownformat"), ("dig", "+noall", "+answer"),
    ("dig", "+split=4"), ("kdig", "+noidn"), ("kdig", "+noidn", "+multiline"), ("kdig", "+noidn", "+generic"),
)


@pytest.mark.peers("pdns_server", "pdnsutil")
def test_what_pdnsutil_lists_is_read_as_the_file_is(tmp_path: pathlib.Path, say: Callable[[str], None]) -> None:
    """Of records that PowerDNS has: it knows fewer types, and writes owners without their escapes."""
    seed = int(SEED) if SEED else random.SystemRandom().randrange(1 << 32)
    say(f"seed {seed}")
    schema = pathlib.Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
    with contextlib.closing(sqlite3.connect(tmp_path / "database")) as database:
        database.executescript(schema.read_text())
    (tmp_path / "pdns.conf").write_text(f"launch=gsqlite3\ngsqlite3-database={tmp_path / 'database'}\n")
    pdnsutil = [str(find_tool("pdnsutil")), f"--config-dir={tmp_path}"]
    records = 0
    for number in range(12):
        made = make(random.Random(f"{seed} {number}"), f"z{number}.example.", "plain")
        kept = [each for each in made.records if each.rdtype in _OF_POWERDNS and "\\" not in each.owner]
        lines = [f"{each.owner} {each.ttl} IN {each.rdtype} {each.content}\n" for each in kept]
        file = made._replace(text=f"$ORIGIN {made.origin}\n{''.join(lines)}", records=kept, included={})
        path = _written(tmp_path / "files", file)
        loaded = subprocess.run([*pdnsutil, "load-zone", file.origin, str(path)], capture_output=True, check=False)
        assert not loaded.returncode, (loaded, file.text)
        done = subprocess.run([*pdnsutil, "list-zone", file.origin], capture_output=True, check=True)
        dump = tmp_path / "dump"
        dump.write_bytes(done.stdout)
        assert _misread(file, dump) == [], done.stdout.decode()
        records += len(kept)
    say(f"{records} records")


_OF_POWERDNS = frozenset(
    "SOA NS A AAAA CNAME DNAME MX TXT PTR SRV NAPTR CAA SSHFP TLSA SMIMEA OPENPGPKEY URI SPF RP AFSDB KX EUI48 EUI64 "
    "HINFO LOC".split()
)


def _compare(
    batch: Sequence[ZoneFile], folder: pathlib.Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch,
    tally: Counter[str], differences: list[str],
) -> None:
    folder.mkdir()
    server = serve(start=False)
    for file in batch:
        path = _written(folder / "files", file)
        tally["files"] += 1
        tally[f"in the style {file.style}"] += 1
        differences += _misread(file, path)
        log = folder / "log.jsonl"
        said = _command(monkeypatch, server, "import", str(path), "--origin", file.origin, DNS_FILE_LOG=str(log))
        if ", 0 changed, 0 deleted, 0 unchanged" not in said:
            differences.append(f"==== import of {file.origin} ({file.style}): {said}\n{file.text}")
        server.append(log.read_bytes())
        log.unlink()
    server.start()
    server.wait_applied(timeout_s=120)
    assert server.status()["quarantine"] == 0
    exports = {file.origin: _command(monkeypatch, server, "export", file.origin) for file in batch}
    for file in batch:
        (folder / "exported").write_text(exports[file.origin])
        again = _command(
            monkeypatch, server, "import", str(folder / "exported"), "--origin", file.origin, "--replace", "--dry-run"
        )
        if ": 0 added, 0 changed, 0 deleted, " not in again:
            differences.append(f"==== {file.origin} ({file.style}) exported and imported: {again}\n{file.text}")
    originals = {file.origin: file.text for file in batch}
    with (
        Bind(folder / "bind", originals, options="  minimal-responses yes;\n") as bind,
        Nsd(folder / "nsd", exports, options="  minimal-responses: yes") as nsd,
        Knot(folder / "knot", exports) as knot,
        Bind(folder / "again", exports, options="  minimal-responses yes;\n") as again_bind,
    ):
        _ask(batch, [server.port, bind.port, nsd.port, knot.port, again_bind.port], tally, differences)
    server.stop()


def _written(folder: pathlib.Path, file: ZoneFile) -> pathlib.Path:
    """The file and those that it includes in a folder; BIND looks for included ones in its own, `bind`."""
    for where in (folder, folder.parent / "bind"):
        where.mkdir(exist_ok=True)
        for included, text in file.included.items():
            (where / included).write_bytes(text.encode())
    path = folder / file.origin.rstrip(".")
    path.write_bytes(file.text.encode())
    return path


def _command(monkeypatch: pytest.MonkeyPatch, server: Server, *arguments: str, **settings: str) -> str:
    """A command in this process, with the settings of a server; what it printed."""
    out = io.StringIO()
    with monkeypatch.context() as patched:
        for variable in [each for each in os.environ if each.startswith(("DNS_", "LOG_", "STREAMDNS_NODE"))]:
            patched.delenv(variable)
        for variable, text in (server.settings | settings).items():
            patched.setenv(variable, text)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            cli.main(arguments)
    return out.getvalue()


def _misread(file: ZoneFile, path: pathlib.Path) -> list[str]:
    """What the reader makes of a file that is not what was written into it."""
    origin = name.from_text(file.origin).lower()
    wanted: dict[tuple[bytes, int], tuple[int, set[bytes]]] = {}
    for record in file.records:
        owner = origin if record.owner == "@" else name.from_text(f"{record.owner}.{file.origin}").lower()
        rdtype = rdata.type_from_text(record.rdtype)
        ttl, rdatas = wanted.get((owner, rdtype), (record.ttl, set()))
        rdatas.add(canonical(rdtype, rdata.from_text(rdtype, record.content)))
        wanted[owner, rdtype] = min(ttl, record.ttl), rdatas
    try:
        found = read(str(path), origin)
    except Exception as err:  # whatever it is, it is a difference
        return [f"==== {file.origin} ({file.style}) is not read: {err!r}\n{file.text}"]
    got = {key: (rrset.ttl, {canonical(key[1], wire) for wire in rrset.rdatas}) for key, rrset in found.items()}
    wrong = [key for key in wanted.keys() | got.keys() if wanted.get(key) != got.get(key)]
    if not wrong:
        return []
    shown = [(name.to_text(o), rdata.type_to_text(t), wanted.get((o, t)), got.get((o, t))) for o, t in wrong]
    return [f"==== {file.origin} ({file.style}): {shown}\n{file.text}"]


def _questions(file: ZoneFile) -> list[bytes]:
    """Every owner with its types and with A; what is not there; what is below and above."""
    found: dict[bytes, None] = {}
    for record in file.records:
        owner = file.origin if record.owner == "@" else f"{record.owner}.{file.origin}"
        for asked, rdtype in (
            (owner, record.rdtype), (owner, "A"), (f"below.{owner}", "A"), (f"*.{owner}", "TXT"),
        ):
            try:
                wire = dns.name.from_text(asked).to_wire()
            except dns.exception.DNSException:
                continue
            found[wire + int(dns.rdatatype.from_text(rdtype)).to_bytes(2, "big") + b"\0\1"] = None
    found[dns.name.from_text(f"none.{file.origin}").to_wire() + b"\0\1\0\1"] = None
    return list(found)


def _ask(
    batch: Sequence[ZoneFile], ports: Sequence[int], tally: Counter[str], differences: list[str]
) -> None:
    """All questions to all servers; a reply that is cut off is asked for again over TCP."""
    asked = [(file, question) for file in batch for question in _questions(file)]
    wires = [
        (number & 0xFFFF).to_bytes(2, "big") + b"\0\0\0\1\0\0\0\0\0\1" + question + _OPT
        for number, (_, question) in enumerate(asked)
    ]
    replies = ask_udp(ports, wires)
    cut = [number for number in range(len(wires)) if any(reply[number][2] & 2 for reply in replies)]
    for server, port in enumerate(ports):
        for number, whole in zip(cut, ask_tcp(port, [wires[number] for number in cut]), strict=True):
            replies[server][number] = whole
    for number, (file, question) in enumerate(asked):
        ours, *others = [_without_edns(outcome_of(Message(reply[number]))) for reply in replies]
        tally["answers compared"] += 1
        differing = [who for who, other in zip(_SERVERS, others, strict=True) if other != ours]
        if not differing:
            continue
        # BIND must say the same of what was written and of what was exported; one server alone may be of another mind.
        if others[0] == others[3] and len({*differing} - {"BIND of the export"}) == 1:
            tally["on which peers disagree"] += 1
            continue
        shown = dns.name.from_wire(question, 0)[0]
        rdtype = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(int.from_bytes(question[-4:-2], "big")))
        texts = [f"-- {who}: {other}" for who, other in zip(("streamdns", *_SERVERS), [ours, *others], strict=True)]
        asked_for = f"==== {shown} {rdtype} ({file.style}) differs in {differing}"
        differences.append("\n".join([asked_for, *texts, file.text]))


_SERVERS = ("BIND", "NSD", "Knot", "BIND of the export")


def _without_edns(outcome: Outcome) -> Outcome:
    return outcome._replace(edns=None)
