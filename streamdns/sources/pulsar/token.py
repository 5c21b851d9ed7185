"""Gives the token for Pulsar, read anew from its file at each log-in, so that a renewed one is taken."""

from __future__ import annotations

from streamdns.errors import SourceError
from streamdns.settings import secret_file
from streamdns.sources.pulsar.config import PulsarConfig


class Token:
    """The token of the settings; true where there is one."""

    def __init__(self, config: PulsarConfig) -> None:
        self._text, self._file = config.token, config.token_file

    def __bool__(self) -> bool:
        return bool(self._text or self._file)

    def read(self) -> str:
        """Give the token as it is now; raises SourceError for a file that cannot be read."""
        if self._file:
            try:
                self._text = secret_file.read(self._file).strip()
            except ValueError as error:
                raise SourceError(f"DNS_PULSAR_TOKEN_FILE={self._file} {error}") from error
        return self._text

    def last(self) -> str:
        """Give the token as it is now, or the last one while its file cannot be read; called by the client library."""
        try:
            return self.read()
        except SourceError:
            return self._text
