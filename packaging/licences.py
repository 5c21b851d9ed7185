"""Writes the copyright file of a package on standard output: licences.py LICENSE DIST-PACKAGES [RUNTIME MYPY].

DIST-PACKAGES holds the installed packages with their dist-info, RUNTIME the unpacked packages of Debian's Python where
the package has it, MYPY is the dist-info of the compiler, of which a part goes into what it compiles, LICENSE is
streamdns' own. Fails where a package comes without any word about its licence.
"""

from __future__ import annotations

import email.parser
import email.policy
import itertools
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator

_FORMAT = "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
_NAMES = re.compile(r"(licen[cs]e|copying|notice|copyright)", re.IGNORECASE)


def _indented(text: str) -> str:
    return "\n".join(f" {line.rstrip()}" if line.strip() else " ." for line in text.strip().splitlines())


def _texts(info: pathlib.Path) -> Iterator[str]:
    """The licence texts that came with a package, each once."""
    seen: set[str] = set()
    for path in sorted(info.rglob("*")):
        if path.is_file() and _NAMES.search(path.name):
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            if text and text not in seen:
                seen.add(text)
                yield text


def _package(info: pathlib.Path) -> str:
    parser = email.parser.HeaderParser(policy=email.policy.compat32)
    metadata = parser.parsestr((info / "METADATA").read_text(encoding="utf-8"))
    name, version = metadata["Name"], metadata["Version"]
    classifiers = [str(line).rpartition("::")[2].strip() for line in metadata.get_all("Classifier", [])
                   if str(line).startswith("License ::")]
    short = str(metadata["License-Expression"] or (metadata["License"] or "").partition("\n")[0].strip()
                or ", ".join(classifiers))
    texts = list(_texts(info))
    if not short and not texts:
        raise SystemExit(f"{name} {version} says nothing about its licence")
    author = metadata["Author"] or metadata["Author-email"] or metadata["Maintainer"] or "its authors"
    body = "\n\n".join(texts) or f"It comes without the text; its metadata say: {short}."
    return (f"Files: usr/lib/streamdns/lib/python3.11/dist-packages/*\nComment: {name} {version}\n"
            f"Copyright: {author}\nLicense: {name}-{version}\n {short or 'see below'}\n .\n{_indented(body)}")


def main(arguments: Iterable[str]) -> None:
    """Write it."""
    own, site, *others = map(pathlib.Path, arguments)
    runtimes, compilers = others[:1], others[1:]
    stanzas = [f"Format: {_FORMAT}\nUpstream-Name: streamdns",
               "Files: *\nCopyright: 2026 streamdns contributors\nLicense: MIT\n"
               + _indented(own.read_text(encoding="utf-8"))]
    for runtime, name in itertools.product(runtimes, ("python3.11-minimal", "libexpat1")):
        text = (runtime / "usr/share/doc" / name / "copyright").read_text(encoding="utf-8")
        stanzas.append(f"Files: usr/lib/streamdns/*\nComment: {name} of Debian\nCopyright: see below\nLicense: {name}\n"
                       + _indented(text))
    infos = sorted(site.glob("*.dist-info"), key=lambda path: path.name.lower())
    if not infos:
        raise SystemExit(f"no packages in {site}")
    stanzas += [_package(info) for info in (*infos, *compilers) if not info.name.startswith("streamdns-")]
    print("\n\n".join(stanzas))


if __name__ == "__main__":
    main(sys.argv[1:])
