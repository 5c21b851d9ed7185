"""Files that settings name are read again while the server runs; whatever they have become, nobody waits for them."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamdns import named_files
from streamdns.admin.access.files import Watched
from streamdns.admin.access.tokens import keyring_of
from streamdns.admin.http.tls import tls_context
from streamdns.errors import ConfigError, SourceError
from streamdns.resolver.service.roots import read_hints
from streamdns.settings import SETTINGS, load
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.tls import tls_context as kafka_context

SAID = "no plain file"


def kafka(**more: str) -> KafkaConfig:
    return KafkaConfig(addresses=("k:9092",), topics=("t",), tls=True, **more)


READERS: dict[str, Callable[[str], Any]] = {
    "environment file": lambda path: load({}, path),
    **{row.name: lambda path, name=row.name: load({name: path}) for row in SETTINGS if row.name.endswith("_FILE")},
    "keys of tokens": lambda path: keyring_of(load({"DNS_ADMIN_JWTKEYS": f"k={path}"})),
    "users": lambda path: Watched(path, bytes).get(),
    "root hints": lambda path: read_hints(path, 53),
    "certificate": lambda path: tls_context(load({"DNS_ADMIN_TLS_CERT": path})),
    "CA of Kafka": lambda path: kafka_context(kafka(ca=path), ssl.SSLContext),
    "certificate of Kafka": lambda path: kafka_context(kafka(certificate=path), ssl.SSLContext),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("reader", READERS)
def test_nobody_waits_for_a_pipe_while_the_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    monkeypatch.setattr(named_files, "_plain_only", False)
    named_files.plain_only()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises((ConfigError, SourceError, OSError), match=SAID):
        READERS[reader](str(pipe))
    with pytest.raises((ConfigError, SourceError, OSError)):
        READERS[reader](str(tmp_path))


@pytest.mark.timeout(20)
def test_at_the_start_a_pipe_is_read(tmp_path: Path) -> None:
    """As the shell makes them of a command, where a secret comes from one."""
    reads, writes = os.pipe()
    os.write(writes, b"LOG_LEVEL=debug\n")
    os.close(writes)
    assert load({}, f"/dev/fd/{reads}").log_level == "debug"
    os.close(reads)


def test_files_and_the_device_that_is_empty_are_read_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named_files, "_plain_only", True)
    file = tmp_path / "file"
    file.write_text("LOG_LEVEL=debug\r\n")
    (tmp_path / "link").symlink_to(file)
    assert [load({}, str(path)).log_level for path in (file, tmp_path / "link", Path(os.devnull))] == [
        "debug", "debug", load({}).log_level,
    ]
    named_files.expect_plain(str(file))
