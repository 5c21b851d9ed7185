"""Adds Debian's packages of the Python runtime to an SBOM of CycloneDX: sbom.py BOM RUNTIME, on standard output.

RUNTIME has a line for each package, as sha256sum writes them: its digest and the name of its file.
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote


def component(line: str) -> dict[str, Any]:
    """The component of a package of Debian's."""
    digest, file = line.split()
    name, version, arch = unquote(file).removesuffix(".deb").split("_")
    purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={arch}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
            "hashes": [{"alg": "SHA-256", "content": digest}]}


def main(arguments: Sequence[str]) -> None:
    """Write it."""
    bom, runtime = map(pathlib.Path, arguments)
    document = json.loads(bom.read_text(encoding="utf-8"))
    found = {each["name"]: each for each in document["components"]}
    own = found["streamdns"]
    document["components"] = [each for each in document["components"] if each is not own]
    document["components"] += [component(line) for line in runtime.read_text(encoding="utf-8").splitlines()]
    document["metadata"]["component"] = own | {"type": "application"}
    json.dump(document, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main(sys.argv[1:])
