"""Files that commands and a server share: nobody waits for ever, and what cannot be written names its file."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from streamdns.admin.access import files


def test_a_lock_that_somebody_keeps_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that was stopped by Ctrl-Z may hold it, and who waits may be a server's event loop."""
    monkeypatch.setattr(files, "_LOCK_PATIENCE_S", 0.1)
    path = str(tmp_path / "revoked.json")
    holder = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    # Should it wait for ever, the test does not.
    rescue = threading.Timer(30, fcntl.flock, (holder, fcntl.LOCK_UN))
    rescue.start()
    try:
        with pytest.raises(OSError, match="another process has had its lock") as caught, files.changing(path):
            pass
        assert caught.value.filename == path
    finally:
        rescue.cancel()
        rescue.join()
        os.close(holder)
    with files.changing(path):
        files.replace(path, b"{}")
    assert (tmp_path / "revoked.json").read_bytes() == b"{}"


def test_what_the_kernel_says_of_a_number_is_said_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = str(tmp_path / "users")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        files.replace(path, b"alice")
    assert caught.value.filename == path
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_has_to_be_there(tmp_path: Path) -> None:
    path = str(tmp_path / "users")
    assert files.Watched(path, bytes).get() == b""
    with pytest.raises(FileNotFoundError):
        files.Watched(path, bytes, may_be_missing=False).get()
