"""Questions that take more than one call of the API."""

from __future__ import annotations

from streamdns.admin.schema.data import NameRecords

from . import calls
from .api import Refused
from .reader import Reader


def ancestors(name: str) -> list[str]:
    """The name and all names above it, the root last; a dot behind a backslash ends no label."""
    found, at = [name], 0
    while at < len(name):
        if name[at] == "\\":
            at += 4 if name[at + 1 : at + 4].isdigit() else 2
            continue
        if name[at] == "." and at + 1 < len(name):
            found.append(name[at + 1 :])
        at += 1
    return found if name == "." else [*found, "."]


def absolute(name: str) -> str:
    """The name with the dot at its end."""
    return name if name.endswith(".") and not name.endswith("\\.") else name + "."


async def find_name(reader: Reader, name: str) -> NameRecords:
    """The records of a name, in the zone nearest to it; raises ApiProblem."""
    name = absolute(name)
    for zone in ancestors(name):
        try:
            return await reader.ask(calls.name(zone, name))
        except Refused as refused:
            if refused.status not in (404, 403):
                raise
    raise Refused(f"{name} is in no zone of this node that you may see", status=404, code="not_found")
