"""The life of an installed package: on a bare Debian under systemd, and of the rpm by rpm and dnf."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import streamdns
from tests.harness import ROOT, require_tools
from tests.harness.booted import debian_tree, run_booted
from tests.harness.packages import Packages, built_once
from tests.harness.shown import missing, shown

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(1200)]

_LATER = "9.0.0"


@pytest.fixture(scope="session")
def later(builds: Path) -> Packages:
    """The packages of a version that comes after this one."""
    return built_once(builds, "later", version=_LATER)


def test_the_life_of_the_deb(
    packages: Packages, later: Packages, tmp_path: Path, say: Callable[[str], None]
) -> None:
    """Installed, started, changed, upgraded under load, killed, hung, broken, removed, purged: the steps of life.sh."""
    debian_tree()
    share = tmp_path / "share"
    share.mkdir()
    shutil.copy(packages.deb, share / "first.deb")
    shutil.copy(later.deb, share / "second.deb")
    shutil.copy(later.pulsar_deb, share / "second-pulsar.deb")
    for path in (Path(__file__).with_name("asker.py"), ROOT / "examples" / "example.org.zone"):
        shutil.copy(path, share)
    text = Path(__file__).with_name("life.sh").read_text()
    (share / "life.sh").write_text(f"set -- {_LATER}\n{text}")
    status, output = run_booted(share, "life.sh")
    for line in output.splitlines():
        if "lost" in line or "exposure" in line:
            say(line)
    assert status == 0, output


def test_docs_install(packages: Packages, tmp_path: Path) -> None:
    """Each command of docs/install.md, one after the other on a fresh machine, writes what is printed below it."""
    debian_tree()
    share = tmp_path / "share"
    share.mkdir()
    version = streamdns.__version__
    shutil.copy(packages.deb, share / f"streamdns_{version}-1_amd64.deb")
    commands = shown("docs/install.md")
    lines = ["export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 TERM=dumb", "ip link set lo up", "cd /tmp",
             "cp /share/*.deb ."]
    for number, each in enumerate(commands):
        lines += [f"cat >/share/{number}.sh <<'END'", each.command, "END",
                  f"bash /share/{number}.sh >/share/{number}.written 2>&1 || echo $? >/share/{number}.failed"]
    (share / "commands.sh").write_text("\n".join(lines) + "\n")
    status, output = run_booted(share, "commands.sh")
    assert status == 0, output
    for number, each in enumerate(commands):
        written = (share / f"{number}.written").read_text(errors="replace")
        assert not (share / f"{number}.failed").exists(), (each.command, written)
        assert not missing(each, written), (each.command, missing(each, written), written)


def base_of(tree: Path, folder: Path) -> Path:
    """Make an rpm that provides the libraries and programs of a tree, so that rpm knows what is there."""
    found = (path for place in ("usr/lib", "lib") for path in (tree / place).rglob("*.so*") if path.is_file())
    libraries = "".join(f"{path}\n" for path in found if path.read_bytes().startswith(b"\x7fELF"))
    done = subprocess.run(["/usr/lib/rpm/elfdeps", "--provides"], input=libraries, capture_output=True, text=True,
                          check=True)
    provides = sorted({*done.stdout.splitlines(), "systemd", "/bin/sh", "/usr/sbin/useradd"})
    spec = folder / "base.spec"
    lines = ["Name: base", "Version: 1", "Release: 1", "Summary: base", "License: none",
             f"BuildArch: {os.uname().machine}", *(f"Provides: {each}" for each in provides),
             "%description", "base", "%files"]
    spec.write_text("\n".join(lines) + "\n")
    subprocess.run(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {folder / 'build'}", "--define",
                    f"_rpmdir {folder / 'rpms'}", str(spec)], check=True, capture_output=True)
    (made,) = (folder / "rpms").rglob("*.rpm")
    return made


def test_the_life_of_the_rpm(packages: Packages, later: Packages, tmp_path: Path) -> None:
    """Refused, installed, run, upgraded and erased by rpm, and the same by dnf: rpm_life.sh has the steps."""
    require_tools("rpm", "rpmbuild", "dnf", "createrepo_c")
    tree = debian_tree()
    shutil.copy(packages.rpm, tmp_path / "first.rpm")
    shutil.copy(later.rpm, tmp_path / "second.rpm")
    shutil.copy(later.pulsar_rpm, tmp_path / "second-pulsar.rpm")
    shutil.copy(base_of(tree, tmp_path), tmp_path / "base.rpm")
    done = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash",
         str(Path(__file__).with_name("rpm_life.sh")), str(tree), str(tmp_path), _LATER],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
