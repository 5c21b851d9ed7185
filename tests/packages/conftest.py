"""The packages of this checkout, built once for all tests of a run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.harness.packages import Packages, built_once


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "packages"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def packages(builds: Path) -> Packages:
    """The packages as they are released."""
    return built_once(builds, "released", quick=False)


@pytest.fixture(scope="session")
def deb_tree(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the deb holds, with its control files in DEBIAN/."""
    return _extracted(packages.deb, tmp_path_factory)


@pytest.fixture(scope="session")
def pulsar_tree(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the deb of Pulsar's client holds, with its control files in DEBIAN/."""
    return _extracted(packages.pulsar_deb, tmp_path_factory)


def _extracted(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("deb") / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", str(deb), str(tree)], check=True)
    return tree
