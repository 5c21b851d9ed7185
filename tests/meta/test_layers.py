"""Imports only go down: the floors of the house are the table here, docs/design.md draws it."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping

import pytest

from tests.harness import ROOT
from tests.meta.source import imports, modules, within

#: The floors from the bottom up; each room may import rooms on floors below its own.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "addresses", "named_files", "dns"),
    ("events", "runtime", "settings"),
    ("view", "sources", "metrics"),
    ("consumer", "resolver"),
    ("serving", "admin"),
    ("workers",),
    ("app",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
#: Rooms that may import one beside them, and why.
BESIDE: Mapping[str, tuple[str, ...]] = {
    "dns": ("errors",),     # what cannot be parsed is one of the project's exceptions
}
#: Rooms that do without one below them, so that neither has to be loaded for the other.
APART: Mapping[str, tuple[str, ...]] = {"metrics": ("settings",)}
#: Within a room, from the bottom up; what is not named here may be imported by all of its room, and imports none of it.
ROOMS_INSIDE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "resolver": (("resolution",), ("transport",), ("service",)),
    "sources": (("base", "filelog"), ("file", "sink"), ("kafka", "pulsar")),
    "admin": (("schema",), ("http",), ("access",), ("fleet", "node", "status", "commits", "resolver"), ("routes",),
              ("service",)),
}
#: What is pure: it computes from its arguments, and knows no hub, sockets, storage, clocks, logs, process.
PURE = ("dns", "events", "resolver.resolution")
IMPURE = ("gevent", "socket", "select", "ssl", "lmdb", "time", "datetime", "logging", "os", "threading", "subprocess",
          "random", "secrets", "streamdns.runtime", "streamdns.settings")
MODULES = modules("streamdns")


def room(name: str) -> str:
    """The room that a module is in: the first word below streamdns; "" for the package itself, which has no code."""
    return name.split(".")[1] if "." in name else ""


def floor(name: str) -> int:
    """The number of a module's floor, 0 at the bottom; -1 where the table has none. The package itself is below all."""
    if not room(name):
        return 0
    return next((number for number, rooms in enumerate(FLOORS) if room(name) in rooms), -1)


def wrong_imports(name: str, known: Iterable[str]) -> list[str]:
    """Modules among `known` (what `name` imports) that it may not import: of a higher floor, or of a room beside."""
    found = []
    for other in known:
        if floor(other) > floor(name) or room(other) in APART.get(room(name), ()):
            found.append(other)
        elif floor(other) == floor(name) and room(other) and room(other) != room(name):
            if room(other) not in BESIDE.get(room(name), ()):
                found.append(other)
        elif room(other) == room(name) and _inside(other) > _inside(name) >= 0:
            found.append(other)
    return sorted(found)


def _inside(name: str) -> int:
    """The floor of a module within its room, -1 where the room has none of its own."""
    parts = name.split(".")
    floors = ROOMS_INSIDE.get(room(name), ())
    return next((number for number, names in enumerate(floors) if len(parts) > 2 and parts[2] in names), -1)


def test_there_is_something_to_look_at() -> None:
    """A wrong folder would make every other test here pass."""
    assert {"streamdns.errors", "streamdns.dns.name", "streamdns.sources.base"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_floor(name: str) -> None:
    """A new room is entered in the table above."""
    assert floor(name) >= 0, f"{name} is on no floor: enter its room in tests/meta/test_layers.py"


@pytest.mark.parametrize("name", MODULES)
def test_imports_only_go_down(name: str) -> None:
    """No module imports one of a higher floor or of a room beside its own, not even for its types or late."""
    wrong = wrong_imports(name, imports(name, MODULES[name]) & set(MODULES))
    assert not wrong, f"{name} (floor {floor(name)}) imports {', '.join(wrong)}, which is not below it"


@pytest.mark.parametrize(("where", "line"), [
    ("dns", "from streamdns.serving.udp import UdpServer"),
    ("view", "from streamdns.consumer import progress"),
    ("view", "import streamdns.sources.base"),
    ("settings", "def late() -> None:\n    from streamdns.metrics import registry"),
    ("metrics", "from streamdns.settings import Settings"),
    ("runtime", "from streamdns import settings"),
    ("resolver/resolution", "from streamdns.resolver.transport import udp"),
    ("admin/routes", "from streamdns.app import App"),
])
def test_a_file_on_the_wrong_floor_is_found(tmp_path: pathlib.Path, where: str, line: str) -> None:
    """A file that imports what is not below its room fails the test above, wherever in it the import stands."""
    path = tmp_path / "misplaced.py"
    path.write_text(f"from __future__ import annotations\n\n{line}\n")
    name = f"streamdns.{where.replace('/', '.')}.misplaced"
    assert wrong_imports(name, imports(name, path) & set(MODULES))


@pytest.mark.parametrize("program", ["streamdns", "console"])
def test_no_two_modules_import_each_other(program: str) -> None:
    """There is no circle of imports, inside a room either; what is imported late or for types counts, too."""
    there = modules(program)
    known = {name: imports(name, path) & set(there) - {name} for name, path in there.items()}
    # `from package import module` names the package as well, whose own file imports nothing of it but its face.
    faces = {name for name, path in there.items() if path.name == "__init__.py"}
    left = {name: others - faces for name, others in known.items() if name not in faces}
    while free := {name for name, others in left.items() if not others & set(left)}:
        left = {name: others for name, others in left.items() if name not in free}
    assert not left, f"circles of imports go through {', '.join(sorted(left))}"


@pytest.mark.parametrize("name", [name for name in MODULES if within(name, *(f"streamdns.{each}" for each in PURE))])
def test_pure_modules_do_nothing_but_compute(name: str) -> None:
    """The rules of DNS, events and resolutions are functions of their arguments."""
    found = {other for other in imports(name, MODULES[name]) if within(other, *IMPURE)}
    assert not found, f"{name} is pure and imports {', '.join(sorted(found))}"


def test_the_design_page_draws_the_floors() -> None:
    """The picture in docs/design.md has the rooms of the table, each on its floor."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    drawn = re.findall(r"subgraph (f\d)[^\n]*\n(.*?)\n    end", text, re.DOTALL)
    assert drawn
    for number, (_, rooms) in enumerate(drawn):
        assert set(re.findall(r"^ +(\w+)\[", rooms, re.MULTILINE)) == set(FLOORS[number])
    above = [name for rooms in FLOORS[len(drawn):] for name in rooms]
    assert all(name in text for name in above)


def test_the_design_page_names_files_that_there_are() -> None:
    """Whoever looks for a place to change something finds the file that the page names."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*\w+\.(?:py|yml|json)|(?:\w+/)+)`", text))
    assert len(named) > 30
    missing = [name for name in named if not (ROOT / "streamdns" / name).exists() and not (ROOT / name).exists()]
    assert not missing


@pytest.mark.parametrize(
    ("library", "files"), [("confluent_kafka", {"cluster", "confluent"}), ("pykafka", {"pykafka"})]
)
def test_client_libraries_are_used_in_few_files(library: str, files: set[str]) -> None:
    """Who does not read or write Kafka never loads them: only files of their own room import those that use them."""
    users = {name for name, path in MODULES.items() if any(within(other, library) for other in imports(name, path))}
    assert users == {f"streamdns.sources.kafka.{file}" for file in files}
    loading = {name for name, path in MODULES.items() if users & imports(name, path)}
    assert all(within(name, "streamdns.sources.kafka") for name in loading), loading


def test_who_writes_to_kafka_is_loaded_by_need() -> None:
    """Commands that write to a file log have nothing to do with a client library."""
    code = "import sys; import streamdns.commands.import_zone; print([m for m in sys.modules if 'kafka' in m])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(["streamdns.settings.kafka"])


@pytest.mark.parametrize("name", modules("console"))
def test_the_console_knows_only_the_admin_schema(name: str) -> None:
    """The console talks to the admin API; of the server's code it may have the schema alone."""
    known = imports(name, modules("console")[name])
    found = {other for other in known if within(other, "gevent", "lmdb", "streamdns")}
    assert all(within(other, "streamdns.admin.schema") for other in found), sorted(found)
