"""Conventions of the house: one owner for each dangerous thing, small files, clean imports, no leftovers."""

from __future__ import annotations

import ast
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests.harness import ROOT
from tests.meta.source import files, imports, modules, tree, within

PRODUCT = modules("streamdns") | modules("console")
MAX_LINES = 450
#: Work put off, and folders of somebody's machine, which mean nothing on another.
LEFTOVERS = re.compile(r"\b(?:TODO|FIXME|XXX)\b|(?<![\w.~*/-])/(?:root|work|home/\w+)(?![\w-])")


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("streamdns", ("gevent", "lmdb", "bottle", "dnslib", "dns")),
        ("streamdns.settings", ("gevent", "lmdb", "bottle")),
        ("streamdns.dns.answer", ("gevent", "lmdb", "bottle", "logging")),
        ("streamdns.events.event", ("gevent", "lmdb", "bottle", "logging")),
        ("streamdns.cli", ("textual", "pykafka")),
        ("streamdns_console", ("gevent", "lmdb", "streamdns")),
    ],
)
def test_what_an_import_brings(module: str, unwanted: tuple[str, ...]) -> None:
    """Importing one module does not pull in what it has no business with."""
    if importlib.util.find_spec(module.split(".")[0]) is None:
        pytest.skip(f"{module} is not installed here")
    code = (
        "import importlib, sys; sys.dont_write_bytecode = True; before = set(sys.modules);"
        f"importlib.import_module({module!r});"
        f"print(*sorted(m for m in sys.modules.keys() - before if m.split('.')[0] in {set(unwanted)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stdout.strip(), f"import {module} brings {done.stdout.strip()}"


@pytest.mark.parametrize("name", PRODUCT)
def test_only_settings_reads_the_environment(name: str) -> None:
    """os.environ and its relatives appear in settings/settings.py and the console's environment.py alone."""
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    found = [
        node.lineno for node in ast.walk(tree(PRODUCT[name]))
        if (isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os")
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and names & {alias.name for alias in node.names})
    ]
    owners = ("streamdns.settings.settings", "console.environment")
    assert name in owners or not found, f"{name} looks at the environment in lines {found}"


@pytest.mark.parametrize("name", PRODUCT)
def test_only_main_patches(name: str) -> None:
    """gevent.monkey is used by __main__ and by nothing else, other than to get at what was there before."""
    text = PRODUCT[name].read_text(encoding="utf-8").replace("from gevent.monkey import get_original\n", "")
    assert name == "streamdns.__main__" or not ("patch_all(" in text or "gevent.monkey" in text), name


@pytest.mark.parametrize("name", PRODUCT)
def test_only_the_view_knows_lmdb(name: str) -> None:
    """LMDB has one owner."""
    found = {other for other in imports(name, PRODUCT[name]) if within(other, "lmdb")}
    assert within(name, "streamdns.view") or not found, f"{name} imports lmdb"


def test_files_are_short() -> None:
    """A file that wants splitting is split."""
    lengths = {str(path.relative_to(ROOT)): path.read_bytes().count(b"\n") for path in files(".py", ".sh")}
    long = {name: lines for name, lines in lengths.items() if lines > MAX_LINES}
    assert lengths
    assert not long, f"longer than {MAX_LINES} lines: {long}"


def test_no_leftovers() -> None:
    """Nothing is left to be done later, and nothing points at one machine's folders."""
    found = []
    for path in set(files()) - {pathlib.Path(__file__)}:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(lines, 1) if LEFTOVERS.search(line)
        ]
    assert not found, "\n".join(found)


def test_leftovers_would_be_found() -> None:
    """The pattern matches what it is for, and leaves ordinary text alone."""
    for bad in ("# TODO: later", f"see {os.sep}work/x", f"cd {os.sep}root", f"'{os.sep}home/me/bin'"):
        assert LEFTOVERS.search(bad), bad
    for good in ("dns.name.root", "a/root/b", "./work/x", "mastodon", "network/root"):
        assert not LEFTOVERS.search(good), good
