"""The commands that the pages of docs/ and the README show, and whether what they write looks as it is printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.harness.process import ROOT

#: What is another one in each run, or longer and shorter: only its kind is compared.
_KINDS = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    # Of one kind with numbers: a large number looks like a digest, and now and then a digest like a number.
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,64}\b"), "N"),
    (re.compile(r"eyJ[\w.-]+"), "TOKEN"),
    (re.compile(r"\b\d+(\.\d+)*(:\d+)?"), "N"),
    (re.compile(r"\b(KiB|MiB|octets|ms|s)\b"), "UNIT"),
    (re.compile(r"\s+"), " "),
)


class Shown(NamedTuple):
    """A command of a page, the section that it stands in, and the lines printed below it."""

    page: str
    section: str
    command: str
    output: tuple[str, ...]


def shown(page: str) -> list[Shown]:
    """Every `$ ...` of a page in order, whether indented or in a block of kind console."""
    found: list[Shown] = []
    section, fenced = "", False
    for line in (ROOT / page).read_text(encoding="utf-8").split("\n"):
        if line.startswith("```"):
            fenced = line == "```console"
        elif line.startswith("#") and not fenced:
            section = line.lstrip("# ")
        elif fenced or line.startswith("    "):
            text = line if fenced else line[4:]
            if text.startswith("$ "):
                found.append(Shown(page, section, text[2:].partition("  #")[0].rstrip(), ()))
            elif found and found[-1].section == section and text:
                found[-1] = found[-1]._replace(output=(*found[-1].output, text))
        elif line and not fenced and found and found[-1].section == section:
            section = f"{section}#"  # Words in between: what is indented next belongs to another command.
    return [each._replace(section=each.section.rstrip("#")) for each in found]


def inline(page: str, program: str) -> Iterator[str]:
    """Commands of a program in the sentences of a page: what stands between backticks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for match in re.finditer(rf"`({program}(?: [^`]*)?)`", text):
        yield " ".join(match[1].split())


def likeness(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, kind in _KINDS:
        line = pattern.sub(kind, line)
    return line.strip()


def missing(each: Shown, written: str) -> list[str]:
    """Printed lines that have nothing like them in what was written; "..." stands for any, also at the end of one."""
    got = [likeness(line) for line in written.splitlines()]
    left = []
    for line in each.output:
        wanted = likeness(line)
        # In a page a line may be broken.
        if wanted == "..." or any(wanted in one for one in got):
            continue
        if wanted.endswith("...") and any(one.startswith(wanted[:-3].rstrip(", ")) for one in got):
            continue
        left.append(line)
    return left
