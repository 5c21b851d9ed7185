"""A bare Debian, booted under systemd in a namespace of its own without a network, for what packages do there."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.harness.peers import require_tools

#: Outside of the checkout, because it takes a minute and is the same for each: another number where the lists change.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamdns-tests" / "debian-12-1"
_INCLUDED = "systemd,systemd-sysv,dbus,iproute2,procps,bind9-dnsutils,curl"
#: In memory, because dpkg waits for the disk after each file.
_MAKE = f"""\
set -eu
place=$(mktemp -d)
mount -t tmpfs debian "$place"
debootstrap --variant=minbase --include={_INCLUDED} bookworm "$place" ${{2:+"$2"}}
rm -rf "$place"/var/cache/apt/archives/*.deb
cp -a "$place"/. "$1"/
"""
#: Nothing of these may be there: the packages bring their own.
_NOT_THERE = ("usr/bin/python3", "usr/bin/python3.11")

_UNIT = """\
[Unit]
After=basic.target dbus.socket
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/bash -c '/bin/bash /share/{script}; echo $? > /share/status'
StandardOutput=append:/share/output
StandardError=append:/share/output
TimeoutStartSec={seconds}
"""


def debian_tree() -> Path:
    """A Debian 12 in a directory, made by debootstrap where there is none; skips the test where that cannot be."""
    require_tools("debootstrap")
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with (CACHE.parent / f"{CACHE.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (CACHE / "made").exists():
            shutil.rmtree(CACHE, ignore_errors=True)
            CACHE.mkdir()
            done = subprocess.run(
                ["unshare", "--mount", "bash", "-c", _MAKE, "bash", str(CACHE), *_mirror()], stdin=subprocess.DEVNULL,
                capture_output=True, text=True, check=False,
                env=os.environ | {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
            )
            if done.returncode != 0:
                last = (done.stderr or done.stdout).strip().splitlines()[-1:]
                pytest.skip(f"debootstrap cannot make a Debian here: {' '.join(last)}")
            (CACHE / "made").touch()
    for name in _NOT_THERE:
        assert not (CACHE / name).exists()
    return CACHE


def _mirror() -> list[str]:
    """Where this machine has its packages from, as an argument; nothing where it does not say."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main",
         "Codename: bookworm"], capture_output=True, text=True, check=False)
    return done.stdout.split()[:1]


def run_booted(share: Path, script: str, *, seconds: int = 600) -> tuple[int, str]:
    """Boot the Debian with `share` at /share and run a script of it as root; returns its status and what it wrote.

    What it changes is gone afterwards. Skips the test where no container can be booted.
    """
    require_tools("systemd-nspawn")
    tree = debian_tree()
    unit = share / "test.service"
    unit.write_text(_UNIT.format(script=script, seconds=seconds))
    with (share / "boot.log").open("wb") as log, (CACHE.parent / "booted.lock").open("w") as lock:
        # Two at a time would be in each other's control groups.
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            ["systemd-nspawn", "--quiet", "--boot", f"--directory={tree}", "--volatile=overlay", "--private-network",
             f"--machine={share.name}-{os.getpid()}", "--register=no", "--keep-unit", "--console=pipe",
             f"--bind={share}:/share", f"--bind-ro={unit}:/etc/systemd/system/test.service",
             "systemd.wants=test.service"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False, timeout=seconds + 60,
        )
        _remove_empty_groups()
    said = share / "boot.log"
    if not (share / "status").exists() and not (share / "output").exists():
        pytest.skip(f"cannot boot a container here (status {done.returncode}): "
                    f"{said.read_text(errors='replace').strip()[-300:]}")
    output = (share / "output").read_text(errors="replace")
    status = share / "status"
    return (int(status.read_text()) if status.exists() else 99), output


def _remove_empty_groups() -> None:
    """Remove the control groups that nspawn leaves behind."""
    for root in Path("/sys/fs/cgroup").glob("*"):
        for name in ("payload", "supervisor"):
            for path in sorted((root / name).rglob("*"), reverse=True) if (root / name).is_dir() else ():
                if path.is_dir():
                    _remove(path)
            if (root / name).is_dir():
                _remove(root / name)


def _remove(group: Path) -> None:
    for _ in range(20):
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.05)
        else:
            return
