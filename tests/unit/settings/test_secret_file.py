"""Secrets in files: what holds nothing is an error, never no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamdns.errors import ConfigError
from streamdns.settings import SETTINGS, load

FILES = sorted(row.name for row in SETTINGS if row.name.endswith("_FILE"))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_a_secret_that_was_named_and_holds_nothing_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load({name: str(file)})
    (problem,) = caught.value.problems
    assert problem.startswith(f"{name}={file} holds nothing")


def test_every_setting_for_a_secret_can_have_it_from_a_file() -> None:
    """A new one is found by the test above."""
    secret = {row.name for row in SETTINGS if row.secret}
    assert {name.removesuffix("_FILE") for name in FILES} == secret - {"DNS_COOKIE_SECRET"}


@pytest.mark.parametrize("name", FILES)
def test_the_mark_that_some_editors_begin_with_is_no_part_of_a_secret(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    secret = "warp10=0123456789abcdef0123456789abcdef"
    loaded = []
    for mark in (b"", b"\xef\xbb\xbf"):
        file.write_bytes(mark + secret.encode() + b"\r\n")
        loaded.append(load({name: str(file)}, random_bytes=bytes))
    assert loaded[0] == loaded[1]
