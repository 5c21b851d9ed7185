"""Imports only go down: who may know whom is the table here."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.harness import ROOT
from tests.meta.source import imports, modules, within

#: From the bottom up; a module belongs to the longest entry that it is in or below, "=" in front means only itself.
LAYERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("base", (
        "=streamdns", "=streamdns.dns", "=streamdns.events", "streamdns.runtime", "streamdns.errors", "streamdns.addresses",
        "streamdns.settings",
        "streamdns.metrics",
    )),
    ("names and wire", (
        "streamdns.dns.name", "streamdns.dns.rdata", "streamdns.dns.rdata_plain", "streamdns.dns.wire",
        "streamdns.dns.node", "streamdns.dns.negative", "streamdns.dns.cookies",
    )),
    ("events and answers", (
        "streamdns.events.event", "streamdns.events.batch", "streamdns.dns.lookup",
        "streamdns.dns.outcome", "streamdns.dns.answer",
        "streamdns.dns.unusual",
    )),
    ("resolutions", (
        "=streamdns.resolver", "streamdns.resolver.message", "streamdns.resolver.cache", "streamdns.resolver.servers",
        "streamdns.resolver.verdict", "streamdns.resolver.question", "streamdns.resolver.job",
        "streamdns.resolver.known", "streamdns.resolver.walk", "streamdns.resolver.messages",
        "streamdns.resolver.stale", "streamdns.resolver.resolution",
        "streamdns.resolver.special",
    )),
    ("view and sources", ("streamdns.view", "streamdns.sources")),
    ("services", (
        "streamdns.consumer", "streamdns.serving", "streamdns.admin",
        "streamdns.resolver",
    )),
    ("app and command line", ("streamdns.app", "streamdns.cli", "streamdns.commands", "streamdns.__main__")),
)
PURE = ("names and wire", "events and answers", "resolutions")
#: What a pure module may not know: the hub, sockets, storage, clocks, logs, the process.
IMPURE = ("gevent", "socket", "select", "ssl", "lmdb", "time", "datetime", "logging", "os", "threading", "subprocess",
          "random", "secrets", "streamdns.runtime", "streamdns.settings")
MODULES = modules("streamdns")


def layer(name: str) -> int:
    """The number of the layer that a module is in; -1 when the table does not say."""
    best, found = -1, -1
    for number, (_, entries) in enumerate(LAYERS):
        for entry in entries:
            matches = name == entry[1:] if entry.startswith("=") else within(name, entry)
            if matches and len(entry) > best:
                best, found = len(entry), number
    return found


def test_there_is_something_to_look_at() -> None:
    """A wrong folder would make every other test here pass."""
    assert {"streamdns.errors", "streamdns.dns.name", "streamdns.sources.base"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_layer(name: str) -> None:
    """A new module is entered in the table above."""
    assert layer(name) >= 0, f"{name} is in no layer: enter it in tests/meta/test_layers.py"


@pytest.mark.parametrize("name", MODULES)
def test_imports_only_go_down(name: str) -> None:
    """No module imports one of a higher layer, not even for its types."""
    mine = layer(name)
    up = {other for other in imports(name, MODULES[name]) if other in MODULES and layer(other) > mine}
    assert not up, f"{name} ({LAYERS[mine][0]}) imports {', '.join(sorted(up))} from above it"


@pytest.mark.parametrize("name", [name for name in MODULES if LAYERS[layer(name)][0] in PURE])
def test_pure_modules_do_nothing_but_compute(name: str) -> None:
    """Names, wire, events and answers are functions of their arguments."""
    found = {other for other in imports(name, MODULES[name]) if within(other, *IMPURE)}
    assert not found, f"{name} is pure and imports {', '.join(sorted(found))}"


@pytest.mark.parametrize("library", ["confluent_kafka", "pykafka"])
def test_a_client_library_has_one_module(library: str) -> None:
    """Who does not use it never loads it."""
    users = [name for name, path in MODULES.items() if any(within(other, library) for other in imports(name, path))]
    assert len(users) == 1, users
    module = users[0]
    loading = {name for name, path in MODULES.items() if module in imports(name, path)}
    writing = {"streamdns.sources.kafka.sink"} if library == "confluent_kafka" else set()
    assert loading == {"streamdns.sources.kafka.source"} | writing


def test_who_writes_to_kafka_is_loaded_by_need() -> None:
    """Commands that write to a file log have nothing to do with a client library."""
    code = "import sys; import streamdns.commands.importing; print([m for m in sys.modules if 'kafka' in m])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(["streamdns.settings.kafka"])


@pytest.mark.parametrize("name", modules("console"))
def test_the_console_knows_only_the_admin_schema(name: str) -> None:
    """The console talks to the admin API; of the server's code it may have the schema alone."""
    known = imports(name, modules("console")[name])
    found = {other for other in known if within(other, "gevent", "lmdb", "streamdns")}
    assert all(within(other, "streamdns.admin.schema") for other in found), sorted(found)
