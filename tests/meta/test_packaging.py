"""What is installed is what is declared."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import streamdns
from streamdns.settings.table import BY_NAME
from tests.harness import ROOT
from tests.harness.wheels import copied, script, source_of, wheel_of
from tests.meta.source import imports, modules, within

RUNTIME = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line]
CONSOLE = [line for line in (ROOT / "requirements-console.txt").read_text().splitlines() if line]
PULSAR = [line for line in (ROOT / "requirements-pulsar.txt").read_text().splitlines() if line]
WEB = [line for line in (ROOT / "requirements-web.txt").read_text().splitlines() if line]
DEV = [line for line in (ROOT / "requirements-dev.txt").read_text().splitlines() if line and not line.startswith("-r")]
API = [line for line in (ROOT / "requirements-api.txt").read_text().splitlines() if line and not line.startswith("-r")]
MUTANTS = [line for line in (ROOT / "requirements-mutants.txt").read_text().splitlines()
           if line and not line.startswith("-r")]

FUZZ = [line for line in (ROOT / "requirements-fuzz.txt").read_text().splitlines()
        if line and not line.startswith("-r")]
COMPILE = [line for line in (ROOT / "requirements-compile.txt").read_text().splitlines() if line]
WHEEL = [line for line in (ROOT / "requirements-wheel.txt").read_text().splitlines() if line]
SBOM = [line for line in (ROOT / "requirements-sbom.txt").read_text().splitlines() if line]


def names(lines: list[str]) -> set[str]:
    """The canonical names of requirement lines."""
    return {canonicalize_name(Requirement(line).name) for line in lines}


@pytest.mark.parametrize(
    "line", sorted({*RUNTIME, *CONSOLE, *PULSAR, *WEB, *DEV, *API, *MUTANTS, *FUZZ, *COMPILE, *WHEEL, *SBOM})
)
def test_every_requirement_is_pinned(line: str) -> None:
    """One exact version each."""
    assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*", line)


@pytest.mark.parametrize(
    "lines",
    [RUNTIME, RUNTIME + CONSOLE, RUNTIME + PULSAR, RUNTIME + CONSOLE + WEB, RUNTIME + CONSOLE + WEB + DEV,
     RUNTIME + CONSOLE + WEB + DEV + API, RUNTIME + CONSOLE + WEB + DEV + MUTANTS,
     RUNTIME + CONSOLE + WEB + DEV + FUZZ, COMPILE, WHEEL],
    ids=["runtime", "console", "pulsar", "web", "dev", "api", "mutants", "fuzz", "compile", "wheel"],
)
def test_requirements_are_complete(lines: list[str]) -> None:
    """Whatever a requirement needs on this Python is pinned too."""
    pinned = names(lines)
    installed = {canonicalize_name(found.metadata["Name"]) for found in importlib.metadata.distributions()}
    if pinned - installed:
        pytest.skip(f"not installed here: {', '.join(sorted(pinned - installed))}")
    for name in sorted(pinned):
        for text in importlib.metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in pinned, f"{name} needs {text}"


def test_every_import_is_a_requirement() -> None:
    """The product imports nothing that is neither standard nor declared."""
    owners = importlib.metadata.packages_distributions()
    for name, path in (modules("streamdns") | modules("console")).items():
        # What the server needs, and no more, is installed with it; the console and its web server are extras.
        declared = names(RUNTIME) if within(name, "streamdns") else names(RUNTIME + CONSOLE)
        declared |= names(WEB) if name == "console.web" else set()
        declared |= names(PULSAR) if within(name, "streamdns.sources.pulsar") else set()
        for top in {other.split(".")[0] for other in imports(name, path)} - {"streamdns", "console"}:
            if top not in sys.stdlib_module_names:
                found = {canonicalize_name(owner) for owner in owners.get(top, [])}
                assert found & declared, f"{name} imports {top}"


def test_the_unit_speaks_of_known_settings() -> None:
    """Every setting that the systemd unit names exists, and what it starts are commands that there are."""
    unit = (ROOT / "streamdns.service").read_text(encoding="utf-8")
    named = set(re.findall(r"\b((?:DNS|LOG)_[A-Z_]+)", unit))
    assert named
    assert named <= set(BY_NAME)
    assert set(re.findall(r"^Exec\w+=/usr/bin/streamdns (\w+)", unit, re.MULTILINE)) == {"check", "run"}


def test_without_a_compiler_all_goes_on_uncompiled(tmp_path: Path) -> None:
    """The way to a compiler is told, and what was compiled before is gone, for it would go before its source."""
    old = tmp_path / "streamdns" / "serving" / "old.cpython-311.so"
    old.parent.mkdir(parents=True)
    old.touch()
    tree = tmp_path / "build" / "compiled" / "streamdns"
    tree.mkdir(parents=True)
    (tmp_path / "packaging").mkdir()
    shutil.copy(ROOT / "packaging" / "compiled.py", tmp_path / "packaging")
    done = subprocess.run([sys.executable, str(tmp_path / "packaging" / "compiled.py")], capture_output=True, text=True,
                          env={**os.environ, "CC": "there-is-no-such-compiler -O2"}, check=False)
    first, second, third = done.stdout.splitlines()
    assert first.startswith("Nothing is compiled: there is no C compiler (there-is-no-such-compiler).")
    assert second == "`make compiled` tries it again (Debian: apt install gcc libc6-dev python3-dev)."
    assert third == "Without a compiler take the compiled wheel, which `make wheel` makes elsewhere (docs/install.md)."
    assert done.returncode == 1
    assert not old.exists()
    assert not tree.exists()


def test_what_was_compiled_is_not_older_than_its_source() -> None:
    """A compiled module goes before its source: changes of that would have no effect, and would not be tested."""
    for module in (ROOT / "streamdns").rglob("*.so"):
        beside = module.with_name(module.name.split(".")[0])
        sources = [path for path in (beside.with_suffix(end) for end in (".py", ".pyx", ".pxd")) if path.exists()]
        assert sources, f"{module} has no source: `make plain` removes it"
        assert sources[0].suffix != ".py", f"{module} goes before {sources[0].name}: `make plain` removes it"
        newest = max(path.stat().st_mtime for path in sources)
        assert module.stat().st_mtime >= newest, f"{module.name} is old: `make compiled` makes it anew"


def test_a_wheel_has_both_packages_and_nothing_else(tmp_path: Path) -> None:
    """The wheel holds streamdns and streamdns_console, the command, the pins, and no tests."""
    wheel = wheel_of(copied(tmp_path), tmp_path)
    assert wheel.name == f"streamdns-{streamdns.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        members = archive.namelist()
        (metadata,) = (name for name in members if name.endswith("/METADATA"))
        required = re.findall(r"^Requires-Dist: (.*)$", archive.read(metadata).decode(), re.MULTILINE)
        (points,) = (name for name in members if name.endswith("/entry_points.txt"))
        commands = archive.read(points).decode().splitlines()
        assert commands == ["[console_scripts]", "streamdns = streamdns.__main__:main",
                            "streamdns-console = streamdns_console.cli:main"]
    tops = {name.split("/")[0] for name in members if ".dist-info/" not in name}
    assert tops == {"streamdns", "streamdns_console"}
    inside = {name for name in members if name.startswith("streamdns/") and name.endswith(".py")}
    assert inside == {str(path.relative_to(ROOT)) for path in modules("streamdns").values()}
    plain = [line for line in required if "extra ==" not in line]
    console = [line for line in required if re.search(r"extra == ['\"]console['\"]", line)]
    assert names(plain) == names(RUNTIME)
    assert names(console) == names(CONSOLE)
    pulsar = [line for line in required if re.search(r"extra == ['\"]pulsar['\"]", line)]
    assert names(pulsar) == names(PULSAR)


def test_a_source_distribution_makes_a_wheel_that_can_be_installed(tmp_path: Path) -> None:
    """pip builds the wheel from it, installs that, and both commands run from there."""
    wheel = wheel_of(source_of(copied(tmp_path), tmp_path), tmp_path)
    place = tmp_path / "installed"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile",
                    "--disable-pip-version-check", "--target", str(place), str(wheel)], check=True)
    for module, command in (("streamdns.__main__", "streamdns"), ("streamdns_console.cli", "streamdns-console")):
        code = f"import sys, {module} as found; print(found.__file__); sys.argv = ['x', '--version']; found.main()"
        done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(place)}, cwd=tmp_path,
                              capture_output=True, text=True, check=False)
        where, said = done.stdout.splitlines()
        assert where.startswith(str(place)), done.stderr
        assert said == f"{command} {streamdns.__version__}"


LOCKS = {path.stem: path for path in (ROOT / "packaging" / "locks").glob("*.txt")}


def locked(text: str) -> dict[str, list[str]]:
    """The requirements of a lock, and the hashes of each."""
    found: dict[str, list[str]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            found[line.split()[0]] = re.findall(r"--hash=(sha256:[0-9a-f]{64})\b", line)
    return found


def versions(lines: Iterable[str]) -> set[str]:
    """The requirements with their names in one spelling."""
    return {f"{canonicalize_name(found.name)}{found.specifier}" for found in map(Requirement, lines)}


def test_locks_have_hashes_of_what_is_pinned_and_of_nothing_else() -> None:
    """`make lock` was run when a requirement changed."""
    wanted: dict[str, list[str]] = script("lock").wanted()
    assert wanted.keys() == LOCKS.keys()
    for name, pins in wanted.items():
        text = LOCKS[name].read_text(encoding="utf-8")
        found = locked(text)
        assert versions(found) == versions(pins), f"{name}: `make lock` writes packaging/locks/ again"
        assert all(found.values()), f"{name} has requirements without a hash"
        assert "://" not in text
    assert {*RUNTIME, *CONSOLE} == {*wanted["runtime"], *wanted["source"]}


def test_make_installs_nothing_without_a_hash() -> None:
    """But the checkout itself."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.search(r"\bpip\b.*install|\$\(PIP\) install|\$\(INSTALL\)", line)]
    assert len(lines) > 5
    for line in lines:
        safe = "--require-hashes" in line or "$(INSTALL) " in line or "--no-deps --editable ." in line
        assert safe, line


def test_pykafka_brings_nothing_but_itself() -> None:
    """Its source has a package `tests` and a command."""
    found = importlib.metadata.distribution("pykafka")
    tops = {str(path).split("/")[0] for path in found.files or ()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pykafka"}
    assert not found.entry_points
    assert "pykafka" not in importlib.metadata.packages_distributions().get("tests", [])
