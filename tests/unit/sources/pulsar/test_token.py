"""The token: read anew each time, and never lost where its file is away for a moment."""

from __future__ import annotations

import pathlib

import pytest

from streamdns.errors import SourceError
from streamdns.sources.pulsar.config import PulsarConfig
from streamdns.sources.pulsar.token import Token


def test_a_file_is_read_each_time(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    token = Token(PulsarConfig(url="pulsar://a:1", topic="t", token_file=str(file)))
    assert token
    assert token.read() == "one"
    file.write_text(" two \n")
    assert token.last() == "two"
    file.unlink()
    assert token.last() == "two"
    with pytest.raises(SourceError, match=r"DNS_PULSAR_TOKEN_FILE=.* cannot be read: no such file"):
        token.read()


def test_without_a_token() -> None:
    assert not Token(PulsarConfig(url="pulsar://a:1", topic="t"))
