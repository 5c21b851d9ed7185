"""The repositories of apt and dnf that `make repo` lays out: both install from them, and notice what was changed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT, require_tools
from tests.harness.packages import Packages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KEY = "packages@example.org"


def run(*command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, env=os.environ | {"LC_ALL": "C.UTF-8"} | env)


@pytest.fixture(scope="module")
def repository(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Made from the packages of this checkout and signed by a key of its own."""
    require_tools("gpg", "apt-ftparchive", "createrepo_c")
    folder = tmp_path_factory.mktemp("repository")
    # The path of gpg's sockets must be short.
    home = Path("/tmp") / f"streamdns-gpg-{os.getpid()}"
    home.mkdir(mode=0o700)
    made = run("gpg", "--batch", "--passphrase", "", "--quick-generate-key", KEY, "ed25519", "sign", "never",
               GNUPGHOME=str(home))
    assert made.returncode == 0, made.stderr
    script = ROOT / "packaging" / "repository.sh"
    refused = run("bash", script, "nobody@example.org", packages.deb.parent, folder / "no", GNUPGHOME=str(home))
    assert refused.returncode == 1
    assert "gpg has no secret key nobody@example.org" in refused.stderr
    done = run("bash", script, KEY, packages.deb.parent, folder / "made", GNUPGHOME=str(home))
    assert done.returncode == 0, done.stderr
    yield folder / "made"
    run("gpgconf", "--kill", "all", GNUPGHOME=str(home))
    run("rm", "-rf", home)


def apt(repository: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """apt-get with a configuration of its own that knows this repository and no other."""
    for name in ("lists/partial", "cache/archives/partial", "etc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "etc" / "streamdns.sources").write_text(
        f"Types: deb\nURIs: file:{repository}/deb\nSuites: stable\nComponents: main\n"
        f"Signed-By: {repository}/streamdns.asc\n")
    options = {
        "Dir::State": folder, "Dir::State::lists": folder / "lists", "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache", "Dir::Etc::sourcelist": folder / "etc" / "streamdns.sources",
        "Dir::Etc::sourceparts": "-", "APT::Sandbox::User": "root", "APT::Get::List-Cleanup": "false",
    }
    settings = [f"-o{name}={value}" for name, value in options.items()]
    return subprocess.run(["apt-get", *settings, *arguments], capture_output=True, text=True, check=False, cwd=folder,
                          stdin=subprocess.DEVNULL, env=os.environ | {"LC_ALL": "C.UTF-8"})


def test_apt_takes_the_package_from_the_repository(repository: Path, packages: Packages, tmp_path: Path) -> None:
    """The same file, and nothing of a list that was changed after it was signed."""
    done = apt(repository, tmp_path, "update")
    assert done.returncode == 0, done.stderr
    assert "W:" not in done.stderr
    assert apt(repository, tmp_path, "download", "streamdns").returncode == 0
    (found,) = tmp_path.glob("*.deb")
    assert found.read_bytes() == packages.deb.read_bytes()
    release = repository / "deb" / "dists" / "stable" / "InRelease"
    before = release.read_text()
    release.write_text(before.replace("Origin: streamdns", "Origin: somebody"))
    (tmp_path / "other").mkdir()
    assert "not signed" in apt(repository, tmp_path / "other", "update").stderr
    release.write_text(before)


def test_dnf_takes_the_package_from_the_repository(repository: Path, packages: Packages, tmp_path: Path) -> None:
    """The list is signed, and has the digest of each package."""
    require_tools("dnf")
    key = repository / "streamdns.asc"
    configuration = tmp_path / "dnf.conf"
    configuration.write_text(
        f"[main]\nreposdir=/nowhere\ncachedir={tmp_path}/cache\n[streamdns]\nname=streamdns\n"
        f"baseurl=file://{repository}/rpm\nrepo_gpgcheck=1\ngpgcheck=0\ngpgkey=file://{key}\n")
    command = ["dnf", "-q", "-y", f"--config={configuration}", f"--installroot={tmp_path}/tree", "--releasever=1",
               "repoquery", "--queryformat=%{name} %{version}", "streamdns"]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"streamdns {packages.rpm.name.split('-')[1]}"
    assert run("gpgconf", "--version").returncode == 0
    repomd = repository / "rpm" / "repodata" / "repomd.xml"
    before = repomd.read_text()
    repomd.write_text(before.replace("</repomd>", "<!-- changed --></repomd>"))
    changed = run(*[part.replace(f"{tmp_path}/tree", f"{tmp_path}/other") for part in command], "--refresh")
    repomd.write_text(before)
    assert changed.returncode != 0


def test_what_is_fetched_by_hand_can_be_verified(repository: Path, packages: Packages, tmp_path: Path) -> None:
    """SHA256SUMS is signed by the key, and names all files."""
    tmp_path.chmod(0o700)
    env = {"GNUPGHOME": str(tmp_path)}
    assert run("gpg", "--batch", "--import", repository / "streamdns.asc", **env).returncode == 0
    sums = repository / "SHA256SUMS"
    assert run("gpg", "--batch", "--verify", f"{sums}.asc", sums, **env).returncode == 0
    names = {line.split()[1] for line in sums.read_text().splitlines()}
    assert names == {path.name for path in packages.all()}
    subprocess.run(["sha256sum", "--check", str(sums)], cwd=packages.deb.parent, capture_output=True, check=True)
