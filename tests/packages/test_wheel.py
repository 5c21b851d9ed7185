"""The compiled wheel that `make wheel` builds: whom it fits, what of it is compiled, and that it answers."""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

import streamdns
from tests.harness import ROOT, Server, event_line, require_tools
from tests.harness.packages import CACHE, checkout
from tests.integration.test_compiled import typed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

#: The C library that the wheel says it is content with.
_GLIBC = (2, 36)
_PYTHON = "/usr/bin/python3.11"
_NAME = rf"streamdns-{re.escape(streamdns.__version__)}-cp311-cp311-manylinux_2_36_{platform.machine()}\.whl"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as `make wheel` builds it from a checkout."""
    needed = [_PYTHON, "/usr/include/python3.11/Python.h", "/usr/include/stdio.h"]
    missing = [path for path in needed if not Path(path).exists()] + ([] if shutil.which("gcc") else ["gcc"])
    if missing:
        pytest.skip(f"cannot build the wheel here: no {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("wheel")
    script = checkout(folder / "tree") / "packaging" / "wheel.sh"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            ["bash", str(script), str(folder / "out")], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, env=os.environ | {"PACKAGES_CACHE": str(CACHE)},
        )
    if done.returncode != 0 and "cannot fetch" in done.stderr:
        pytest.skip(f"cannot build the wheel here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    (made,) = (folder / "out").iterdir()
    assert done.stderr.splitlines()[-1] == f"wheel: {made}"
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has nothing but the wheel and what it requires; returns the place of the packages."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([_PYTHON, "-m", "venv", str(place)], check=True, stdin=subprocess.DEVNULL)
    python, locks = str(place / "bin" / "python"), ROOT / "packaging" / "locks"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    # By hash, as everything is; then the wheel finds all that it requires and asks no index.
    for command in (
        [*pip, "--require-hashes", "-r", str(locks / "build.txt")],
        [*pip, "--require-hashes", "--no-build-isolation", "--use-pep517", "-r", str(locks / "runtime.txt")],
        [python, str(ROOT / "packaging" / "pykafka_wheel.py")],
    ):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"cannot fetch what the wheel requires: {done.stderr.strip().splitlines()[-1]}")
    subprocess.run([*pip, "--no-index", str(wheel)], check=True, stdin=subprocess.DEVNULL)
    return place / "lib" / "python3.11" / "site-packages"


def test_it_fits_python_3_11_and_every_system_with_this_c_library(wheel: Path, tmp_path: Path) -> None:
    """Its name says so, and no symbol that a module of it needs is newer."""
    require_tools("objdump")
    assert re.fullmatch(_NAME, wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
        (said,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
    assert re.findall(r"(?m)^Tag: (.*)$", said) == [wheel.stem.split("-", 2)[2]]
    # Those that only lead to the one module that has all of mypyc's code need nothing of the library.
    found: dict[tuple[int, int], str] = {}
    for module in tmp_path.rglob("*.so"):
        symbols = subprocess.run(["objdump", "-T", str(module)], capture_output=True, text=True, check=True).stdout
        found |= {(int(major), int(minor)): module.name
                  for major, minor in re.findall(r"GLIBC_(\d+)\.(\d+)", symbols)}
    assert found
    assert max(found) <= _GLIBC, found[max(found)]


def test_all_that_can_be_is_compiled_where_it_is_installed(installed: Path) -> None:
    """Each module that setup.py names and each in Cython; nothing is said to run in Python."""
    in_cython = {str(path.relative_to(ROOT).with_suffix("")) for path in (ROOT / "streamdns").rglob("*.pyx")}
    names = sorted(name.replace("/", ".") for name in {*in_cython, *typed()})
    code = (f"import importlib; print([m.__file__ for m in map(importlib.import_module, {names}) "
            "if not m.__file__.endswith('.so')])\n"
            "from streamdns.serving import compiled; print(compiled.__file__, compiled.not_compiled())")
    python = installed.parents[2] / "bin" / "python"
    done = subprocess.run([str(python), "-I", "-c", code], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", f"{installed / 'streamdns' / 'serving' / 'compiled.py'} "]


def test_a_server_from_it_answers(installed: Path, tmp_path: Path) -> None:
    """What is in its log, asked by dig; it does not say that something is not compiled."""
    require_tools("dig")
    server = Server(tmp_path, DNS_ZONES="wheel.example.")
    server.python, server.installed = str(installed.parents[2] / "bin" / "python"), str(installed)
    record = {"name": "www.wheel.example.", "type": "A", "content": "192.0.2.36", "ttl": 60}
    server.log.write_bytes(event_line("www.wheel.example.|A", [record]))
    with server:
        done = subprocess.run(
            ["dig", "+short", "+tries=1", "@127.0.0.1", "-p", str(server.port), "www.wheel.example", "A"],
            capture_output=True, text=True, check=True,
        )
    assert done.stdout.split() == ["192.0.2.36"]
    assert "app.not_compiled" not in server.output.read_text()
