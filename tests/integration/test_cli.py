"""The command line beside a running server, and as a process of its own."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from streamdns.dns import rdata
from tests.harness import ROOT, Server
from tests.harness.process import wait_until
from tests.unit.dns.test_rdata import EXAMPLES

HEAD = "$TTL 300\n@ SOA ns1 host 1 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n"


def imported(server: Server, text: str, *options: str) -> str:
    """Import a zone file of example.org; what was said."""
    file = server.folder / "zone"
    file.write_text(text)
    return done(server, "import", str(file), "--origin", "example.org", *options)


def done(server: Server, *arguments: str, stdin: str = "", code: int = 0) -> str:
    """Standard output of a command that must end with `code` and without a traceback."""
    result = server.command(*arguments, stdin=stdin)
    assert result.returncode == code, result
    assert "Traceback" not in result.stderr, result.stderr
    return result.stdout


def test_publish_changes_the_answer_and_lookup_says_why(server: Server) -> None:
    imported(server, HEAD)
    said = done(server, "publish", "www.example.org", "A", "192.0.2.7", "192.0.2.8", "--producer", "me")
    server.wait_applied()
    assert server.answers("www.example.org") == ["192.0.2.7", "192.0.2.8"]
    position = said.split("position ")[1].strip()
    assert f"from file/0 at {position}, " in done(server, "lookup", "www.example.org", "A")
    assert ", by me\n" in done(server, "lookup", "www.example.org", "A")
    done(server, "publish", "www.example.org", "A", "--delete")
    server.wait_applied()
    assert server.answers("www.example.org") == []
    assert done(server, "lookup", "www.example.org", code=1) == ""


def test_reading_commands_agree_beside_the_server_and_without_it(server: Server) -> None:
    imported(server, HEAD + "a CNAME b\na TXT x\n")
    lines = '{"key": "b.example.org.|A", "value": "[broken"}\n'
    done(server, "publish", "--json", "-", stdin=lines, code=1)
    server.append(lines.encode())
    server.wait_applied()
    commands = ("digest --json", "digest --verify", "export example.org", "lookup a.example.org --json --candidates",
                "quarantine --payload", "conflicts --json")
    beside = [done(server, *command.split()) for command in commands]
    assert json.loads(beside[0])["digest"] == server.status()["digest"]
    assert "b.example.org.|A" in beside[4]
    server.stop()
    assert [done(server, *command.split()) for command in commands] == beside


def test_every_type_goes_through_publish_answer_export_and_import(server: Server) -> None:
    texts = {mnemonic: examples[0] for mnemonic, examples in EXAMPLES.items() if mnemonic != "SOA"}
    texts |= {"TYPE65280": "\\# 3 010203"}
    imported(server, HEAD)
    for mnemonic, text in texts.items():
        server.publish(f"t-{mnemonic}.example.org", mnemonic, [text])
    server.wait_applied()
    for mnemonic, text in texts.items():
        rdtype = rdata.type_from_text(mnemonic)
        reply = server.ask(f"t-{mnemonic}.example.org", mnemonic)
        # Below a cut the NS record is a referral's.
        section = reply.authority if mnemonic == "NS" else reply.answer
        wires = [each.to_wire() for rrset in section for each in rrset if rrset.rdtype == rdtype]
        assert wires == [rdata.from_text(rdtype, text)], mnemonic
    assert done(server, "quarantine") == ""
    exported = done(server, "export", "example.org")
    assert imported(server, exported, "--replace").startswith("example.org.: 0 added, 0 changed, 0 deleted, ")


def test_an_import_is_served_and_imported_again_it_changes_nothing(server: Server) -> None:
    zone = (ROOT / "examples" / "example.org.zone").read_text(encoding="utf-8")
    assert ", 0 changed, 0 deleted, 0 unchanged" in imported(server, zone)
    server.wait_applied()
    assert server.answers("ftp.example.org") == ["192.0.2.7", "www.example.org."]
    assert ": 0 added, 0 changed, 0 deleted, " in imported(server, zone, "--replace")
    smaller = zone.replace("            IN AAAA  2001:db8::7\n", "").replace("192.0.2.7", "192.0.2.9")
    assert ": 0 added, 1 changed, 1 deleted, " in imported(server, smaller, "--replace")
    server.wait_applied()
    assert server.answers("www.example.org", "AAAA") == []
    assert server.answers("www.example.org", "A") == ["192.0.2.9"]


def test_bulk_from_standard_input(server: Server) -> None:
    imported(server, HEAD)
    lines = "".join(
        json.dumps({"key": f"w{number}.example.org.|A", "value": [
            {"name": f"w{number}.example.org.", "type": "A", "content": "192.0.2.1"}
        ]}) + "\n"
        for number in range(2500)
    )
    assert done(server, "publish", "--json", "-", stdin=lines) == "2500 events published\n"
    server.wait_applied()
    assert server.answers("w2499.example.org") == ["192.0.2.1"]


def test_the_second_server_says_who_holds_the_view(server: Server) -> None:
    server.folder.joinpath("settings.env").write_text('DNS_ADDRESS="127.0.0.1:0"\nDNS_ADMIN_ADDRESS=off\n')
    environment = {k: v for k, v in server.environment.items() if k not in ("DNS_ADDRESS", "DNS_ADMIN_ADDRESS")}
    second = subprocess.run(
        [sys.executable, "-m", "streamdns", "run", "--env-file", str(server.folder / "settings.env")],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )
    assert second.returncode == 1
    assert f"pid {server.pid}" in second.stderr.splitlines()[-1]
    assert "Traceback" not in second.stderr
    assert f"(pid {server.pid})" in server.command("check").stderr


def test_a_wrong_configuration_is_exit_78(serve: Callable[..., Server]) -> None:
    server = serve(start=False, DNS_ADDRESS="nowhere", DNS_TCP="perhaps")
    result = server.command("run")
    assert result.returncode == 78
    assert [line.split("=")[0] for line in result.stderr.splitlines()] == [
        "streamdns: DNS_ADDRESS", "streamdns: DNS_TCP"
    ]


def test_a_reader_that_leaves_is_no_error(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    for arguments in (["settings"], ["settings", "--json"]):
        reading, writing = os.pipe()
        os.close(reading)
        process = subprocess.run(
            [sys.executable, "-m", "streamdns", *arguments], env=server.environment, cwd=ROOT, stdout=writing,
            stderr=subprocess.PIPE, timeout=60, check=False,
        )
        os.close(writing)
        assert process.stderr == b""
        assert process.returncode == 1


def test_an_interrupt_says_in_one_sentence_what_was_published(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    with subprocess.Popen(
        [sys.executable, "-m", "streamdns", "publish", "--json", "-"], env=server.environment, cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        call = pathlib.Path(f"/proc/{process.pid}/syscall")
        wait_until(lambda: call.read_text().startswith("0 0x0 "), "it reads standard input")
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"streamdns: interrupted: nothing was published\n"
    assert process.returncode == 130
    assert server.log.read_bytes() == b""


@pytest.mark.parametrize("arguments", [["publish", "a.example.org", "A", "192.0.2.1"], ["settings"], ["version"]])
def test_output_to_a_full_disk_is_one_sentence(serve: Callable[..., Server], arguments: list[str]) -> None:
    server = serve(start=False)
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "streamdns", *arguments], env=server.environment, cwd=ROOT, stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )
    assert process.returncode == 1
    assert "no space left" in process.stderr.lower()
    assert process.stderr.count("\n") == 1, process.stderr
