"""Zone files as `streamdns import` takes them: every RRset of a zone, or what is wrong with the file and where."""

from __future__ import annotations

from dataclasses import dataclass

from streamdns.commands import CommandError
from streamdns.dns import name, rdata
from streamdns.dns.master import MasterReader, Problem
from streamdns.errors import BadEvent
from streamdns.events.rrset import Gathered


@dataclass(frozen=True, slots=True)
class FileRRset:
    """One RRset of a zone file: the lowest TTL of its records, RDATAs in wire form in order, and where it begins."""

    ttl: int
    where: str
    rdatas: tuple[bytes, ...] = ()


#: By owner (lower-case wire name) and type.
FileRRsets = dict[tuple[bytes, int], FileRRset]


class BadZoneFile(CommandError):
    """A zone file with mistakes; `problems` are all of them, the text is the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(str(problems[0]))


def read(path: str, origin: bytes) -> FileRRsets:
    """The RRsets of a zone file; raises BadZoneFile, or CommandError where it cannot be read."""
    rrsets, problems = read_what_is_good(path, origin)
    if problems:
        raise BadZoneFile(problems)
    return rrsets


def read_what_is_good(path: str, origin: bytes) -> tuple[FileRRsets, list[Problem]]:
    """The RRsets of a zone file without its bad records, and what is wrong with these."""
    reader = MasterReader(origin, _octets)
    gathered: dict[tuple[bytes, int], tuple[str, Gathered]] = {}
    try:
        for record in reader.read(path):
            key = record.owner, record.rdtype
            if key not in gathered:
                gathered[key] = record.where, Gathered(*key)
            gathered[key][1].add(record.ttl, record.wire)
    except OSError as err:
        raise CommandError(f"{path} cannot be read: {(err.strerror or str(err)).lower()}") from err
    problems = reader.problems
    rrsets: FileRRsets = {}
    for (owner, rdtype), (where, found) in gathered.items():
        try:
            rrsets[owner, rdtype] = FileRRset(found.ttl, where, found.rrset())
        except BadEvent as err:
            what = f"{name.to_text(owner)} {rdata.type_to_text(rdtype)}: {err.reason}"
            problems.append(Problem(where, what, owner, rdtype))
    return rrsets, problems


def _octets(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
