"""Which node the console asks where none is named: that of this machine, with a token that its settings sign."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from streamdns_console import environment, this_machine
from streamdns_console.model import Link
from streamdns_console.reader import LiveReader

from tests.console.test_live import url, watching
from tests.harness import ROOT, Server
from tests.harness.process import clean_environment
from tests.harness.server import HOST

SECRET = "a secret of more than thirty-two octets"


@pytest.mark.parametrize(
    ("environ", "node", "named", "signs"),
    [
        ({}, "127.0.0.1:8054", False, False),
        ({"DNS_ADMIN_ADDRESS": "off"}, "127.0.0.1:8054", False, False),
        ({"DNS_ADMIN_ADDRESS": "127.0.0.1:9"}, "127.0.0.1:9", False, False),
        ({"DNS_ADMIN_ADDRESS": "ns1:9", "DNS_ADMIN_TLS_CERT": "c"}, "https://ns1:9", False, False),
        ({"STREAMDNS_NODE": "ns2:8054", "DNS_ADMIN_ADDRESS": "ns1:9"}, "ns2:8054", True, False),
        ({"STREAMDNS_NODE": "", "DNS_ADMIN_JWTSECRET": SECRET}, "127.0.0.1:8054", False, True),
        ({"DNS_ADMIN_JWTSECRET_FILE": "f"}, "127.0.0.1:8054", False, True),
        ({"DNS_ADMIN_JWTKEYS": "f"}, "127.0.0.1:8054", False, True),
    ],
)
def test_what_the_environment_says(environ: dict[str, str], node: str, named: bool, signs: bool) -> None:
    """Who names a node means that one; a key for tokens is asked of the server's own command."""
    found = environment.parse(environ)
    assert (found.node, found.named, found.signs) == (node, named, signs)


def console(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command with these settings in its environment and no others."""
    return subprocess.run(
        [sys.executable, "-m", "streamdns_console", *arguments],
        cwd=ROOT, env=clean_environment(env), capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )


def test_the_settings_of_the_server_are_all_that_is_needed(tmp_path: Path) -> None:
    """Address and key stand in its file: nobody is asked for a password; without the file nothing is shown."""
    with Server(tmp_path, DNS_ADMIN_JWTSECRET=SECRET, DNS_INSTANCE_ID="ns7") as running:
        file = tmp_path / "streamdns.conf"
        file.write_text(f"DNS_ADMIN_ADDRESS={HOST}:{running.admin_port}\nDNS_ADMIN_JWTSECRET='{SECRET}'\n")
        done = console("--once", "--interval", "0.3", "--env-file", str(file))
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(" streamdns ns7   ● serving"), done.stdout
        assert "token ends" not in done.stdout
        done = console("--once", "--interval", "0.3", url(running))
        assert done.returncode == 1
        assert "▲ refused" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "content", "sentence"),
    [
        (("--env-file", "{file}"), None, "streamdns.conf"),
        (("--env-file", "{file}"), "DNS_ADMIN_ADDRESS=nowhere\n", "DNS_ADMIN_ADDRESS=nowhere has no port"),
        (("--env-file", "{file}"), "DNS_ADMIN_ADDRESS=off\n", "DNS_ADMIN_ADDRESS is off here"),
        (("--env-file", "{file}", "127.0.0.1:8054"), "", "it goes without URL"),
    ],
    ids=["not there", "wrong", "off", "and a URL"],
)
def test_settings_that_say_nothing_are_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], content: str | None, sentence: str
) -> None:
    """Exit status 2, and why."""
    file = tmp_path / "streamdns.conf"
    if content is not None:
        file.write_text(content)
    done = console("--once", *(each.format(file=file) for each in arguments))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_that_ends_is_signed_anew(tmp_path: Path) -> None:
    """Nobody sees that it did; where none can be signed, it is asked for a name."""
    file = tmp_path / "streamdns.conf"
    file.write_text(f"DNS_ADMIN_JWTSECRET='{SECRET}'\n")
    asked: list[str] = []

    async def renew() -> str:
        asked.append("")
        return await this_machine.fresh_token(str(file))

    async def test(until: Any) -> None:
        shown = await until(lambda shown: shown.node.live, "live with another token")
        assert len(asked) == 1
        assert shown.node.caller.role.name == "ADMIN"
        assert shown.node.caller.expires_s is None
        reader.use_token("a.b.c")
        await until(lambda shown: shown.node.connection.link is Link.SIGNED_OUT, "signed out as somebody else")
        assert len(asked) == 1

    with Server(tmp_path, DNS_ADMIN_JWTSECRET=SECRET) as running:
        reader = LiveReader([url(running)], token="x.y.z", interval_s=0.2, renew=renew)
        asyncio.run(watching(reader, test))


def test_a_file_that_is_gone_gives_no_token(tmp_path: Path) -> None:
    """Then the console asks who one is, as everywhere else."""
    assert asyncio.run(this_machine.fresh_token(str(tmp_path / "nothing"))) == ""
