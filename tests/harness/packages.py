"""Builds the deb and the rpm as `make packages` does, once for all tests of a run, and unpacks them."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from tests.harness.process import ROOT

#: Of all builds of this checkout: what they fetched.
CACHE = ROOT / "build" / "packages"
#: What build.sh looks for, and where Debian has it.
_NEEDED = ("/usr/bin/python3.11", "gcc", "patchelf", "strip", "xz", "dpkg-deb", "rpmbuild")
_HEADERS = ("/usr/include/stdio.h", "/usr/include/python3.11/Python.h")
_EPOCH = "1767225600"
#: What a build reads of a checkout.
_SOURCES = ("packaging", "streamdns", "console", "examples", "setup.py", "pyproject.toml", "MANIFEST.in", "LICENSE",
            "streamdns.service", *(path.name for path in ROOT.glob("requirements*.txt")))


@dataclass(frozen=True, slots=True)
class Packages:
    """The files of one build; those of Pulsar's client are packages of their own."""

    deb: Path
    rpm: Path
    pulsar_deb: Path
    pulsar_rpm: Path

    @classmethod
    def of(cls, out: Path) -> Self:
        """Find them in the folder where build.sh has put them, and nothing else."""
        (deb,), (rpm,) = out.glob("streamdns_*.deb"), out.glob("streamdns-[0-9]*.rpm")
        (pulsar_deb,), (pulsar_rpm,) = out.glob("streamdns-pulsar_*.deb"), out.glob("streamdns-pulsar-*.rpm")
        assert len([*out.glob("*.deb"), *out.glob("*.rpm")]) == 4
        return cls(deb, rpm, pulsar_deb, pulsar_rpm)

    def all(self) -> tuple[Path, ...]:
        """Each of them."""
        return self.deb, self.rpm, self.pulsar_deb, self.pulsar_rpm


def checkout(place: Path, version: str | None = None) -> Path:
    """Copy what a build reads, as another version where one is given; returns the place."""
    place.mkdir(parents=True)
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, place)
    if version is not None:
        module = place / "streamdns" / "__init__.py"
        module.write_text(re.sub(r'(?m)^__version__ = ".*"$', f'__version__ = "{version}"', module.read_text()))
    return place


def build(tree: Path, out: Path, *, quick: bool = True, without_network: bool = False) -> Packages:
    """Run build.sh of a tree, `quick` compresses little; skips the test where this machine cannot build packages."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    missing += [name for name in _HEADERS if not Path(name).exists()]
    if missing:
        pytest.skip(f"cannot build packages here: no {', '.join(missing)}")
    CACHE.mkdir(parents=True, exist_ok=True)
    alone = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])] if without_network else []
    with (CACHE / "lock").open("w") as lock:
        # The cache is filled by one build at a time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [*alone, "bash", str(tree / "packaging" / "build.sh"), str(out)], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
            env=os.environ | {"PACKAGES_CACHE": str(CACHE), "SOURCE_DATE_EPOCH": _EPOCH}
            | ({"PACKAGES_XZ": "0"} if quick else {}) | _in_memory(),
        )
    if done.returncode != 0 and "cannot fetch" in done.stderr:
        pytest.skip(f"cannot build packages here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return Packages.of(out)


def _in_memory() -> dict[str, str]:
    """Have the tree staged in memory where there is room for it: it is thousands of small files, three times over."""
    memory = "/dev/shm"
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30
    return {"TMPDIR": memory} if roomy else {}


def built_once(folder: Path, name: str, *, quick: bool = True, version: str | None = None) -> Packages:
    """Build a package for all processes of a run: the first one that needs it builds, the others take what it made."""
    out = folder / name
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / "built").exists():
            shutil.rmtree(out, ignore_errors=True)
            shutil.rmtree(folder / f"{name}.tree", ignore_errors=True)
            out.mkdir()
            made = build(checkout(folder / f"{name}.tree", version), out, quick=quick)
            (out / "built").touch()
            return made
    return Packages.of(out)
