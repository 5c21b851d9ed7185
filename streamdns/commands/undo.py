"""`streamdns journal --undo`: writes the events that put back what a span of time changed, such as a mistake."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from streamdns.commands import CommandError
from streamdns.commands.acceptance import Acceptance
from streamdns.commands.change_order import phases
from streamdns.commands.log_reader import Key, Standing, standing_of
from streamdns.commands.log_writer import CHUNK_EVENTS, interruptible, sending
from streamdns.commands.node import milliseconds
from streamdns.commands.output import Progress, moment, note, printable
from streamdns.commands.publish import metadatas
from streamdns.commands.view_reader import looking, owner_from_text, producers
from streamdns.dns import name, rdata
from streamdns.dns.node import SOA, ttl_of, unpack_rdatas
from streamdns.settings import Settings
from streamdns.sources.sink import LogEvent, Sink
from streamdns.view.entries import JournalEntry
from streamdns.view.journal import NOT_KEPT
from streamdns.view.keys import node_key, subtree
from streamdns.view.reader import Inspector

_YES = ("y", "yes")
_SHOWN = 20
_SHOWN_LEFT = 5
_EVER_MS = 1 << 63

Selects = Callable[[JournalEntry], bool]


@dataclass(slots=True)
class Plan:
    """What is put back, by RRset, and what is not.

    `wanted` has the records before the span in the form of a node, b"" where there were none; `last` the last change.
    `large` were too large for the journal, `changed` were changed since by what is not undone.
    """

    wanted: dict[Key, bytes] = field(default_factory=dict)
    last: dict[Key, JournalEntry] = field(default_factory=dict)
    large: list[Key] = field(default_factory=list)
    changed: list[Key] = field(default_factory=list)


def plan(entries: Iterable[JournalEntry], selects: Selects) -> Plan:
    """Work out from changes, oldest first, what stood before the selected ones. Pure."""
    first: dict[Key, JournalEntry] = {}
    mixed: set[Key] = set()
    made = Plan()
    for entry in entries:
        key = entry.owner, entry.rdtype
        if selects(entry):
            first.setdefault(key, entry)
        elif key in first:
            mixed.add(key)
        if key in first:
            made.last[key] = entry
    for key, entry in first.items():
        if key in mixed:
            made.changed.append(key)
        elif entry.was == NOT_KEPT or (entry.before and not entry.was):
            made.large.append(key)
        else:
            made.wanted[key] = entry.was
    return made


def settle(made: Plan, now: dict[Key, Standing]) -> None:
    """Leave out what stands already as it did, and what is not as the journal left it: somebody was faster. Pure."""
    for key, was in [*made.wanted.items()]:
        stands, left = now.get(key), made.last[key].now
        if _is(stands, key, was):
            if stands is None or not stands.rejected:
                del made.wanted[key]
        elif not (made.last[key].after and not left) and left != NOT_KEPT and not _is(stands, key, left):
            del made.wanted[key]
            made.changed.append(key)


def _is(stands: Standing | None, key: Key, records: bytes) -> bool:
    """Whether what stands are these records, in the form of a node; b"" for none."""
    if stands is None or not records:
        return stands is None and not records
    return stands.is_like(key[1], ttl_of(records), unpack_rdatas(records))


def ordered(made: Plan, now: dict[Key, Standing]) -> list[list[Key]]:
    """The RRsets to write, in phases that readers can bear: what is set before what is deleted, each SOA last.

    Of a zone that goes the SOA goes first: without it the names are refused, and with it they would be denied.
    """
    sets = [key for key, records in made.wanted.items() if records]
    deletes = [key for key, records in made.wanted.items() if not records]
    soas = [key for key in deletes if key[1] == SOA]
    found = phases(
        sets, [key for key in deletes if key[1] != SOA], origin=b"", late=[key for key in sets if key[1] == SOA],
        target=lambda key: unpack_rdatas(made.wanted[key])[0].lower(),
        old_target=lambda key: now[key].rdatas[0].lower(),
    )
    setting = [phase for phase in found if made.wanted[phase[0]] and phase[0][1] != SOA]
    return [each for each in (*setting, soas, *(phase for phase in found if phase not in setting)) if each]


def run(args: argparse.Namespace, settings: Settings, *, now_ms: int) -> int:
    """Show what is put back, ask, and append the events; exit 1 where something cannot be put back."""
    with interruptible("put back"):
        return _undo(args, settings, now_ms)


def _undo(args: argparse.Namespace, settings: Settings, now_ms: int) -> int:
    since_ms = milliseconds("--since", args.since)
    assert since_ms is not None  # the parser asks for it
    with looking(settings) as view:
        missing = _missing(view, since_ms)
        made = plan(_changes(view), _selects(args, since_ms))
    now, newest_ms = standing_of(settings, made.last.keys())
    settle(made, now)
    written = ordered(made, now)
    _tell(made, now, written, all_of_them=args.dry_run)
    for sentence in (missing, *_left(made)):
        if sentence:
            note(sentence)
    code = 1 if missing or made.large or made.changed else 0
    if args.dry_run or not written:
        return code
    if not args.yes and not _agreed():
        note("nothing was put back")
        return 1
    _write(_events(made, written, newest_ms, settings, now_ms), settings)
    print(f"{sum(map(len, written))} RRsets put back")
    return code


def _missing(view: Inspector, since_ms: int) -> str:
    """Say how far the journal reaches back, where that is not to the beginning of the span; "" where it is."""
    state = view.state
    if not state.journal_size:
        raise CommandError("there is no journal: DNS_JOURNAL_SIZE is 0")
    if state.journal_filled < 0:
        raise CommandError("the view was made by an older version, and its journal cannot be used yet")
    first = max(0, state.journal_next - state.journal_size)
    if first > state.journal_filled:
        oldest = next(view.journal()).time_ms
        if since_ms <= oldest:
            return (
                f"the journal holds the last {state.journal_size} changes (DNS_JOURNAL_SIZE) and reaches back to "
                f"{moment(oldest)}: what changed before is not put back"
            )
    elif since_ms <= state.journal_since_ms:
        return (
            f"the journal begins at {moment(state.journal_since_ms)}, when the view was filled or DNS_JOURNAL_SIZE was "
            "changed: what changed before is not put back"
        )
    return ""


def _changes(view: Inspector) -> Iterable[JournalEntry]:
    """The changes of the data that the journal holds, oldest first, without those of the fill of the view."""
    state = view.state
    begin = max(0, state.journal_next - state.journal_size)
    for number, entry in enumerate(view.journal(), begin):
        if number >= state.journal_filled and entry.rdtype:
            yield entry


def _selects(args: argparse.Namespace, since_ms: int) -> Selects:
    until_ms = milliseconds("--until", args.until)
    latest_ms = _EVER_MS if until_ms is None else until_ms
    owner = owner_from_text(args.name) if args.name else None
    within = subtree(node_key(owner_from_text(args.zone))) if args.zone else b""
    producer = [f"by {printable(args.producer)}"] if args.producer else []

    def selects(entry: JournalEntry) -> bool:
        return (
            since_ms <= entry.time_ms <= latest_ms
            and owner in (None, entry.owner)
            and node_key(entry.owner).startswith(within)
            and (not producer or producers(entry.metadatas) == producer)
        )

    return selects


def _tell(made: Plan, now: dict[Key, Standing], written: Sequence[Sequence[Key]], *, all_of_them: bool) -> None:
    keys = [key for phase in written for key in phase]
    shown = keys if all_of_them else keys[:_SHOWN]
    marks = {key: "-" if not made.wanted[key] else "~" if key in now else "+" for key in keys}
    for key in shown:
        print(f"{marks[key]} {_text(key)}")
    if len(keys) > len(shown):
        print(f"and {len(keys) - len(shown)} more (--dry-run lists all)")
    counts = [sum(mark == each for mark in marks.values()) for each in "+~-"]
    print(f"{len(keys)} RRsets would be put back: {counts[0]} set again, {counts[1]} changed back, {counts[2]} deleted")


def _left(made: Plan) -> list[str]:
    found = []
    if made.large:
        found.append(f"too large for the journal, so not put back: {_some(made.large)}")
    if made.changed:
        found.append(f"changed since by what is not undone here, so left as they are: {_some(made.changed)}")
    return found


def _some(keys: Sequence[Key]) -> str:
    more = f" and {len(keys) - _SHOWN_LEFT} more" if len(keys) > _SHOWN_LEFT else ""
    return ", ".join(_text(key) for key in keys[:_SHOWN_LEFT]) + more


def _text(key: Key) -> str:
    return f"{printable(name.to_text(key[0]))} {rdata.type_to_text(key[1])}"


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise CommandError("a span of time is put back only with --yes where nobody can be asked")
    print("put them back? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in _YES


#: An event, and the topic that it belongs in.
_Placed = tuple[str, LogEvent]


def _events(
    made: Plan, written: Sequence[Sequence[Key]], newest_ms: Mapping[Key, int], settings: Settings, now_ms: int
) -> list[list[_Placed]]:
    """The events of each phase, each later than what it undoes: where partitions disagree the newest stands."""
    provenance = metadatas(None, now_ms)
    accepts = {topic: Acceptance(settings, topic) for topic in {each.topic for each in made.last.values()}}
    found: list[list[_Placed]] = []
    for number, keys in enumerate(written):
        events: list[_Placed] = []
        for key in keys:
            owner, rdtype = key
            packed = made.wanted[key]
            records = [
                {"content": rdata.to_text(rdtype, wire), "ttl": ttl_of(packed)} | provenance
                for wire in (unpack_rdatas(packed) if packed else ())
            ]
            try:
                event_key, value = accepts[made.last[key].topic].encode(
                    name.to_text(owner), rdata.type_to_text(rdtype), records
                )
            except ValueError as err:
                raise CommandError(f"{_text(key)}: {err}") from err
            timestamp = max(now_ms, newest_ms.get(key, 0) + 1) + number
            events.append((made.last[key].topic, (event_key, value, timestamp)))
        found.append(events)
    return found


def _write(written: Sequence[Sequence[_Placed]], settings: Settings) -> None:
    """Append the events, each to the topic of what it undoes, phase by phase."""
    topics: dict[str, int] = {}
    for events in written:
        for topic, _ in events:
            topics[topic] = topics.get(topic, 0) + 1
    if settings.source == "kafka":
        for topic in topics.keys() - set(settings.kafka_topics):
            raise CommandError(f"the topic {printable(topic)} is not among DNS_KAFKA_TOPICS any more: add it first")
    if settings.source == "pulsar":
        for topic in topics.keys() - {settings.pulsar_topic}:
            raise CommandError(f"the topic {printable(topic)} is not DNS_PULSAR_TOPIC any more: nothing reads it")
    sent, total = 0, sum(topics.values())
    with ExitStack() as stack, Progress(total, "putting back") as progress:
        sinks: dict[str, Sink] = {}
        for topic, count in topics.items():
            where = topic if settings.source == "kafka" else None
            sinks[topic] = stack.enter_context(sending(settings, topic=where, total=count))
        for events in written:
            for topic, sink in sinks.items():
                mine = [event for of, event in events if of == topic]
                for at in range(0, len(mine), CHUNK_EVENTS):
                    chunk = mine[at : at + CHUNK_EVENTS]
                    sink.send(chunk)
                    sent += len(chunk)
                    progress.at(sent)
            for sink in sinks.values():
                sink.flush()
