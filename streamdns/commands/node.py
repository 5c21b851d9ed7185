"""The commands that show what a node's admin API says, such as `status`, `zones`, `search` and `journal`."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from streamdns.admin.fleet.client import Client, Event, NodeError
from streamdns.admin.schema.requests import part
from streamdns.commands import CommandError
from streamdns.commands.endpoint import client_of
from streamdns.commands.output import moment, note, print_json, printable
from streamdns.commands.tables import Table, octets, print_array, print_pairs, print_table, span
from streamdns.events.message_id import position_text
from streamdns.settings import Settings

_PAGE = 500
_SILENCE_S = 60.0
_AWAY_S = 60.0
_AGAIN_S = 0.5


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run one of these commands; raises CommandError, NodeError."""
    commands: dict[str, Callable[[argparse.Namespace, Client], int]] = {
        "status": status, "zones": zones, "records": records, "search": search, "consumer": consumer,
        "quarantine": quarantine, "journal": journal, "nodes": nodes,
    }
    client = client_of(args, settings)
    try:
        return commands[args.command](args, client)
    except (KeyError, TypeError, IndexError) as err:
        raise CommandError(f"{client.url} answers in another way than this version: {err!r}") from err


_COUNTS = (("zones", "zones"), ("nodes", "names"), ("rrsets", "RRsets"), ("records", "records"))


def status(args: argparse.Namespace, client: Client) -> int:
    """Show what a node is doing; exit 1 where it should get no queries."""
    found = client.get("/v1/status")
    if args.json:
        print_json(found)
        return 0 if found["ready"] else 1
    consumer, lag, view = found["consumer"], found["lag"], found["view"]
    counts = [f"{found[what]} {shown}" for what, shown in _COUNTS]
    rebuild = f": rebuild: {view['rebuild']}" if view["rebuild"] else ""
    print_pairs([
        ("node", f"{found['instance']}, streamdns {found['version']}, up {span(found['uptime'])}"),
        ("ready", found["ready"] or f"no: {'; '.join(found['not_ready_because'])}"),
        ("consumer", f"{consumer['state']} since {_second(consumer['since'])}" + _behind(consumer["error"])),
        ("log", consumer["source"]),
        ("lag", _lag(lag, consumer["state"])),
        *_progress(consumer),
        *((("alarm", f"{_second(consumer['alarm']['time'])} {consumer['alarm']['reason']}"),)
          if consumer["alarm"] else ()),
        ("data", counts),
        ("digest", found["digest"]),
        ("quarantine", found["quarantine"]),
        ("conflicts", found["conflicts"]),
        ("view", f"{view['path']}, {octets(view['bytes'])}{rebuild}"),
        *(("divergence", sentence) for sentence in found["divergence"]),
        *(("service", f"{each['name']} is {each['state']}" + _behind(each["error"]))
          for each in found["services"] if not each["ready"]),
        *(("worker", f"{each['number']} is {each['state']} since {_second(each['since'])}, {each['queries']} queries, "
                     f"replaced {each['restarts']} times" + _behind(each["error"]))
          for each in found.get("workers", ())),
    ])
    return 0 if found["ready"] else 1


def zones(args: argparse.Namespace, client: Client) -> int:
    """List all zones, or show one."""
    if args.zone:
        found = client.get(f"/v1/zones/{part(args.zone)}")
        if args.json:
            print_json(found)
            return 0
        soa = found["soa"] or {}
        print_pairs([
            ("zone", found["name"]),
            ("SOA", f"{soa['mname']} {soa['rname']} serial {soa['serial']}, refresh {soa['refresh']}, retry "
                    f"{soa['retry']}, expire {soa['expire']}, minimum {soa['minimum']}" if soa else None),
            ("data", f"{found['rrsets']} RRsets, {found['records']} records"),
            ("digest", found["digest"] + (" (still counting)" if found["counting"] else "")),
            ("changed", moment(found["changed"])),
            ("stale", f"for {span(found['stale_seconds'])}" if found["stale_seconds"] else "no"),
        ])
        return 0
    return _list(
        args, _rows(client, "/v1/zones", "zones", {"below": args.below}, args.limit),
        ("ZONE", "SERIAL", "RRSETS", "RECORDS", "CHANGED", "DIGEST"),
        lambda zone: (
            zone["name"], (zone["soa"] or {}).get("serial"), zone["rrsets"], zone["records"], moment(zone["changed"]),
            zone["digest"][:16],
        ),
        "there are no zones",
    )


def records(args: argparse.Namespace, client: Client) -> int:
    """List the records of a zone, or of one name of it."""
    path = f"/v1/zones/{part(args.zone)}/records"
    if args.name:
        found = client.get(f"{path}/{part(args.name)}", {"type": args.type})
        rows: Iterable[Any] = found["rrsets"]
    else:
        rows = (row for row in _rows(client, path, "rrsets", {}, None) if args.type in (None, row["type"]))
        rows = itertools.islice(rows, args.limit)
    return _list(args, rows, _RRSET, _rrset, "there are no records", empty=1)


def search(args: argparse.Namespace, client: Client) -> int:
    """List the RRsets that match."""
    if not any((args.text, args.glob, args.type, args.content)):
        raise CommandError("say what to search: TEXT, --glob, --type or --content")
    wanted = {"name": args.text, "glob": args.glob, "type": args.type, "content": args.content, "zone": args.zone}
    rows = _rows(client, "/v1/search", "rrsets", wanted, args.limit)
    return _list(args, rows, _RRSET, _rrset, "nothing was found", empty=1)


#: Columns of lists and of nodes that a narrow terminal has no room for; the first ones go first.
_OPTIONAL = ("NOTES", "PRODUCER", "TIMESTAMP", "READ", "WHERE", "FROM", "DIGEST", "VERSION", "INSTANCE")

_RRSET = ("NAME", "TTL", "TYPE", "FROM", "TIMESTAMP", "NOTES", "RECORDS")


def _place(row: Mapping[str, Any]) -> str:
    """Where the event of a row stands in the log; a token of some zones is not told."""
    if row["topic"] is None:
        return "-"
    return f"{row['topic']}/{row['partition']}:{position_text(row['topic'], row['position'])}"


def _rrset(row: Mapping[str, Any]) -> Sequence[Any]:
    where = "local" if row["local"] else _place(row)
    notes = [word for word in ("shadowed", "rejected") if row[word]]
    return (row["name"], row["ttl"], row["type"], where, moment(row["timestamp"]), notes or None,
            " | ".join(row["records"]))


def consumer(args: argparse.Namespace, client: Client) -> int:
    """Show the source of the log and its partitions."""
    found = client.get("/v1/consumer")
    if args.json:
        print_json(found)
        return 0
    print_pairs([
        ("source", f"{found['source']} ({found['client']})"),
        ("state", f"{found['state']} since {_second(found['since'])}" + _behind(found["error"])),
        ("lag", _lag(found["lag"], found["state"])),
        *_progress(found),
    ])
    print_table(
        ("TOPIC", "PARTITION", "POSITION", "END", "LAG", "LAST EVENT", "STATE"),
        [(each["topic"], each["partition"], *(position_text(each["topic"], each[at]) for at in ("position", "end")),
          each["lag_events"], moment(each["last_event"]), each["state"]) for each in found["partitions"]],
    )
    return 0


def quarantine(args: argparse.Namespace, client: Client) -> int:
    """List the rejected events of another node, newest first."""
    return _list(
        args, _rows(client, "/v1/quarantine", "quarantined", {}, None),
        ("READ", "WHERE", "KEY", "PAYLOAD", "REASON") if args.payload else ("READ", "WHERE", "KEY", "REASON"),
        lambda row: (
            moment(row["time"]), _place(row), row["key"],
            *((row["payload"][:40],) if args.payload else ()), row["reason"],
        ),
        "the quarantine is empty",
    )


def journal(args: argparse.Namespace, client: Client) -> int:
    """List changes, newest first, or follow them as they come."""
    wanted = {"name": args.name, "zone": args.zone, "producer": args.producer}
    if args.follow:
        return _follow(args, client, wanted)
    rows = _rows(client, "/v1/journal", "changes", wanted | {"since": milliseconds("--since", args.since)}, args.limit)
    return _list(args, rows, _CHANGE, _change, "there are no changes")


def _follow(args: argparse.Namespace, client: Client, wanted: Mapping[str, Any]) -> int:
    """Follow the changes until interrupted or the node is away for long; a lost connection is resumed."""
    client.get("/v1/journal", {**wanted, "limit": 1})  # What is wrong with the request is told now.
    after, heard_s, away = "", time.monotonic(), False
    while True:
        try:
            for event in client.events("/v1/journal/stream", {**wanted, "after": after}, silence_s=_SILENCE_S):
                heard_s, away, after = time.monotonic(), False, event.id or after
                _tell(event, as_json=args.json)
        except NodeError as err:
            if err.status or time.monotonic() - heard_s > _SILENCE_S + _AWAY_S:
                raise
            if not away:
                note(f"{err}; trying again")
            away = True
        time.sleep(_AGAIN_S)


def _tell(event: Event, *, as_json: bool) -> None:
    if event.kind == "lost":
        note("changes were missed: the journal is too short, or the view was rebuilt")
    elif event.kind and as_json:
        sys.stdout.write(f"{json.dumps(event.document)}\n")
    elif event.kind:
        sys.stdout.write("  ".join(printable(str(cell)) for cell in _change(event.document)) + "\n")
    sys.stdout.flush()


_CHANGE = ("TIME", "NAME", "TYPE", "WHERE", "PRODUCER", "CHANGE")


def _change(row: Mapping[str, Any]) -> Sequence[Any]:
    if row.get("mark"):
        return (moment(row["time"]), row["name"], "-", "-", "-", f"WARNING: {row['mark']}")
    before, after = _data(row["before"]), _data(row["after"])
    return (moment(row["time"]), row["name"], row["type"], _place(row), row["producer"] or "-", f"{before} -> {after}")


def _data(data: Mapping[str, Any] | None) -> str:
    if data is None:
        return "nothing"
    if data["records"] is None:
        return f"(hash {data['hash'][:16]})"
    return f"{data['ttl']} {' | '.join(data['records'])}"


def milliseconds(option: str, text: str | None) -> int | None:
    """Parse a moment, given with an option, into milliseconds; raises CommandError."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as err:
        raise CommandError(f"{option} {text} is neither ISO 8601 (2026-01-31T12:00:00Z) nor milliseconds") from err
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def nodes(args: argparse.Namespace, client: Client) -> int:
    """Show the node and its peers; exit 1 where one diverges or does not answer."""
    found = client.get("/v1/nodes")
    peers = found["peers"]
    wrong = any(each["diverges"] or each["error"] for each in peers)
    if args.json:
        print_json(found)
        return int(wrong)
    print_table(
        ("NODE", "INSTANCE", "VERSION", "STATE", "POSITIONS", "LAG", "DIGEST", "AGREES"),
        [_node(client.url, found["node"], "itself"), *(_node(each["url"], each["report"], _agrees(each))
                                                      for each in peers)],
        optional=_OPTIONAL,
    )
    return int(wrong)


def _node(url: str, report: Mapping[str, Any] | None, agrees: str) -> Sequence[Any]:
    if report is None:
        return (url, None, None, None, None, None, None, agrees)
    at = " ".join(_place(each) for each in report["positions"])
    return (url, report["instance"], report["version"], report["state"], at, f"{report['lag_events']} events",
            report["digest"][:16], agrees)


def _agrees(seen: Mapping[str, Any]) -> str:
    if seen["error"]:
        return seen["error"]  # type: ignore[no-any-return]
    if seen["diverges"]:
        return f"NO ({seen['compared_at']}): {', '.join(seen['zones'])}"
    return "not compared yet" if seen["diverges"] is None else f"yes ({seen['compared_at']})"


def _rows(
    client: Client, path: str, rows: str, parameters: Mapping[str, Any], limit: int | None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of all pages, or the first `limit` of them; pages that are not needed are not requested."""
    most = _PAGE if limit is None else max(1, min(_PAGE, limit))
    found = (row for page in client.pages(path, {**parameters, "limit": most}) for row in page[rows])
    return found if limit is None else itertools.islice(found, limit)


def _list(
    args: argparse.Namespace, rows: Iterable[Any], head: Sequence[str], cells: Callable[[Any], Sequence[Any]],
    nothing: str, *, empty: int = 0,
) -> int:
    """Print a list as JSON, or as a table whose columns fit each page; `empty` is the exit code for an empty one."""
    rows = iter(rows)
    some = list(itertools.islice(rows, 1))
    if args.json:
        print_array(itertools.chain(some, rows))
        return 0 if some else empty
    if not some:
        note(nothing)
        return empty
    rows = itertools.chain(some, rows)
    table = Table(head, optional=_OPTIONAL)
    while chunk := list(itertools.islice(rows, _PAGE)):
        table.write(cells(row) for row in chunk)
    return 0


def _behind(text: str | None) -> str:
    return f": {text}" if text else ""


def _lag(lag: Mapping[str, Any], state: str) -> str:
    """How far the view is behind, or that nobody can know it."""
    if state == "reconnecting":
        return f"unknown: the log could be read the last time {span(lag['seconds'])} ago"
    return f"{_about(lag)}{lag['events']} events, {span(lag['seconds'])}"


def _about(lag: Mapping[str, Any]) -> str:
    return "about " if lag["events_estimated"] and lag["events"] else ""


def _progress(consumer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say how far a fill is: a share where the end of the log is known, else what has been read."""
    catch_up = consumer.get("catch_up")
    if catch_up:
        unit = catch_up.get("unit") or consumer.get("unit", "")
        share = f"{catch_up['percent']} % of {catch_up['end']} {unit}"
        return [("progress", f"{share}, {catch_up['per_second']:.0f} a second{_left(catch_up['seconds_left'])}")]
    read = consumer["details"].get("events_read")
    if consumer["state"] not in ("catching-up", "rebuilding") or read is None:
        return []
    return [("progress", f"{read} events so far; of how many is not known")]


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f", {span(seconds)} left"


def _second(seconds: int) -> str:
    return moment(seconds * 1000).replace(".000Z", "Z")
