"""Fixtures that start real servers, and what decides which tests this machine can run."""

from __future__ import annotations

import importlib
import os
import pathlib
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import HealthCheck, settings

from tests.harness import ROOT, Knot, Nsd, Server
from tests.harness.conformance import CONFORMANCE
from tests.harness.peers import missing_tools
from tests.harness.process import children

settings.register_profile("streamdns", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("streamdns")
_SAID = "said"

# A run in the background of a shell's script ignores Ctrl-C, and all that it starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure() -> None:
    """Tests of a compiled tree would pass as well with the sources, if these came first on the path."""
    installed = os.environ.get("STREAMDNS_TEST_COMPILED")
    if installed:
        module = importlib.import_module("streamdns.serving.compiled")
        if not (module.__file__ or "").startswith(installed) or module.not_compiled():
            raise pytest.UsageError(f"{module.__file__} is not of {installed}, or not all is compiled there")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, with the reason, what this machine cannot run."""
    if item.get_closest_marker("root") and not (os.geteuid() == 0 and os.environ.get("STREAMDNS_TEST_ROOT") == "1"):
        pytest.skip("needs root and STREAMDNS_TEST_ROOT=1")
    if item.get_closest_marker("slow") and os.environ.get("STREAMDNS_TEST_SLOW") != "1":
        pytest.skip("takes long: needs STREAMDNS_TEST_SLOW=1, which .ci/run sets")
    for marker in item.iter_markers("peers"):
        reason = missing_tools(*(marker.args or ("nsd", "knotd")))
        if reason:
            pytest.skip(reason)
    if item.get_closest_marker("conformance") and not CONFORMANCE.is_dir():
        pytest.skip(f"there is no conformance set at {os.path.relpath(CONFORMANCE, ROOT)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What tests said, what was tried once more, and the seed, which a quiet run does not tell."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for key, text in getattr(report, "user_properties", ()):
                if key == _SAID and getattr(report, "when", "") == "call":
                    terminalreporter.write_line(f"{report.nodeid.rpartition('/')[2]}: {text}")
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.write_line(f"{report.nodeid}: tried once more, for at first:")
        terminalreporter.write_line(report.longrepr.reprcrash.message)
    seed = config.getoption("randomly_seed", None)
    if isinstance(seed, int):
        terminalreporter.write_line(f"random seed of this run: {seed} (again: --randomly-seed={seed})")


@pytest.fixture(scope="session", autouse=True)
def _no_process_stays() -> Iterator[None]:
    before = set(children())
    yield
    left = set(children()) - before
    assert not left, f"tests left processes: {sorted(left)}"


@pytest.fixture
def say(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """A function that has a line written at the end of the run, whatever becomes of the test."""
    return lambda text: record_property(_SAID, text)


@contextmanager
def _serving(folder: pathlib.Path) -> Iterator[Callable[..., Server]]:
    """A function that makes servers below a folder; at the end they stop."""
    servers: list[Server] = []
    stack = ExitStack()

    def make(*, partitions: int | None = None, start: bool = True, **env: str) -> Server:
        server = Server(folder / f"server{len(servers)}", partitions=partitions, **env)
        servers.append(server)
        stack.callback(server.kill)
        return server.start() if start else server

    with stack:
        yield make
        codes = [server.stop() for server in servers if server.alive]
    written = "".join(server.written() for server in servers)
    assert not any(codes), f"exit codes {codes}\n{written}"
    assert "Traceback" not in written, written


@pytest.fixture
def serve(tmp_path: pathlib.Path) -> Iterator[Callable[..., Server]]:
    """A function that makes and starts servers: serve(partitions=2, DNS_ZONES="example.org.").

    At the end every one that still runs must stop with 0 and none may have written a traceback.
    """
    with _serving(tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def serve_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """The same for servers that all tests of a file ask and none changes."""
    with _serving(tmp_path_factory.mktemp("all")) as make:
        yield make


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    """A running server with an empty log and all settings at their defaults."""
    return serve()


@pytest.fixture
def nsd(tmp_path: pathlib.Path) -> Iterator[Callable[..., Nsd]]:
    """A function that starts NSD with zones: nsd({"example.org.": text}, options="  refuse-any: yes")."""
    with ExitStack() as stack:

        def make(zones: Mapping[str, str], *, options: str = "") -> Nsd:
            peer = Nsd(tmp_path / f"nsd{len(list(tmp_path.iterdir()))}", zones, options=options)
            stack.callback(peer.stop)
            peer.start()
            return peer

        yield make


@pytest.fixture
def knot(tmp_path: pathlib.Path) -> Iterator[Callable[..., Knot]]:
    """A function that starts Knot with zones, as nsd() does."""
    with ExitStack() as stack:

        def make(zones: Mapping[str, str], *, options: str = "") -> Knot:
            peer = Knot(tmp_path / f"knot{len(list(tmp_path.iterdir()))}", zones, options=options)
            stack.callback(peer.stop)
            peer.start()
            return peer

        yield make
