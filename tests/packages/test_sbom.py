"""The list of what a package consists of, which `make sbom` writes in CycloneDX."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import streamdns
from tests.harness import ROOT
from tests.harness.packages import CACHE, Packages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_it_names_every_package_with_its_version(packages: Packages, deb_tree: Path, tmp_path: Path) -> None:
    """Those of the Python index as they lie in the deb, and Debian's of the runtime with their digests."""
    shutil.copy(packages.deb, tmp_path)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            ["bash", str(ROOT / "packaging" / "sbom.sh"), str(tmp_path)], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, env=os.environ | {"PACKAGES_CACHE": str(CACHE)},
        )
    if done.returncode != 0 and "cannot fetch" in done.stderr:
        pytest.skip(f"cannot make it here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    (made,) = tmp_path.glob("*.cdx.json")
    document = json.loads(made.read_text())
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["version"] == streamdns.__version__
    named = {f"{each['name'].lower().replace('_', '-').replace('.', '-')}=={each['version']}"
             for each in document["components"]}
    pinned = {line for name in ("requirements.txt", "requirements-console.txt")
              for line in (ROOT / name).read_text().lower().replace("_", "-").splitlines() if line}
    # What builds the others is not in a package.
    pinned = {re.sub(r"\.(?=.*==)", "-", line) for line in pinned if not line.startswith("setuptools==")}
    assert pinned <= named
    digests = dict(line.split()[::-1] for line in
                   (deb_tree / "usr" / "share" / "doc" / "streamdns" / "runtime.sha256").read_text().splitlines())
    runtime = [each for each in document["components"] if each.get("purl", "").startswith("pkg:deb/")]
    assert len(runtime) == len(digests) == 4
    assert {each["hashes"][0]["content"] for each in runtime} == set(digests.values())
    assert len(named) == len(pinned) + len(runtime)
