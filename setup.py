"""Packaging of streamdns: two import names, two commands; the console, its web server and Pulsar are extras."""

from __future__ import annotations

import ast
import importlib
import os
import pathlib
import sys
from typing import Any

from setuptools import Extension, find_packages, setup

HERE = pathlib.Path(__file__).resolve().parent
#: How answers are made: typed Python, which runs as it stands and which Cython compiles, with the types in C that the
#: .pxd beside it declares.
TYPED_IN_C = (
    "streamdns/dns/answer", "streamdns/dns/outcome", "streamdns/dns/ready",
    "streamdns/resolver/resolution/ready_answers", "streamdns/resolver/service/answering",
    "streamdns/resolver/service/flattening", "streamdns/serving/responder", "streamdns/serving/statistics",
)
#: What else every answer and every event goes through: typed Python, which mypyc compiles as it stands.
TYPED = (
    "streamdns/dns/compression", "streamdns/dns/cookies", "streamdns/dns/lookup", "streamdns/dns/name",
    "streamdns/dns/negative", "streamdns/dns/node", "streamdns/dns/rdata_plain", "streamdns/dns/reply_kind",
    "streamdns/dns/response_rates", "streamdns/dns/served", "streamdns/dns/unusual", "streamdns/dns/wire",
    "streamdns/events/batch", "streamdns/events/event", "streamdns/events/fence", "streamdns/events/message_id",
    "streamdns/events/provenance", "streamdns/events/rrset",
    "streamdns/resolver/resolution/cache", "streamdns/resolver/resolution/costs", "streamdns/resolver/resolution/job",
    "streamdns/resolver/resolution/load", "streamdns/resolver/resolution/local_data",
    "streamdns/resolver/resolution/message", "streamdns/resolver/resolution/places",
    "streamdns/resolver/resolution/question",
    "streamdns/resolver/resolution/resolution", "streamdns/resolver/resolution/servers",
    "streamdns/resolver/resolution/special_names", "streamdns/resolver/resolution/stale",
    "streamdns/resolver/resolution/verdict", "streamdns/resolver/resolution/walk",
    "streamdns/resolver/service/admission", "streamdns/resolver/service/from_settings",
    "streamdns/resolver/service/recursor",
    "streamdns/resolver/transport/flight", "streamdns/resolver/transport/pace", "streamdns/resolver/transport/tcp",
    "streamdns/resolver/transport/transport", "streamdns/resolver/transport/udp",
    "streamdns/serving/batches", "streamdns/serving/limiter",
    "streamdns/sources/filelog",
    "streamdns/view/aside", "streamdns/view/below", "streamdns/view/bounds", "streamdns/view/candidates",
    "streamdns/view/claims", "streamdns/view/digest",
    "streamdns/view/journal", "streamdns/view/keys", "streamdns/view/partition_digests", "streamdns/view/quarantine",
    "streamdns/view/transaction", "streamdns/view/writer", "streamdns/view/zones",
)
#: Nothing that happens to be installed changes what is made: types of other packages are not looked at.
_MYPY = ("--config-file=", "--cache-dir=/dev/null", "--no-site-packages", "--ignore-missing-imports",
         "--follow-imports=silent")


def version() -> str:
    """`__version__` of streamdns/__init__.py, read without importing it: its dependencies may not be there yet."""
    tree = ast.parse((HERE / "streamdns" / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return str(ast.literal_eval(node.value))
    raise SystemExit("streamdns/__init__.py assigns no __version__")


def requirements(name: str) -> list[str]:
    """The exact pins of a file: a server and a console run with the versions that they were tested with."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def console_packages() -> list[str]:
    """Import names of what lies below console/."""
    return ["streamdns_console"] + [f"streamdns_console.{name}" for name in find_packages(str(HERE / "console"))]


def tool(name: str) -> Any:
    """A module of what compiles, which nobody else needs."""
    try:
        return importlib.import_module(name)
    except ImportError:
        sys.exit(f"STREAMDNS_COMPILE=1 needs {name}: pip install -r requirements-compile.txt")


def extensions() -> list[Extension]:
    """What is compiled where STREAMDNS_COMPILE=1 is set: modules in Cython, and those that are typed; else all is done
    in Python.

    Beside their sources only the former: a compiled module goes before its source, whatever becomes of that.
    """
    if os.environ.get("STREAMDNS_COMPILE") != "1":
        return []
    sources = sorted((HERE / "streamdns").rglob("*.pyx"))
    whole = "--inplace" not in sys.argv
    names = [str(path.relative_to(HERE)) for path in sources] + [f"{name}.py" for name in TYPED_IN_C if whole]
    made: list[Extension] = tool("Cython.Build").cythonize(
        [Extension(name.rsplit(".", 1)[0].replace("/", "."), [name]) for name in names],
        build_dir="build/cython", language_level=3, quiet=True, force=True,
        compiler_directives={"annotation_typing": False},
    )
    if whole:
        made += tool("mypyc.build").mypycify(
            [*_MYPY, *(f"{name}.py" for name in TYPED)], opt_level="2", debug_level="0", group_name="streamdns",
        )
    return made


setup(
    name="streamdns",
    version=version(),
    description="An authoritative DNS server whose zones are events in a log",
    license="MIT",
    platforms=["Linux"],
    python_requires=">=3.11",
    packages=find_packages(str(HERE), include=["streamdns", "streamdns.*"]) + console_packages(),
    package_dir={"streamdns_console": "console"},
    ext_modules=extensions(),
    install_requires=requirements("requirements.txt"),
    extras_require={
        "console": requirements("requirements-console.txt"),
        "pulsar": requirements("requirements-pulsar.txt"),
        "web": requirements("requirements-console.txt") + requirements("requirements-web.txt"),
    },
    entry_points={"console_scripts": [
        "streamdns = streamdns.__main__:main", "streamdns-console = streamdns_console.cli:main",
    ]},
    zip_safe=False,
)
