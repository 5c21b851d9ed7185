"""Opens the log of the settings for writing, and tells how many events are in it when a command ends early."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from streamdns.commands import CommandError
from streamdns.commands.output import Progress, note
from streamdns.errors import SourceError
from streamdns.settings import Settings
from streamdns.sources.filelog import TOPIC
from streamdns.sources.sink import FileSink, LogEvent, Placed, Sink

#: Events that are appended and synced together.
CHUNK_EVENTS = 1000


class Interrupted(KeyboardInterrupt):
    """Raised for Ctrl-C once a note has told what was published."""


@contextmanager
def interruptible(done: str = "published") -> Iterator[None]:
    """After Ctrl-C a note says that nothing was done, unless sending() has said how much was."""
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt:
        note(f"interrupted: nothing was {done}")
        raise


class _CtrlC:
    """Holds Ctrl-C back between listen() and end(), so that appending is not cut off in the middle."""

    def __init__(self) -> None:
        self._heard = False
        self._before: Any = None

    def is_heard(self) -> bool:
        return self._heard

    def listen(self) -> None:
        # Where it is ignored, as in a job in the background, it shall be.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._hear)

    def _hear(self, *_: object) -> None:
        self._heard = True

    def end(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


def hush_hub() -> None:
    """Let gevent pass Ctrl-C on without printing a traceback; call it before a command uses Kafka."""
    from gevent import get_hub

    hub = get_hub()
    hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)


def check_target(settings: Settings, topic: str | None) -> None:
    """Check that it is clear where to write, before anything is done; raises CommandError."""
    if settings.source == "kafka":
        _topic(settings, topic)
    elif topic is not None:
        raise CommandError(f"--topic is for Kafka, and DNS_SOURCE is {settings.source}")


def target_topic(settings: Settings, topic: str | None) -> str:
    """Return the topic that events are written to, by the name that the nodes know; raises CommandError."""
    if settings.source == "kafka":
        return _topic(settings, topic)
    return settings.pulsar_topic if settings.source == "pulsar" else TOPIC


def _topic(settings: Settings, topic: str | None) -> str:
    topics = settings.kafka_topics
    if topic is not None and topic not in topics:
        raise CommandError(f"--topic {topic} is not among DNS_KAFKA_TOPICS ({', '.join(topics)}), so nobody would read")
    if topic is None and len(topics) > 1:
        raise CommandError(f"there are several topics ({', '.join(topics)}): say which one with --topic")
    return topic or topics[0]


def _open(settings: Settings, topic: str | None, ctrl_c: _CtrlC) -> Sink:
    if settings.source == "file":
        return FileSink(settings.file_log)
    if settings.source == "pulsar":
        return _open_pulsar(settings, ctrl_c)
    from streamdns.sources.kafka.config import from_settings

    try:
        from streamdns.sources.kafka.sink import KafkaSink
    except ImportError as err:
        raise SourceError(f"confluent-kafka is not installed here: {err}") from err
    hush_hub()
    sink = KafkaSink(from_settings(settings), _topic(settings, topic), interrupted=ctrl_c.is_heard)
    ctrl_c.listen()
    return sink


def _open_pulsar(settings: Settings, ctrl_c: _CtrlC) -> Sink:
    from streamdns.sources.pulsar.config import check_installation, from_settings

    config = from_settings(settings)
    check_installation(config)
    from streamdns.sources.pulsar.sink import PulsarSink

    hush_hub()
    sink = PulsarSink(config, interrupted=ctrl_c.is_heard)
    ctrl_c.listen()
    return sink


@contextmanager
def sending(settings: Settings, *, topic: str | None, total: int) -> Iterator[Sink]:
    """Open the log to write `total` events to; at the end all are in it, or CommandError tells how many are.

    After Ctrl-C a note says so.
    """
    sink: Sink | None = None
    ctrl_c = _CtrlC()
    try:
        sink = _open(settings, topic, ctrl_c)
        yield sink
        sink.flush()
    except KeyboardInterrupt as err:
        note(f"interrupted: {_so_far(sink, total)}")
        raise Interrupted from err
    except (SourceError, ValueError) as err:
        raise CommandError(f"{_so_far(sink, total)}: {err}") from err
    finally:
        if sink is not None:
            sink.close()
        ctrl_c.end()


def send(sink: Sink, chunk: Sequence[LogEvent], placed: dict[tuple[str, int], Placed] | None) -> None:
    """Send events, and note the place of the last one of each partition where it is needed."""
    if placed is None:
        sink.send(chunk)
    else:
        placed.update(((each.topic, each.partition), each) for each in sink.append(chunk))


def send_phases(
    phases: Sequence[Sequence[LogEvent]], settings: Settings, *, topic: str | None, what: str, places: bool = False
) -> list[Placed]:
    """Append events phase by phase; the log has confirmed each phase before anything of the next one is sent.

    Gives the place of the last event of each partition where `places` are needed, else none.
    """
    total = sum(map(len, phases))
    sent = 0
    placed: dict[tuple[str, int], Placed] | None = {} if places else None
    with sending(settings, topic=topic, total=total) as sink, Progress(total, what) as progress:
        for events in phases:
            for at in range(0, len(events), CHUNK_EVENTS):
                chunk = events[at : at + CHUNK_EVENTS]
                send(sink, chunk, placed)
                sent += len(chunk)
                progress.at(sent)
            sink.flush()
    return list((placed or {}).values())


def _so_far(sink: Sink | None, total: int) -> str:
    stored, unknown = sink.tally() if sink is not None else (0, 0)
    if not stored and not unknown:
        return "nothing was published"
    doubt = f", and {unknown} more may have been" if unknown else ""
    return f"{stored} of {total} {'event was' if total == 1 else 'events were'} published{doubt}"
