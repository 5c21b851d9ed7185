"""Writing to the log that the settings name, and what is said when it ends early."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from streamdns.commands import CommandError
from streamdns.commands.output import note
from streamdns.errors import ConfigError, SourceError
from streamdns.events.sources.sink import FileSink, Sink
from streamdns.settings import Settings


def check_target(settings: Settings, topic: str | None) -> None:
    """Whether it is clear where to write; raises ConfigError or CommandError, before anything is done."""
    if settings.source == "kafka":
        _topic(settings, topic)
    elif settings.source != "file":
        raise ConfigError([f"DNS_SOURCE={settings.source}: only a file log and Kafka can be written in this version"])
    elif topic is not None:
        raise CommandError("--topic is for Kafka, and DNS_SOURCE is file")


def _topic(settings: Settings, topic: str | None) -> str:
    topics = settings.kafka_topics
    if topic is not None and topic not in topics:
        raise CommandError(f"--topic {topic} is not among DNS_KAFKA_TOPICS ({', '.join(topics)}), so nobody would read")
    if topic is None and len(topics) > 1:
        raise CommandError(f"there are several topics ({', '.join(topics)}): say which one with --topic")
    return topic or topics[0]


def _open(settings: Settings, topic: str | None) -> Sink:
    if settings.source == "file":
        return FileSink(settings.file_log)
    from streamdns.events.sources.kafka_config import from_settings

    try:
        from streamdns.events.sources.kafka_sink import KafkaSink
    except ImportError as err:
        raise SourceError(f"confluent-kafka is not installed here: {err}") from err
    return KafkaSink(from_settings(settings), _topic(settings, topic))


@contextmanager
def sending(settings: Settings, *, topic: str | None, total: int) -> Iterator[Sink]:
    """The log to write `total` events to; all are in it at the end, or CommandError says how many are.

    After Ctrl-C a note says so.
    """
    sink: Sink | None = None
    try:
        sink = _open(settings, topic)
        yield sink
        sink.flush()
    except KeyboardInterrupt:
        note(f"interrupted: {_so_far(sink, total)}")
        raise
    except (SourceError, ValueError) as err:
        raise CommandError(f"{_so_far(sink, total)}: {err}") from err
    finally:
        if sink is not None:
            sink.close()


def _so_far(sink: Sink | None, total: int) -> str:
    stored, unknown = sink.tally() if sink is not None else (0, 0)
    if not stored and not unknown:
        return "nothing was published"
    doubt = f", and {unknown} more may have been" if unknown else ""
    return f"{stored} of {total} {'event was' if total == 1 else 'events were'} published{doubt}"
