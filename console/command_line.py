"""The line behind `:` takes a name, a zone, a search or a command: the shortest way from a ticket to its record."""

from __future__ import annotations

from streamdns.admin.schema.places import position_of

from .actions import start_flush, start_rebuild, start_wait
from .asking import absolute
from .bars import SCREENS
from .panes.pane import Host

_TYPES = frozenset(
    "A AAAA CNAME MX NS TXT SOA SRV PTR CAA DNAME DS DNSKEY TLSA SSHFP NAPTR SVCB HTTPS LOC URI HINFO RP".split()
)


def run(host: Host, text: str) -> None:
    """Do what a line says; what cannot be is said."""
    words = text.split()
    command, rest = words[0].lower(), words[1:]
    known = {"zone": _zone, "search": _search, "name": _name, "wait": _wait, "flush": _flush, "rebuild": _rebuild}
    if command in known:
        problem = known[command](host, rest)
    elif command in ("q", "quit", "exit"):
        host.exit_console()
        return
    elif not rest and command in {name for _, name in SCREENS}:
        host.go(command)
        return
    elif "." in words[0]:
        problem = _name(host, words)
    else:
        problem = (
            f"“{words[0]}” is no command and no name: zone, search, name, wait, flush, rebuild, quit, a screen, "
            "or a name with a dot in it"
        )
    if problem:
        host.tell(problem, wrong=True)


def is_type(text: str) -> bool:
    """Whether a word reads like the type of a record."""
    upper = text.upper()
    return upper in _TYPES or (upper.startswith("TYPE") and upper[4:].isdigit())


def _name(host: Host, words: list[str]) -> str:
    if not words:
        return "say which name: name www.example.org A"
    types = [word.upper() for word in words if is_type(word)]
    names = [word for word in words if not is_type(word)]
    if len(names) != 1:
        return "say one name, and perhaps a type: www.example.org A"
    host.open_name(names[0].lower(), types[0] if types else "")
    return ""


def _zone(host: Host, words: list[str]) -> str:
    from .panes.records import Records

    if len(words) != 1:
        return "say which zone: zone example.org"
    host.enter(Records(host, absolute(words[0].lower())))
    return ""


def _search(host: Host, words: list[str]) -> str:
    from .panes.records import Records, parse_search

    if not words:
        return "say what to search: search www, search type=MX content=mail"
    host.enter(Records(host, "", wanted=parse_search(" ".join(words))))
    return ""


def _wait(host: Host, words: list[str]) -> str:
    """A partition and offset (0:4711), or name, type and perhaps content."""
    if len(words) == 1 and ":" in words[0]:
        topic, _, rest = words[0].rpartition("/")
        number, _, offset = rest.partition(":")
        if not (number.isascii() and number.isdigit() and len(number) < 10 and offset):
            return "wait for what: PARTITION:OFFSET, TOPIC/PARTITION:OFFSET, or NAME TYPE [CONTENT]"
        try:
            start_wait(host, {"topic": topic, "partition": int(number), "offset": position_of(offset, pulsar=True)})
        except ValueError as error:
            return str(error)
        return ""
    if len(words) < 2 or not is_type(words[1]):
        return "wait for what: PARTITION:OFFSET, TOPIC/PARTITION:OFFSET, or NAME TYPE [CONTENT]"
    start_wait(host, {"name": absolute(words[0].lower()), "type": words[1].upper(), "content": " ".join(words[2:])})
    return ""


def _flush(host: Host, words: list[str]) -> str:
    below = "below" in words
    names = [word for word in words if word != "below"]
    if len(names) > 1:
        return "flush one name, one with all below it (flush example.org below), or everything"
    start_flush(host, absolute(names[0].lower()) if names else "", below=below)
    return ""


def _rebuild(host: Host, words: list[str]) -> str:
    start_rebuild(host)
    return ""
