"""What a compiled wheel has is compiled, and does what its sources do: tests of the units, and the conformance set."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import streamdns
from tests.harness import ROOT
from tests.harness.wheels import copied, script, source_of, wheel_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

#: Tests of the modules that are compiled, and of those that call them most; of those with many cases the quick ones.
_UNITS = (
    *(f"tests/unit/dns/test_{name}.py" for name in (
        "answer", "answer_aliases", "answer_counts", "answer_damaged", "answer_edges", "answer_edns",
        "answer_handed_on", "answer_hostile", "answer_policy", "answer_ways", "compression", "cookies", "name", "node",
        "octets", "ready", "reply_kind", "rdata", "response_rates", "served", "wire", "wire_octets",
    )),
    "tests/unit/events",
    "tests/unit/serving",
    "tests/unit/resolver",
    "tests/unit/sources/test_filelog.py",
    *(f"tests/unit/view/test_{name}.py" for name in (
        "alone", "aside", "bad_events", "bounds", "candidates", "claims", "delete_guard", "digest", "lookups", "others",
        "partition_digests", "readers", "transaction", "verify", "zones",
    )),
    "tests/conformance",
)


def typed() -> set[str]:
    """The modules of Python that setup.py has compiled."""
    found: dict[str, set[str]] = {
        ast.unparse(node.targets[0]): set(ast.literal_eval(node.value))
        for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("TYPED")
    }
    return found["TYPED"] | found["TYPED_IN_C"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in a compiled wheel, which was built from a source distribution."""
    lacking: list[str] = script("compiled").missing()
    lacking += [f"no {name}" for name in ("Cython", "mypyc") if importlib.util.find_spec(name) is None]
    if lacking:
        pytest.skip(f"cannot compile here: {' and '.join(lacking)}")
    folder = tmp_path_factory.mktemp("compiled")
    wheel = wheel_of(source_of(copied(folder), folder), folder, compiled=True)
    assert re.fullmatch(rf"streamdns-{re.escape(streamdns.__version__)}-cp3\d+-cp3\d+-linux_\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_modules_are_there_and_are_those_that_run(installed: Path) -> None:
    """Each that setup.py names and each in Cython, where nothing else of the tree is; nothing is said to be missing."""
    in_cython = {str(path.relative_to(ROOT).with_suffix("")) for path in (ROOT / "streamdns").rglob("*.pyx")}
    built = {str(path.relative_to(installed)).split(".")[0] for path in installed.rglob("*.so")}
    assert built == {*in_cython, *typed(), "streamdns__mypyc"}
    names = sorted(name.replace("/", ".") for name in {*in_cython, *typed()})
    code = (f"import importlib; print([m.__file__ for m in map(importlib.import_module, {names}) "
            "if not m.__file__.endswith('.so')])\n"
            "from streamdns.serving import compiled; print(compiled.__file__, compiled.not_compiled())")
    done = subprocess.run([sys.executable, "-c", code], cwd=installed, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", f"{installed / 'streamdns' / 'serving' / 'compiled.py'} "]


def test_the_units_do_what_they_do_in_python(installed: Path) -> None:
    """All tests of these modules pass compiled, too, but those that replace methods or inherit from compiled classes.

    So does the conformance set, put to the engine and to a server.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "--quiet", "-m", "not plain", "-o", f"pythonpath={installed} .",
         "-p", "no:cacheprovider", *_UNITS],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env=environment | {"STREAMDNS_TEST_COMPILED": str(installed)},
    )
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}"
    assert re.search(r"(?m)^\d{4,} passed", done.stdout), done.stdout[-2000:]
