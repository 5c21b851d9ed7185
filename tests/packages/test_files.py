"""The debs and the rpms as files: how large, the same from any folder, and what lintian and rpmlint find in them."""

from __future__ import annotations

import filecmp
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import streamdns
from tests.harness import ROOT, require_tools
from tests.harness.manual import pages_of_the_manual, warnings_of_a_page
from tests.harness.packages import Packages, build, checkout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_MOST_BYTES = 25_000_000
#: Libraries that come along, beside what needs them.
_PRIVATE = re.compile(r"libexpat\.so\.1|lib[a-z0-9_]+-[0-9a-f]{8}\.so|rtld\(GNU_HASH\)")


def run(*command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command with plain output."""
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, env=os.environ | {"LC_ALL": "C.UTF-8"} | env)


def test_the_packages_are_small(packages: Packages, say: Callable[[str], None]) -> None:
    """At most 25 MB each, so that they can be carried to machines without a network."""
    sizes = {path.name: path.stat().st_size for path in packages.all()}
    say(", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items()))
    assert max(sizes.values()) <= _MOST_BYTES, sizes


def test_two_folders_give_the_same_packages_and_no_network_is_needed(tmp_path: Path, packages: Packages) -> None:
    """All files are the same, bit for bit; the cache was filled by the build before."""
    trees = [checkout(tmp_path / name / "tree") for name in ("a", "longer-name")]
    built = [build(tree, tree.with_name("out"), without_network=True) for tree in trees]
    assert built[0].deb.name == packages.deb.name
    assert packages.deb.name.startswith(f"streamdns_{streamdns.__version__}-1_")
    for one, two in zip(built[0].all(), built[1].all(), strict=True):
        assert filecmp.cmp(one, two, shallow=False), one.name


def test_lintian_finds_no_error(packages: Packages) -> None:
    """Debian's checks, without those that packaging/files/*.lintian-overrides have reasons against."""
    require_tools("lintian")
    done = run("lintian", "--fail-on", "error", "--allow-root", packages.deb, packages.pulsar_deb)
    assert done.returncode == 0, done.stdout
    assert "unused-override" not in done.stdout


def test_rpmlint_finds_nothing(packages: Packages) -> None:
    """Without what packaging/rpmlintrc has reasons against."""
    require_tools("rpmlint")
    done = run("rpmlint", "-r", ROOT / "packaging" / "rpmlintrc", packages.rpm, packages.pulsar_rpm)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b0 errors, 0 warnings", done.stdout), done.stdout


def compiled(tree: Path) -> list[Path]:
    """The programs and libraries of a tree."""
    return [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()
            and (path.name == "python3.11" or ".so" in path.suffixes)]


@pytest.mark.parametrize("tree", ["deb_tree", "pulsar_tree"])
def test_a_deb_needs_what_its_programs_and_libraries_need(
    tree: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Depends: is what dpkg-shlibdeps finds, no more and no less; and Pulsar's client is for this very version."""
    require_tools("dpkg-shlibdeps")
    unpacked: Path = request.getfixturevalue(tree)
    (tmp_path / "debian").mkdir()
    (tmp_path / "debian" / "control").write_text("Source: streamdns\n\nPackage: streamdns\nArchitecture: any\n")
    # It comes along.
    (tmp_path / "debian" / "shlibs.local").write_text("libexpat 1\n")
    done = subprocess.run(
        ["dpkg-shlibdeps", "-O", "--ignore-missing-info", *map(str, compiled(unpacked))], cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )
    found = set(done.stdout.strip().removeprefix("shlibs:Depends=").split(", "))
    if tree == "pulsar_tree":
        found.add(f"streamdns (= {streamdns.__version__}-1)")
    declared = re.search(r"(?m)^Depends: (.*)$", (unpacked / "DEBIAN" / "control").read_text())
    assert declared is not None
    assert set(declared[1].split(", ")) == found


def libraries_that_are_needed(tree: Path) -> set[str]:
    """What elfdeps finds, but for the libraries that come along."""
    finder = "/usr/lib/rpm/elfdeps"
    require_tools("rpm", finder)
    names = "".join(f"{path}\n" for path in compiled(tree))
    done = subprocess.run([finder, "--requires"], input=names, capture_output=True, text=True, check=True)
    return {line for line in done.stdout.splitlines() if not _PRIVATE.match(line)}


def test_the_rpm_needs_what_its_programs_and_libraries_need(packages: Packages, deb_tree: Path) -> None:
    """The libraries among its Requires are what elfdeps finds."""
    found = libraries_that_are_needed(deb_tree)
    declared = run("rpm", "-qp", "--requires", packages.rpm).stdout.splitlines()
    assert {line for line in declared if ".so" in line} == found
    others = {line.split()[0] for line in declared if ".so" not in line and not line.startswith("rpmlib(")}
    assert others == {"/bin/sh", "/usr/sbin/useradd", "systemd", "config(streamdns)"}


def test_the_rpm_of_pulsars_client_needs_what_it_needs(packages: Packages, pulsar_tree: Path) -> None:
    """The libraries that elfdeps finds, and streamdns of the very same version."""
    found = libraries_that_are_needed(pulsar_tree)
    declared = run("rpm", "-qp", "--requires", packages.pulsar_rpm).stdout.splitlines()
    assert {line for line in declared if ".so" in line} == found
    others = [line for line in declared if ".so" not in line and not line.startswith("rpmlib(")]
    assert others == [f"streamdns = {streamdns.__version__}-1"]


def test_pulsars_client_is_in_its_own_packages_alone(packages: Packages, deb_tree: Path, pulsar_tree: Path) -> None:
    """No file is in two packages, the rpm of the client has what the deb has, and it runs beside streamdns."""
    site = Path("usr/lib/streamdns/lib/python3.11/dist-packages")
    own, pulsars = ({str(path.relative_to(tree)) for path in tree.rglob("*")
                     if path.is_file() and "DEBIAN" not in path.parts} for tree in (deb_tree, pulsar_tree))
    assert not own & pulsars
    listed = {path: {line.lstrip("/") for line in run("rpm", "-qlp", path).stdout.splitlines()}
              for path in (packages.rpm, packages.pulsar_rpm)}
    assert {path for path in pulsars if path.startswith(str(site))} <= listed[packages.pulsar_rpm]
    assert not any(path.startswith((f"{site}/pulsar", f"{site}/_pulsar")) for path in listed[packages.rpm])
    python = deb_tree / "usr" / "lib" / "streamdns" / "bin" / "python3.11"
    beside = f"import sys; sys.path.append({str(pulsar_tree / site)!r})"
    code = f"{beside}; import pulsar, certifi; print(pulsar.__version__)"
    done = run(python, "-IB", "-c", code)
    pinned = (ROOT / "requirements-pulsar.txt").read_text().splitlines()
    assert f"pulsar-client=={done.stdout.strip()}" in pinned, done.stderr
    # What else it wants comes with streamdns, so both mean the same.
    runtime = (ROOT / "requirements.txt").read_text() + (ROOT / "requirements-console.txt").read_text()
    assert {line for line in pinned if not line.startswith("pulsar-client==")} <= set(runtime.splitlines())
    licences = (pulsar_tree / "usr" / "share" / "doc" / "streamdns-pulsar" / "copyright").read_text()
    assert f"Comment: pulsar-client {done.stdout.strip()}\n" in licences


def test_the_units_are_valid_and_leave_little_open(deb_tree: Path, tmp_path: Path) -> None:
    """Of both units `systemd-analyze verify` says nothing and `security` at most 1.5 (BIND: 9.6)."""
    require_tools("systemd-analyze")
    for name in ("streamdns.service", "streamdns@.service"):
        text = (deb_tree / "lib" / "systemd" / "system" / name).read_text()
        instance = tmp_path / name.replace("@", "@one")
        # What it starts is not installed here.
        program = deb_tree / "usr" / "lib" / "streamdns" / "bin" / "streamdns"
        instance.write_text(text.replace("/usr/bin/streamdns", str(program)))
        done = run("systemd-analyze", "--man=no", "verify", instance)
        # Units of this machine may have faults of their own.
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "streamdns" in line]
        assert done.returncode == 0
        assert not ours
        shown = run("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", instance)
        assert shown.returncode == 0, shown.stdout
        figure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", shown.stdout)
        assert figure is not None
        assert float(figure[1]) <= 1.5


def test_an_instance_has_places_of_its_own(deb_tree: Path) -> None:
    """The template differs from the service in nothing but the names of its files."""
    units = deb_tree / "lib" / "systemd" / "system"
    plain, template = ((units / name).read_text().splitlines() for name in ("streamdns.service", "streamdns@.service"))
    different = [(one, two) for one, two in zip(plain, template, strict=True) if one != two]
    assert {one.partition("=")[0] for one, _ in different} == {
        "Description", "WorkingDirectory", "ExecStartPre", "ExecStart", "ExecReload", "StateDirectory",
        "RuntimeDirectory"}
    for _, line in different:
        assert "%i" in line
    assert [line for line in template if line.endswith(("/streamdns.conf", "=streamdns"))] == ["User=streamdns"]


def test_the_pages_of_the_manual_render(deb_tree: Path) -> None:
    """All three, without a warning."""
    require_tools("man")
    pages = pages_of_the_manual(deb_tree / "usr" / "share" / "man")
    assert [page.name for page in pages] == ["streamdns-console.1.gz", "streamdns.1.gz", "streamdns.conf.5.gz"]
    for page in pages:
        assert not warnings_of_a_page(page)


def test_what_is_in_a_package_belongs_there(deb_tree: Path) -> None:
    """Every licence that comes along is named, bytecode is there for every module, and nothing names the build."""
    site = deb_tree / "usr" / "lib" / "streamdns" / "lib" / "python3.11" / "dist-packages"
    share = deb_tree / "usr" / "share"
    licences = (share / "doc" / "streamdns" / "copyright").read_text()
    for info in site.glob("*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        if name != "streamdns":
            wanted = rf"(?im)^Comment: {re.sub('[-_.]', '[-_.]', name)} {re.escape(version)}$"
            assert re.search(wanted, licences), name
    # A part of the compiler is in what it made.
    assert re.search(r"(?m)^Comment: mypy \d", licences)
    for module in site.parent.rglob("*.py"):
        assert (module.parent / "__pycache__" / f"{module.stem}.cpython-311.pyc").is_file(), module
    assert "setuptools" not in {path.name for path in site.iterdir()}
    for name in ("bash-completion/completions/streamdns", "zsh/vendor-completions/_streamdns",
                 "fish/vendor_completions.d/streamdns.fish"):
        assert "publish" in (share / name).read_text()
    assert run("bash", "-n", share / "bash-completion/completions/streamdns").returncode == 0


def test_the_packaged_programs_run_where_they_lie(deb_tree: Path) -> None:
    """The private Python finds its own modules, compiled where they can be; the machine's packages change nothing."""
    python = deb_tree / "usr" / "lib" / "streamdns" / "bin" / "python3.11"
    for module, word in (("streamdns", "streamdns"), ("streamdns_console.cli", "streamdns-console")):
        code = f"import runpy, sys; sys.argv = ['x', '--version']; runpy.run_module('{module}', run_name='__main__')"
        if module.endswith("cli"):
            code = "import sys; from streamdns_console.cli import main; sys.exit(main(['--version']))"
        done = run(python, "-IB", "-c", code, PYTHONPATH="/nowhere", PYTHONHOME="/nowhere")
        assert done.stdout.strip() == f"{word} {streamdns.__version__}", done.stderr
    code = ("import sys, textual, pykafka, confluent_kafka, cryptography, lmdb, gevent, ssl, xml.parsers.expat\n"
            "import streamdns_console.app, rich.traceback\n"
            "from streamdns.serving.compiled import not_compiled\n"
            "print([path for path in sys.path if not path.startswith(sys.prefix)], not_compiled())")
    assert run(python, "-IB", "-W", "ignore", "-c", code).stdout.strip() == "[]"
