"""The exceptions of streamdns: each carries its facts as fields, reads as one sentence, and is caught in one place."""

from __future__ import annotations

from collections.abc import Sequence


class StreamDNSError(Exception):
    """The base class of all exceptions that streamdns raises on purpose."""


class ConfigError(StreamDNSError):
    """The configuration cannot be used; caught by the command line, which lists every problem and exits with 78.

    `rest` are the settings with defaults in place of the wrong values, where there are any, so that `check` can go on.
    """

    def __init__(self, problems: Sequence[str], rest: object = None) -> None:
        self.problems = tuple(problems)
        self.rest = rest
        super().__init__("; ".join(self.problems))


class NotYet(StreamDNSError):
    """A service needs something that is not there now and may come; caught by the supervisor, which tries again."""


#: The part of an event that is wrong: its key, its JSON, a field of a record, the content of a record, its size; or
#: "entry", when the source could not even split the log's entry into key and value; or "batch", when nobody can tell
#: which events a whole batch of the log holds; or "fence", when it is about a name that the settings keep out.
BAD_EVENT_KINDS = ("key", "json", "field", "content", "size", "entry", "batch", "fence")


class BadEvent(StreamDNSError):
    """An event that cannot be decoded or validated; caught by the writer of the view, which quarantines it.

    `kind` is one of BAD_EVENT_KINDS.
    """

    def __init__(self, reason: str, kind: str = "field") -> None:
        self.reason, self.kind = reason, kind
        super().__init__(reason)


class SourceError(StreamDNSError):
    """The log cannot be read now; caught by the consumer, which waits and connects again."""


class SourceStalled(SourceError):
    """The log has new events but none was delivered for a while; caught by the consumer, which also raises an alarm."""


class LogReplaced(SourceError):
    """The log is not the one the view was made from (cut, re-created, exchanged); caught by the consumer: a rebuild."""


class ReadAnew(LogReplaced):
    """What a view took from the log so far may lack deletes, though the log is the same; caught by the consumer.

    `event` and `request_id` are those of a rebuild that neither an alarm nor an administrator asks for.
    """

    event = request_id = ""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class ViewError(StreamDNSError):
    """The view cannot do what was asked; the subclasses say why."""


class ViewFull(ViewError):
    """The view has no room for more data (map limit or disk); the consumer stops reading the log and tries again."""


class ViewCorrupt(ViewError):
    """The stored data contradicts itself or cannot be read: the view must be rebuilt from the log."""


class ViewLocked(ViewError):
    """Another process holds the view; the message says which."""

    def __init__(self, path: str, holder: str) -> None:
        self.path, self.holder = path, holder
        super().__init__(f"the view in {path} is in use by {holder}")


class ViewTooNew(ViewError):
    """The view was written by a newer streamdns and is refused."""


class QueryError(StreamDNSError):
    """A query that gets an error reply: RCODE and, where one fits, an extended error (RFC 8914 §4)."""

    def __init__(self, rcode: int, ede: int | None = None, text: str = "") -> None:
        self.rcode, self.ede, self.text = rcode, ede, text
        super().__init__(text or f"rcode {rcode}")


class ApiError(StreamDNSError):
    """An admin request that cannot be served; becomes a JSON error with its HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(message)
